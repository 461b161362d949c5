//! How far a store is, in numbers.

use std::collections::BTreeMap;

use serde::Serialize;

use super::record::ExampleKey;
use super::{RationaleError, Reader, SourceRecord, Store};

/// Among counted verdicts: kept, with less than full weight.
pub const COUNTS_LESS: &str = "kept_with_less_weight";

/// How far a source is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Progress {
    /// Registered examples.
    pub examples: u64,
    /// Finished completions.
    pub done: u64,
    /// Completions whose answer has still to be asked for.
    pub partial: u64,
    /// Completions that failed.
    pub failed: u64,
    /// Tokens of the prompts of all completions, as the teacher counts them.
    pub prompt_tokens: u64,
    /// Tokens of the replies.
    pub completion_tokens: u64,
    /// What they cost, in US dollars.
    pub cost_usd: f64,
}

/// Everything that can be told about a source in numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Number of the source.
    pub source: u32,
    /// Name of the teacher.
    pub teacher: String,
    /// How far it is.
    #[serde(flatten)]
    pub progress: Progress,
    /// Examples of the whole source, of which a shard has a part; `None` for a store that nobody taught.
    pub whole_examples: Option<u64>,
    /// Most completions that this store can get: its examples times the degree.
    pub expected: Option<u64>,
    /// Attempts that brought nothing, by kind.
    pub faults: BTreeMap<String, u64>,
    /// Failed completions, by code.
    pub failures: BTreeMap<String, u64>,
    /// Verdicts, `kept`, [`COUNTS_LESS`] or the reason's code.
    pub verdicts: BTreeMap<String, u64>,
}

impl Store {
    /// Notes how large a source is as a whole: its examples, and the most completions of each.
    pub fn note_extent(&mut self, source: u32, examples: u64, most_completions: u32) -> Result<(), RationaleError> {
        self.set(&format!("source/{source}/examples"), &examples.to_string())?;
        self.set(&format!("source/{source}/most_completions"), &most_completions.to_string())
    }
}

impl Reader {
    /// How far a source is.
    pub fn progress(&self, source: u32) -> Result<Progress, RationaleError> {
        let (first, end) = (ExampleKey::new(source, 0), ExampleKey::new(source + 1, 0));
        let examples = self.rows("SELECT count(*) FROM example WHERE id >= ? AND id < ?", [first.0, end.0], |row| {
            row.get::<_, i64>(0)
        })?;
        let mut progress = self.rows(
            "SELECT count(*) FILTER (WHERE state = 'done'), count(*) FILTER (WHERE state = 'partial'),
                    count(*) FILTER (WHERE state = 'failed'), coalesce(sum(prompt_tokens), 0),
                    coalesce(sum(completion_tokens), 0), coalesce(sum(cost_usd), 0.0)
             FROM completion WHERE id >= ? AND id < ?",
            [first.completion(0).0, end.completion(0).0],
            |row| {
                let count = |column| row.get::<_, i64>(column).map(|count| count as u64);
                Ok(Progress {
                    examples: 0,
                    done: count(0)?,
                    partial: count(1)?,
                    failed: count(2)?,
                    prompt_tokens: count(3)?,
                    completion_tokens: count(4)?,
                    cost_usd: row.get(5)?,
                })
            },
        )?;
        let examples = examples.first().map_or(0, |&count| count as u64);
        Ok(Progress { examples, ..progress.pop().unwrap_or_default() })
    }

    /// Everything that can be told about each source in numbers.
    pub fn summaries(&self) -> Result<Vec<Summary>, RationaleError> {
        self.sources()?.iter().map(|source| self.summary(source)).collect()
    }

    fn summary(&self, source: &SourceRecord) -> Result<Summary, RationaleError> {
        let number = source.number;
        let progress = self.progress(number)?;
        let noted = |name: &str| -> Result<Option<u64>, RationaleError> {
            let value = self.setting(&format!("source/{number}/{name}"))?;
            Ok(value.and_then(|value| value.parse().ok()))
        };
        let most = noted("most_completions")?;
        let [first, end] = bounds(number);
        let range = format!("id >= {first} AND id < {end}");
        Ok(Summary {
            source: number,
            teacher: source.teacher.clone(),
            whole_examples: noted("examples")?,
            expected: most.map(|most| progress.examples * most),
            progress,
            faults: self.counts(&format!("SELECT kind, count FROM fault WHERE source = {number}"))?,
            failures: self.counts(&format!(
                "SELECT coalesce(failure, 'unknown'), count(*) FROM completion WHERE {range} AND state = 'failed' GROUP BY 1"
            ))?,
            verdicts: self.verdicts(number)?,
        })
    }

    /// Verdicts of the latest filter on a source's completions: how many were `kept` with full weight, how many with less
    /// ([`COUNTS_LESS`]), and how many were rejected, by the reason's code.
    ///
    /// # Errors
    /// The database's.
    pub fn verdicts(&self, source: u32) -> Result<BTreeMap<String, u64>, RationaleError> {
        let [first, end] = bounds(source);
        self.counts(&format!(
            "SELECT CASE WHEN keep AND weight < 1 THEN '{COUNTS_LESS}' WHEN keep THEN 'kept' ELSE coalesce(reason, 'unknown') END, count(*) FROM verdict
             WHERE id >= {first} AND id < {end} GROUP BY 1"
        ))
    }

    fn counts(&self, query: &str) -> Result<BTreeMap<String, u64>, RationaleError> {
        let rows = self.rows(query, [], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as u64)))?;
        Ok(rows.into_iter().collect())
    }
}

/// The first key of a source's completions, and the first behind them.
pub(super) fn bounds(source: u32) -> [i64; 2] {
    [ExampleKey::new(source, 0), ExampleKey::new(source + 1, 0)].map(|example| example.completion(0).0)
}
