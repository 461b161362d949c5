//! What completions took, and how each was judged, for reports.

use rusqlite::{Row, params};

use super::summary::bounds;
use super::{RationaleError, Reader, Stored, row};
use crate::filter::SampleWeight;

/// What a source's completions took; a sum is `None` where no completion has the number.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spending {
    /// Completions that the latest filter kept.
    pub kept: u64,
    /// Completions of any state.
    pub completions: u64,
    /// Completions whose tokens are known.
    pub with_tokens: u64,
    /// Tokens of the prompts, as the teacher counts them.
    pub prompt_tokens: Option<u64>,
    /// Tokens of the replies.
    pub completion_tokens: Option<u64>,
    /// Completions whose cost is known.
    pub with_cost: u64,
    /// What they cost, in US dollars.
    pub cost_usd: Option<f64>,
    /// When the first reply arrived, in milliseconds of Unix time.
    pub first_arrival_ms: Option<u64>,
    /// When the last reply arrived.
    pub last_arrival_ms: Option<u64>,
}

/// How the latest filter judged a completion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// Whether it became a training sample.
    pub keep: bool,
    /// The code of the reason, if it did not, or counts less.
    pub reason: Option<String>,
    /// How much it counts.
    pub weight: SampleWeight,
}

impl Reader {
    /// What the completions of a source took.
    ///
    /// # Errors
    /// The database's.
    pub fn spending(&self, source: u32) -> Result<Spending, RationaleError> {
        let read = |row: &Row<'_>| {
            let count = |column| row.get::<_, Option<i64>>(column).map(|count| count.map(|count| count as u64));
            Ok(Spending {
                kept: count(0)?.unwrap_or(0),
                completions: count(1)?.unwrap_or(0),
                with_tokens: count(2)?.unwrap_or(0),
                prompt_tokens: count(3)?,
                completion_tokens: count(4)?,
                with_cost: count(5)?.unwrap_or(0),
                cost_usd: row.get(6)?,
                first_arrival_ms: count(7)?,
                last_arrival_ms: count(8)?,
            })
        };
        let query =
            "SELECT count(*) FILTER (WHERE verdict.keep), count(*), count(completion_tokens), sum(prompt_tokens),
                            sum(completion_tokens), count(cost_usd), sum(cost_usd), min(arrived_ms), max(arrived_ms)
                     FROM completion LEFT JOIN verdict ON verdict.id = completion.id
                     WHERE completion.id >= ? AND completion.id < ?";
        let [first, end] = bounds(source);
        self.connection().query_row(query, params![first, end], read).map_err(|error| self.failed(error))
    }

    /// The latest filter's judgement of a completion, if it judged it.
    ///
    /// # Errors
    /// The database's.
    pub fn judgement(&self, stored: &Stored) -> Result<Option<Judgement>, RationaleError> {
        let read = || {
            let mut statement =
                self.connection().prepare_cached("SELECT keep, reason, weight FROM verdict WHERE id = ?")?;
            let read = |found: &Row<'_>| {
                Ok(Judgement { keep: found.get(0)?, reason: found.get(1)?, weight: row::weight_of(found, 2)? })
            };
            let mut rows = statement.query_map([stored.key.0], read)?;
            rows.next().transpose()
        };
        read().map_err(|error| self.failed(error))
    }
}

impl Stored {
    /// The number of the source that the completion belongs to.
    #[must_use]
    pub fn source(&self) -> u32 {
        self.key.example().source()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Example;
    use crate::filter::{Reason, Verdict};
    use crate::rationale::record::ExampleKey;
    use crate::rationale::{Accounting, Record, SourceRecord, Store};
    use crate::teacher::Completion;

    fn stored(accounting: Accounting) -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(&folder.path().join("rationales.db")).unwrap();
        for number in [0, 1] {
            let source = SourceRecord { number, teacher: "tester".to_owned(), settings: "{}".to_owned() };
            let examples: Vec<(u64, Example)> =
                (0..3).map(|id| (id, Example::new("coin_flip", &id.to_string(), "?", "yes"))).collect();
            store.register(&source, &examples).unwrap();
            let record = |id| Record::done(ExampleKey::new(number, id), Completion::default());
            let mut records: Vec<Record> = (0..3).map(record).collect();
            if number == 1 {
                records[0].accounting = accounting.clone();
                records[1].accounting = accounting.clone();
            }
            store.put(&records).unwrap();
        }
        (folder, store)
    }

