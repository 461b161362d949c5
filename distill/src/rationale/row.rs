//! How rows of the tables become values.

use rusqlite::Row;
use rusqlite::types::Type;

use super::reader::Stored;
use super::record::{Accounting, CompletionKey, ExampleKey, Failure, RationaleRow, Record, State};
use crate::dataset::Example;
use crate::filter::SampleWeight;
use crate::teacher::{Completion, Finish};

/// Columns of a completion, in the order of [`completion_of`].
pub(super) const COMPLETION: &str =
    "completion_index, prompt, parameters, seed, rationale, finish, marker, prediction, answer_finish";

/// Columns of a record, in the order of [`record_of`].
pub(super) const RECORD: &str = "completion_index, prompt, parameters, seed, rationale, finish, marker, prediction,
    answer_finish, state, example, failure, failure_detail, model, response, prompt_tokens, completion_tokens, cost_usd,
    mean_logprob, arrived_ms";

/// Columns of an example, in the order of [`example_of`].
pub(super) const EXAMPLE: &str = "example.example, task, question, gold";

pub(super) fn example_of(row: &Row<'_>, first: usize) -> rusqlite::Result<Example> {
    Ok(Example {
        id: row.get(first)?,
        task: row.get(first + 1)?,
        question: row.get(first + 2)?,
        gold: row.get(first + 3)?,
    })
}

/// A row of [`COMPLETION`], key, teacher, [`EXAMPLE`].
pub(super) fn stored_of(row: &Row<'_>) -> rusqlite::Result<Stored> {
    Ok(Stored {
        key: CompletionKey(row.get(9)?),
        row: RationaleRow { example: example_of(row, 11)?, teacher: row.get(10)?, completion: completion_of(row, 0)? },
    })
}

/// Columns that [`stored_of`] reads.
pub(super) const STORED_COLUMNS: usize = 15;

pub(super) fn weight_of(row: &Row<'_>, column: usize) -> rusqlite::Result<SampleWeight> {
    let number: f64 = row.get(column)?;
    SampleWeight::try_from(number)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Real, Box::new(error)))
}

pub(super) fn completion_of(row: &Row<'_>, first: usize) -> rusqlite::Result<Completion> {
    let finish = |column| row.get::<_, Option<String>>(column).map(|reason| reason.map(Finish::from));
    Ok(Completion {
        index: row.get(first)?,
        prompt: row.get(first + 1)?,
        parameters: row.get(first + 2)?,
        seed: row.get::<_, Option<i64>>(first + 3)?.map(|seed| seed as u64),
        rationale: row.get(first + 4)?,
        finish: finish(first + 5)?,
        marker: row.get(first + 6)?,
        prediction: row.get(first + 7)?,
        answer_finish: finish(first + 8)?,
    })
}

pub(super) fn record_of(row: &Row<'_>) -> rusqlite::Result<Record> {
    let count = |column| row.get::<_, Option<i64>>(column).map(|count| count.map(|count| count as u64));
    let failure = match (row.get::<_, Option<String>>(11)?, row.get::<_, Option<String>>(12)?) {
        (Some(code), detail) => Some(Failure { code, detail: detail.unwrap_or_default() }),
        (None, _) => None,
    };
    Ok(Record {
        completion: completion_of(row, 0)?,
        state: state_of(row, 9)?,
        example: ExampleKey(row.get(10)?),
        failure,
        accounting: Accounting {
            model: row.get(13)?,
            response: row.get(14)?,
            prompt_tokens: count(15)?,
            completion_tokens: count(16)?,
            cost_usd: row.get(17)?,
            mean_logprob: row.get(18)?,
            arrived_ms: count(19)?,
        },
    })
}

pub(super) fn state_of(row: &Row<'_>, column: usize) -> rusqlite::Result<State> {
    let text: String = row.get(column)?;
    State::parse(&text).ok_or_else(|| rusqlite::Error::InvalidColumnType(column, text, Type::Text))
}
