//! Where each completion of an example stands, for whoever asks for those that are missing.

use rusqlite::OptionalExtension;

use super::record::{Accounting, CompletionKey, ExampleKey, State};
use super::{RationaleError, Reader};

/// Where one completion stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Which of the example's completions it is.
    pub index: u32,
    /// How far it is.
    pub state: State,
    /// The code of its failure, if it failed.
    pub failure: Option<String>,
}

/// Text whose tokens the teacher did not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Uncounted {
    /// Characters of prompts.
    pub prompt_characters: u64,
    /// Characters of replies.
    pub reply_characters: u64,
}

impl Reader {
    /// Where the completions of an example stand, by index; those that nobody asked for yet are not among them.
    pub fn standing(&self, example: ExampleKey) -> Result<Vec<Standing>, RationaleError> {
        let read = || {
            let (first, end) = (example.completion(0).0, ExampleKey(example.0 + 1).completion(0).0);
            let mut statement = self.connection().prepare_cached(
                "SELECT completion_index, state, failure FROM completion WHERE id >= ? AND id < ? ORDER BY id",
            )?;
            let rows = statement.query_map([first, end], |row| {
                let state: String = row.get(1)?;
                let state = State::parse(&state)
                    .ok_or_else(|| rusqlite::Error::InvalidColumnType(1, state.clone(), rusqlite::types::Type::Text))?;
                Ok(Standing { index: row.get(0)?, state, failure: row.get(2)? })
            })?;
            rows.collect::<rusqlite::Result<_>>()
        };
        read().map_err(|source| self.failed(source))
    }

    /// What a completion cost so far, if the store holds it.
    pub fn accounting(&self, key: CompletionKey) -> Result<Option<Accounting>, RationaleError> {
        let read = || {
            self.connection()
                .prepare_cached(
                    "SELECT model, response, prompt_tokens, completion_tokens, cost_usd, mean_logprob, arrived_ms
                     FROM completion WHERE id = ?",
                )?
                .query_row([key.0], |row| {
                    let count = |column| row.get::<_, Option<i64>>(column).map(|count| count.map(|count| count as u64));
                    Ok(Accounting {
                        model: row.get(0)?,
                        response: row.get(1)?,
                        prompt_tokens: count(2)?,
                        completion_tokens: count(3)?,
                        cost_usd: row.get(4)?,
                        mean_logprob: row.get(5)?,
                        arrived_ms: count(6)?,
                    })
                })
                .optional()
        };
        read().map_err(|source| self.failed(source))
    }

    /// The text of a source's completions whose tokens the teacher did not count.
    pub fn uncounted(&self, source: u32) -> Result<Uncounted, RationaleError> {
        let (first, end) = (ExampleKey::new(source, 0), ExampleKey::new(source + 1, 0));
        let read = || {
            self.connection().query_row(
                "SELECT coalesce(sum(length(prompt)), 0),
                        coalesce(sum(length(rationale) + coalesce(length(prediction), 0)), 0)
                 FROM completion WHERE id >= ? AND id < ? AND prompt_tokens IS NULL AND state <> 'failed'",
                [first.completion(0).0, end.completion(0).0],
                |row| {
                    let count = |column| row.get::<_, i64>(column).map(|count| count as u64);
                    Ok(Uncounted { prompt_characters: count(0)?, reply_characters: count(1)? })
                },
            )
        };
        read().map_err(|source| self.failed(source))
    }
}