    #[test]
    fn what_is_not_known_is_not_nought() {
        let known = Accounting {
            prompt_tokens: Some(7),
            completion_tokens: Some(5),
            cost_usd: Some(0.25),
            arrived_ms: Some(99),
            ..Accounting::default()
        };
        let (_folder, store) = stored(known);
        let unknown = store.spending(0).unwrap();
        assert_eq!(unknown, Spending { completions: 3, ..Spending::default() });
        let known = store.spending(1).unwrap();
        assert_eq!((known.with_tokens, known.prompt_tokens, known.completion_tokens), (2, Some(14), Some(10)));
        assert_eq!((known.with_cost, known.cost_usd, known.last_arrival_ms), (2, Some(0.5), Some(99)));
    }

    #[test]
    fn a_weight_is_stored_with_its_reasons_and_counted() {
        let (_folder, mut store) = stored(Accounting::default());
        let quarter = SampleWeight::try_from(0.25).unwrap();
        let equation = "2 + 2 = 5".to_owned();
        let reasons = vec![Reason::WrongArithmetic { equation }, Reason::ExactDuplicate { of: 0 }];
        let key = |id| ExampleKey::new(0, id).completion(0);
        store.put_verdicts(&[(key(0), Verdict::Keep), (key(1), Verdict::Weigh { weight: quarter, reasons })]).unwrap();
        let mut kept = Vec::new();
        store
            .visit_kept(|stored, weight| {
                let judgement = store.judgement(&stored)?.unwrap();
                assert_eq!(judgement.weight, weight);
                kept.push((judgement.keep, weight.get(), judgement.reason));
                Ok::<(), RationaleError>(())
            })
            .unwrap();
        assert_eq!(kept, [(true, 1.0, None), (true, 0.25, Some("wrong_arithmetic".to_owned()))]);
        let counts: Vec<(String, u64)> = store.verdicts(0).unwrap().into_iter().collect();
        assert_eq!(counts, [("kept".to_owned(), 1), ("kept_with_less_weight".to_owned(), 1)]);
        assert_eq!(store.spending(0).unwrap().kept, 2);
        let mut rejected = 0;
        store
            .visit_rejected(None, |_, _, _| {
                rejected += 1;
                Ok::<(), RationaleError>(())
            })
            .unwrap();
        assert_eq!(rejected, 0);
    }

    #[test]
    fn verdicts_are_counted_by_source_and_reason() {
        let (_folder, mut store) = stored(Accounting::default());
        let verdict = |id, verdict| (ExampleKey::new(1, id).completion(0), verdict);
        let verdicts = [
            verdict(0, Verdict::Reject(Reason::NoAnswer)),
            verdict(1, Verdict::Keep),
            verdict(2, Verdict::Reject(Reason::NoAnswer)),
        ];
        store.put_verdicts(&verdicts).unwrap();
        assert!(store.verdicts(0).unwrap().is_empty());
        let counts: Vec<(String, u64)> = store.verdicts(1).unwrap().into_iter().collect();
        assert_eq!(counts, [("kept".to_owned(), 1), ("no_answer".to_owned(), 2)]);
        assert_eq!(store.spending(1).unwrap().kept, 1);
        let mut sources = Vec::new();
        store
            .visit(|stored| {
                let reason = store.judgement(&stored)?.and_then(|judgement| judgement.reason);
                sources.push((stored.source(), reason));
                Ok::<(), RationaleError>(())
            })
            .unwrap();
        assert_eq!(sources[2], (0, None));
        assert_eq!(sources[3], (1, Some("no_answer".to_owned())));
    }
}
