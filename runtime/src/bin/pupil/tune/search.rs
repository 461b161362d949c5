//! From setting to setting.

use std::io::{self, IsTerminal, Write};
use std::num::NonZeroUsize;

use pupil_models::bundle::Bundle;
use pupil_models::format::WeightFormat;
use pupil_runtime::tuning::{Candidate, Choice, MOST_BATCH_ROWS};
use pupil_runtime::{CacheType, EngineOptions, Execution, machine};

use super::choose::{Cost, cheapest_of_best, row_counts, surely_faster, thread_counts};
use super::measure::{self, Setting, Workload};
use crate::args::Tune;
use crate::bench::median;

/// The best settings, and everything that was tried.
pub(super) fn search(bundle: &Bundle, arguments: &Tune) -> anyhow::Result<(Choice, Vec<Candidate>)> {
    let workload = Workload::new(bundle);
    let untuned = EngineOptions { untuned: true, ..EngineOptions::default() };
    let usual = untuned.resolve(bundle);
    let mut search = Search { bundle, workload: &workload, rounds: arguments.rounds.get(), tried: Vec::new() };
    let start = Setting {
        threads: NonZeroUsize::MIN,
        spinning: usual.spinning,
        affinity: usual.affinity,
        prepacking: usual.prepacking,
        cache: usual.cache,
        rows: NonZeroUsize::MIN,
    };
    let settings = threads(arguments).map(|threads| Setting { threads, ..start }).collect();
    let found = search.stage("threads", settings, Cost::Cores, |setting| setting.threads == usual.threads)?;
    // A single thread has nobody to wait for.
    let spinning = if found.threads.get() > 1 { vec![false, true] } else { vec![false] };
    let settings = spinning.into_iter().map(|spinning| Setting { spinning, ..found }).collect();
    let found = search.stage("spinning", settings, Cost::Cores, |setting| setting.spinning == usual.spinning)?;
    let settings = affinities(found.threads).map(|affinity| Setting { affinity, ..found }).collect();
    let found = search.stage("affinity", settings, Cost::Cores, |setting| !setting.affinity)?;
    let settings = prepackings(bundle, &usual).map(|prepacking| Setting { prepacking, ..found }).collect();
    let found =
        search.stage("pre-packing", settings, Cost::Memory, |setting| setting.prepacking == usual.prepacking)?;
    let caches = cache_types(bundle, arguments.allow_int8_cache);
    let settings = caches.map(|cache| Setting { cache, ..found }).collect();
    let found = search.stage("cache", settings, Cost::Memory, |setting| setting.cache == usual.cache)?;
    let rows = row_counts(MOST_BATCH_ROWS, workload.row_bytes());
    let settings = rows.map(|rows| Setting { rows, ..found }).collect();
    let found = search.stage("batch rows", settings, Cost::Cores, |_| false)?;
    let Setting { threads, spinning, affinity, prepacking, cache, rows: batch_rows } = found;
    Ok((Choice { threads, spinning, affinity, prepacking, cache, batch_rows }, search.tried))
}

fn threads(arguments: &Tune) -> impl Iterator<Item = NonZeroUsize> {
    let cores = NonZeroUsize::new(machine::cores()).unwrap_or(NonZeroUsize::MIN);
    thread_counts(arguments.most_threads.unwrap_or(cores).min(cores))
}

/// A single thread is the caller's own, and two of a core would share it.
fn affinities(threads: NonZeroUsize) -> impl Iterator<Item = bool> {
    let possible = threads.get() > 1 && threads.get() <= machine::physical_cores().len();
    [false, true].into_iter().take(if possible { 2 } else { 1 })
}

/// Packed weights are in their kernels' layout already, and portable formats crawl without it.
fn prepackings(bundle: &Bundle, usual: &Execution) -> impl Iterator<Item = bool> + use<> {
    let (open, usual) = (bundle.manifest().weights == WeightFormat::Float32, usual.prepacking);
    [false, true].into_iter().filter(move |&prepacking| open || prepacking == usual)
}

/// The types that the bundle offers, the smallest first: it is the cheapest. Bytes change answers, so only if the user says so.
fn cache_types(bundle: &Bundle, allow_int8: bool) -> impl Iterator<Item = CacheType> {
    let offered = CacheType::offered_by(bundle.manifest().weights);
    let smallest_first = CacheType::ALL.into_iter().rev();
    smallest_first.filter(move |cache| offered.contains(cache) && (allow_int8 || *cache != CacheType::Int8))
}

/// What is measured, and what was so far.
struct Search<'a> {
    bundle: &'a Bundle,
    workload: &'a Workload,
    rounds: usize,
    tried: Vec<Candidate>,
}

impl Search<'_> {
    /// The setting that is taken of these, which are in order of cost; `is_usual` knows what is taken without any tuning.
    fn stage(
        &mut self,
        name: &str,
        settings: Vec<Setting>,
        cost: Cost,
        is_usual: impl Fn(&Setting) -> bool,
    ) -> anyhow::Result<Setting> {
        if let [only] = settings[..] {
            return Ok(only);
        }
        progress(name, settings.len(), self.rounds)?;
        let times = measure::rounds(self.bundle, self.workload, &settings, self.rounds)?;
        let per_row: Vec<Vec<f64>> =
            settings.iter().zip(&times).map(|(setting, times)| setting.per_row_ms(times)).collect();
        let medians: Vec<f64> = per_row.iter().map(|times| median(times.clone())).collect();
        self.tried.extend(settings.iter().zip(times).map(|(setting, times)| setting.candidate(self.workload, times)));
        let best = cheapest_of_best(&medians, cost);
        let usual = settings.iter().position(is_usual).unwrap_or(best);
        if best > usual && !surely_faster(&per_row[best], &per_row[usual]) {
            let gain = 100.0 * (1.0 - medians[best] / medians[usual]);
            writeln!(
                io::stderr(),
                "warning: {name}: rounds differ more than candidates do: the fastest gains {gain:.0} %, but not in three \
                 quarters of the rounds; what is usual stays"
            )?;
            return Ok(settings[usual]);
        }
        Ok(settings[best])
    }
}

fn progress(name: &str, candidates: usize, rounds: usize) -> io::Result<()> {
    let mut out = io::stderr();
    if out.is_terminal() { writeln!(out, "{name}: {candidates} candidates, {rounds} rounds") } else { Ok(()) }
}
