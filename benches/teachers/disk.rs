//! What a store allows a client that costs nothing itself: commits alone, of the rows of a real run.

use std::path::Path;
use std::time::Instant;

use pupil_distill::dataset::Example;
use pupil_distill::rationale::{ExampleKey, RationaleRow, Record, SourceRecord, Store};

/// Rows of a small commit, and of a large one.
const SIZES: [usize; 2] = [1, 128];
/// Commits of each size; they alternate, so that noise meets both.
const COMMITS: usize = 200;

/// Seconds of a commit: `fixed + per_row * rows`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Commits {
    pub(crate) fixed: f64,
    pub(crate) per_row: f64,
}

impl Commits {
    /// Measures a store below `place`, writing `rows` again and again.
    pub(crate) fn measured(rows: &[RationaleRow], place: &Path) -> Self {
        let folder = tempfile::tempdir_in(place).unwrap();
        let mut store = Store::open(&folder.path().join("rationales.db")).unwrap();
        let mut records = records(&mut store, rows).into_iter();
        let mut seconds = [0.0; 2];
        for _ in 0..COMMITS {
            for (size, seconds) in SIZES.into_iter().zip(&mut seconds) {
                let batch: Vec<Record> = records.by_ref().take(size).collect();
                let start = Instant::now();
                store.put(&batch).unwrap();
                *seconds += start.elapsed().as_secs_f64() / COMMITS as f64;
            }
        }
        let [small, large] = SIZES.map(|size| size as f64);
        let per_row = ((seconds[1] - seconds[0]) / (large - small)).max(0.0);
        Self { fixed: (seconds[0] - per_row * small).max(0.0), per_row }
    }

    /// Completions a second with so many in flight, where a reply costs nothing but its way, of so many seconds, and its
    /// commit: it comes in the middle of a commit on average, and its own is the one after.
    ///
    /// Commits that follow each other hold `rate * seconds` rows each, hence `seconds = fixed / (1 - rate * per_row)`.
    pub(crate) fn bound(&self, in_flight: usize, way: f64) -> f64 {
        let in_flight = in_flight as f64;
        let needs = |rate: f64| way + 1.5 * self.fixed / (1.0 - rate * self.per_row);
        // What is asked for falls with the rate, what there is does not: their crossing lies between these.
        let (mut low, mut high) = (0.0, (in_flight / way).min(1.0 / self.per_row.max(1e-12)));
        for _ in 0..60 {
            let middle = f64::midpoint(low, high);
            if middle * needs(middle) < in_flight { low = middle } else { high = middle }
        }
        low
    }
}

/// The rows as records of as many new examples as are committed.
fn records(store: &mut Store, rows: &[RationaleRow]) -> Vec<Record> {
    let count = SIZES.iter().sum::<usize>() * COMMITS;
    let rows = || rows.iter().cycle().take(count).zip(0_u64..);
    let examples: Vec<(u64, Example)> = rows()
        .map(|(row, number)| (number, Example { id: format!("{}-{number}", row.example.id), ..row.example.clone() }))
        .collect();
    let source = SourceRecord { number: 0, teacher: "bench".to_owned(), settings: "{}".to_owned() };
    store.register(&source, &examples).unwrap();
    rows().map(|(row, number)| Record::done(ExampleKey::new(0, number), row.completion.clone())).collect()
}
