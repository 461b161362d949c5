//! The statements that write, each within a transaction of its caller.

use rusqlite::{Connection, OptionalExtension, params};

use super::reader::Reader;
use super::record::{CompletionKey, ExampleKey, Record, State};
use super::row;
use super::schema;
use super::store::SourceRecord;
use crate::dataset::Example;
use crate::filter::{Reason, Verdict};
use crate::teacher::Finish;

/// What became of a record that was to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is there now.
    Written,
    /// A finished completion was there that says the same, or more.
    Same,
    /// A finished completion was there that says something else.
    Conflict,
}

pub(super) fn insert_source(connection: &Connection, source: &SourceRecord) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT OR IGNORE INTO source (id, teacher, settings) VALUES (?, ?, ?)")?
        .execute(params![source.number, source.teacher, source.settings])?;
    Ok(())
}

/// Registers an example; the other one that has its place, if there is one.
pub(super) fn register_example(
    connection: &Connection,
    key: ExampleKey,
    example: &Example,
) -> rusqlite::Result<Option<Example>> {
    let known = connection
        .prepare_cached("SELECT example, task, question, gold FROM example WHERE id = ?")?
        .query_row([key.0], |found| row::example_of(found, 0))
        .optional()?;
    if known.is_none() {
        connection
            .prepare_cached(
                "INSERT INTO example (id, source, example, task, question, gold) VALUES (?, ?, ?, ?, ?, ?)",
            )?
            .execute(params![
                key.0,
                schema::source_of(key.0),
                example.id,
                example.task,
                example.question,
                example.gold
            ])?;
    }
    Ok(known.filter(|known| known != example))
}

/// Writes a record unless a finished one has its place.
pub(super) fn put(connection: &Connection, record: &Record) -> rusqlite::Result<Outcome> {
    if upsert(connection, record)? {
        return Ok(Outcome::Written);
    }
    if record.state != State::Done {
        return Ok(Outcome::Same);
    }
    let known = Reader::completion(connection, record.key())?;
    let is_same = known.is_some_and(|(_, known)| known == record.completion);
    Ok(if is_same { Outcome::Same } else { Outcome::Conflict })
}

/// Writes a record unless a finished one is there; whether it was written.
fn upsert(connection: &Connection, record: &Record) -> rusqlite::Result<bool> {
    let Record { completion, accounting, failure, .. } = record;
    let text = |finish: &Option<Finish>| finish.clone().map(String::from);
    let written = connection
        .prepare_cached(
            "INSERT INTO completion (id, example, completion_index, state, prompt, parameters, seed, rationale, finish, marker,
                 prediction, answer_finish, failure, failure_detail, model, response, prompt_tokens, completion_tokens,
                 cost_usd, mean_logprob, arrived_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21)
             ON CONFLICT DO UPDATE SET state = ?4, prompt = ?5, parameters = ?6, seed = ?7, rationale = ?8, finish = ?9,
                 marker = ?10, prediction = ?11, answer_finish = ?12, failure = ?13, failure_detail = ?14, model = ?15,
                 response = ?16, prompt_tokens = ?17, completion_tokens = ?18, cost_usd = ?19, mean_logprob = ?20,
                 arrived_ms = ?21
             WHERE state <> 'done'",
        )?
        .execute(params![
            record.key().0,
            record.example.0,
            completion.index,
            record.state.as_str(),
            completion.prompt,
            completion.parameters,
            completion.seed.map(|seed| seed as i64),
            completion.rationale,
            text(&completion.finish),
            completion.marker,
            completion.prediction,
            text(&completion.answer_finish),
            failure.as_ref().map(|failure| &failure.code),
            failure.as_ref().map(|failure| &failure.detail),
            accounting.model,
            accounting.response,
            accounting.prompt_tokens.map(|tokens| tokens as i64),
            accounting.completion_tokens.map(|tokens| tokens as i64),
            accounting.cost_usd,
            accounting.mean_logprob,
            accounting.arrived_ms.map(|time| time as i64),
        ])?;
    Ok(written == 1)
}

pub(super) fn put_verdict(connection: &Connection, key: CompletionKey, verdict: &Verdict) -> rusqlite::Result<()> {
    let detail: Vec<String> = verdict.reasons().iter().map(ToString::to_string).collect();
    let detail = (!detail.is_empty()).then(|| detail.join("; "));
    connection
        .prepare_cached("INSERT OR REPLACE INTO verdict (id, keep, reason, detail, weight) VALUES (?, ?, ?, ?, ?)")?
        .execute(params![
            key.0,
            verdict.is_keep(),
            verdict.reason().map(Reason::code),
            detail,
            verdict.weight().get()
        ])?;
    Ok(())
}
