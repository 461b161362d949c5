//! Out of a store.

use std::io::{BufWriter, Write};
use std::path::Path;

use pupil_models::contract::ReasoningContract;
use serde::Serialize;

use super::ExchangedRow;
use super::parquet_writer::ParquetWriter;
use crate::filter::SampleWeight;
use crate::rationale::{RationaleError, Reader, Stored};

/// Which rationales leave a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Every finished completion.
    All,
    /// Those that the latest filter kept.
    Kept,
}

/// How rationales are laid out.
#[derive(Clone, Copy, Debug)]
pub enum Format<'a> {
    /// One JSON object a line, as [`super::import`] reads it.
    Jsonl,
    /// The same as columns, Snappy-compressed.
    Parquet,
    /// One JSON object a line with `prompt` and `completion`, as the student is trained on them, and `weight` where the latest
    /// filter gave less than full weight: a trainer that does not read it weighs all rows the same.
    PromptCompletion(&'a ReasoningContract),
    /// One JSON object a line with `messages`: the prompt as the user's, the completion as the assistant's; and `weight`, as
    /// above.
    Messages(&'a ReasoningContract),
}

#[derive(Serialize)]
struct PromptCompletion<'a> {
    prompt: &'a str,
    completion: &'a str,
    #[serde(skip_serializing_if = "SampleWeight::is_full")]
    weight: SampleWeight,
}

#[derive(Serialize)]
struct Messages<'a> {
    messages: [Message<'a>; 2],
    #[serde(skip_serializing_if = "SampleWeight::is_full")]
    weight: SampleWeight,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: &'a str,
}

/// Writes the chosen rationales to `out`, in the order of the experiment; equal data gives equal bytes. How many they are.
///
/// # Errors
/// The store cannot be read; nothing was ever filtered and only kept ones are wanted; `out`, called `path` in messages,
/// refuses.
pub fn export<W: Write + Send>(
    reader: &Reader,
    choice: Choice,
    format: Format<'_>,
    out: W,
    path: &Path,
) -> Result<u64, RationaleError> {
    if choice == Choice::Kept && !reader.has_verdicts()? {
        return Err(RationaleError::Store {
            path: reader.path().to_owned(),
            expected: "verdicts, to choose the kept rationales by".to_owned(),
            found: "none".to_owned(),
        });
    }
    let failed = |source| RationaleError::Write { path: path.to_owned(), source };
    let mut count = 0;
    let mut out = BufWriter::with_capacity(1 << 18, out);
    if let Format::Parquet = format {
        let mut writer = ParquetWriter::new(&mut out).map_err(failed)?;
        each(reader, choice, |stored, _| {
            count += 1;
            writer.push(exchanged(stored)).map_err(failed)
        })?;
        writer.finish().map_err(failed)?;
    } else {
        each(reader, choice, |stored, weight| {
            count += 1;
            write_line(&mut out, format, stored, weight).map_err(failed)
        })?;
    }
    out.flush().map_err(failed)?;
    Ok(count)
}

fn each(
    reader: &Reader,
    choice: Choice,
    mut visit: impl FnMut(Stored, SampleWeight) -> Result<(), RationaleError>,
) -> Result<(), RationaleError> {
    match choice {
        Choice::All => reader.visit(|stored| visit(stored, SampleWeight::FULL)),
        Choice::Kept => reader.visit_kept(visit),
    }
}

fn exchanged(stored: Stored) -> ExchangedRow {
    let source = stored.key.example().source();
    ExchangedRow::new(stored.row, source)
}

fn write_line(out: &mut impl Write, format: Format<'_>, stored: Stored, weight: SampleWeight) -> std::io::Result<()> {
    let laid_out = |contract: &ReasoningContract| {
        let row = &stored.row;
        let completion = contract.completion(row.completion.reasoning(), &row.example.gold);
        (contract.prompt(&row.example.question), completion)
    };
    match format {
        Format::PromptCompletion(contract) => {
            let (prompt, completion) = laid_out(contract);
            let row = PromptCompletion { prompt: &prompt, completion: &completion, weight };
            serde_json::to_writer(&mut *out, &row)?;
        }
        Format::Messages(contract) => {
            let (prompt, completion) = laid_out(contract);
            let user = Message { role: "user", content: &prompt };
            // The blank belongs to the prompt's layout; in a chat the template separates the two.
            let assistant = Message { role: "assistant", content: completion.trim_start() };
            serde_json::to_writer(&mut *out, &Messages { messages: [user, assistant], weight })?;
        }
        Format::Jsonl | Format::Parquet => serde_json::to_writer(&mut *out, &exchanged(stored))?,
    }
    out.write_all(b"\n")
}
