//! What is measured, validated.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use pupil_runtime::EngineOptions;

use crate::args::Bench;
use crate::plan::{PlanError, bundle_or_default, engine_options};

/// Longest soak.
const MOST_SOAK: Duration = Duration::from_hours(24);

/// What is measured.
#[derive(Debug)]
pub(super) struct BenchPlan<'a> {
    pub(super) folder: PathBuf,
    pub(super) question: &'a str,
    /// Lengths of prompts, in order, each once.
    pub(super) prompts: Vec<usize>,
    /// Lengths of contexts, in order, each once.
    pub(super) depths: Vec<usize>,
    pub(super) tokens: usize,
    pub(super) runs: usize,
    pub(super) warm_up: usize,
    pub(super) soak: Option<Duration>,
    pub(super) options: EngineOptions,
}

impl<'a> BenchPlan<'a> {
    pub(super) fn new(arguments: &'a Bench) -> anyhow::Result<Self> {
        Ok(Self {
            folder: bundle_or_default(arguments.bundle.clone())?,
            question: &arguments.question,
            prompts: lengths(&arguments.prompts),
            depths: lengths(&arguments.depths),
            tokens: arguments.tokens.get(),
            runs: arguments.runs.get(),
            warm_up: arguments.warm_up,
            soak: arguments.soak.as_deref().map(duration).transpose()?,
            options: engine_options(&arguments.engine),
        })
    }

    /// Runs, the unmeasured ones first; `true` for those that count.
    pub(super) fn rounds(&self) -> impl Iterator<Item = bool> + use<> {
        let warm_up = self.warm_up;
        (0..warm_up + self.runs).map(move |round| round >= warm_up)
    }
}

fn lengths(given: &[NonZeroUsize]) -> Vec<usize> {
    let mut lengths: Vec<usize> = given.iter().map(|length| length.get()).collect();
    lengths.sort_unstable();
    lengths.dedup();
    lengths
}

/// Seconds with an optional unit: `90`, `90s`, `5m`, `1h`.
fn duration(text: &str) -> Result<Duration, PlanError> {
    let (number, unit) = match text.as_bytes().last() {
        Some(b's') => (&text[..text.len() - 1], 1),
        Some(b'm') => (&text[..text.len() - 1], 60),
        Some(b'h') => (&text[..text.len() - 1], 3600),
        _ => (text, 1),
    };
    let seconds = number.parse::<u32>().ok().and_then(|number| number.checked_mul(unit)).map(u64::from);
    match seconds.map(Duration::from_secs).filter(|length| !length.is_zero() && *length <= MOST_SOAK) {
        Some(length) => Ok(length),
        None => Err(PlanError::new(
            format!("`--soak`: expected a time up to 24h, found `{}`", text.escape_debug()),
            "such as 90s or 5m",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_and_without_unit() {
        assert_eq!(duration("90").unwrap(), Duration::from_secs(90));
        assert_eq!(duration("90s").unwrap(), Duration::from_secs(90));
        assert_eq!(duration("5m").unwrap(), Duration::from_mins(5));
        assert_eq!(duration("24h").unwrap(), MOST_SOAK);
        for wrong in ["", "m", "0", "-1s", "1.5m", "25h", "5 m", "99999999999m", "5ö"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
