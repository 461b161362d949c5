//! Kept rationales as JSONL, one row per completion.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use pupil_models::durable;

use serde::{Deserialize, Serialize};

use super::{RationaleError, RationaleRow};
use crate::dataset::Example;
use crate::filter::SampleWeight;
use crate::teacher::Completion;

/// A rationale that becomes a training sample.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "Line")]
pub struct KeptRow {
    /// Example, teacher and completion.
    pub row: RationaleRow,
    /// How much it counts; a row that says nothing of it counts in full.
    pub weight: SampleWeight,
}

/// A row as it is read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    example: Example,
    teacher: String,
    completion: Completion,
    #[serde(default)]
    weight: SampleWeight,
}

impl From<Line> for KeptRow {
    fn from(Line { example, teacher, completion, weight }: Line) -> Self {
        Self { row: RationaleRow { example, teacher, completion }, weight }
    }
}

/// A row as it is written.
#[derive(Serialize)]
struct BorrowedLine<'a> {
    example: &'a Example,
    teacher: &'a str,
    completion: &'a Completion,
    #[serde(skip_serializing_if = "SampleWeight::is_full")]
    weight: SampleWeight,
}

impl Serialize for KeptRow {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let RationaleRow { example, teacher, completion } = &self.row;
        BorrowedLine { example, teacher, completion, weight: self.weight }.serialize(serializer)
    }
}

/// Writes `rows`, whole or not at all.
pub fn write(path: &Path, rows: &[KeptRow]) -> Result<(), RationaleError> {
    let fill = |file: &mut std::fs::File| {
        let mut file = BufWriter::new(file);
        for row in rows {
            serde_json::to_writer(&mut file, row)?;
            file.write_all(b"\n")?;
        }
        file.flush()
    };
    durable::write_with(path, fill).map_err(|source| RationaleError::Write { path: path.to_owned(), source })
}

/// Writes the rows that `visit` hands over, whole or not at all; holds one at a time.
///
/// # Errors
/// The first error of `visit`, or the file's.
pub fn write_each<E: From<RationaleError>>(
    path: &Path,
    visit: impl FnOnce(&mut dyn FnMut(&KeptRow) -> Result<(), E>) -> Result<(), E>,
) -> Result<(), E> {
    let refused = |source| RationaleError::Write { path: path.to_owned(), source };
    let mut failure = None;
    let fill = |file: &mut std::fs::File| {
        let mut file = BufWriter::new(file);
        let mut write = |row: &KeptRow| {
            let written = serde_json::to_writer(&mut file, row).map_err(std::io::Error::from);
            written.and_then(|()| file.write_all(b"\n")).map_err(|source| E::from(refused(source)))
        };
        if let Err(error) = visit(&mut write) {
            failure = Some(error);
            return Err(std::io::Error::other("no more rows"));
        }
        file.flush()
    };
    let written = durable::write_with(path, fill);
    match failure {
        Some(error) => Err(error),
        None => Ok(written.map_err(refused)?),
    }
}

/// Reads what [`write()`] wrote.
///
/// # Errors
/// A file that cannot be read; a line that is not a rationale, or is the same completion of the same example again.
pub fn read(path: &Path) -> Result<Vec<KeptRow>, RationaleError> {
    let unreadable = |source| RationaleError::Read { path: path.to_owned(), source };
    let file = BufReader::new(std::fs::File::open(path).map_err(unreadable)?);
    let mut rows = Vec::new();
    let mut seen = HashSet::new();
    for (text, line) in file.lines().zip(1..) {
        let refuse = |expected, found| RationaleError::Row { path: path.to_owned(), line, expected, found };
        let kept: KeptRow = serde_json::from_str(&text.map_err(unreadable)?)
            .map_err(|error| refuse("a rationale", error.to_string().replace(" at line 1 column ", " at column ")))?;
        let row = &kept.row;
        if !seen.insert((row.teacher.clone(), row.id())) {
            return Err(refuse("each rationale once", format!("`{}` of `{}` again", row.id(), row.teacher)));
        }
        rows.push(kept);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::teacher::Finish;

    fn row(index: u32) -> KeptRow {
        KeptRow { row: rationale(index), weight: SampleWeight::FULL }
    }

    fn rationale(index: u32) -> RationaleRow {
        RationaleRow {
            example: Example::new("coin_flip", "12", "Heads? \n", "yes"),
            teacher: "scripted".to_owned(),
            completion: Completion {
                index,
                prompt: None,
                rationale: " \n\nno flip, \"é\"".to_owned(),
                prediction: Some(" yes.".to_owned()),
                finish: Some(Finish::Other("content_filter".to_owned())),
                ..Completion::default()
            },
        }
    }

    #[test]
    fn rows_come_back_as_they_were_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rationales.jsonl");
        let lighter = KeptRow { weight: SampleWeight::try_from(0.25).unwrap(), ..row(1) };
        let rows = [row(0), lighter];
        write(&path, &rows).unwrap();
        assert_eq!(read(&path).unwrap(), rows);
        assert_eq!(rationale(1).id(), "coin_flip/12#1");
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], serde_json::to_string(&rationale(0)).unwrap(), "a full weight is not written");
        assert!(lines[1].ends_with(",\"weight\":0.25}"), "{text}");
    }

    #[test]
    fn each_bad_line_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rationales.jsonl");
        let good = serde_json::to_string(&row(0)).unwrap();
        let cases = [
            (good.clone(), "expected each rationale once, found `coin_flip/12#0` of `scripted` again"),
            (good.replace("\"teacher\"", "\"author\""), "expected a rationale, found unknown field `author`"),
            (good[..20].to_owned(), "expected a rationale, found EOF"),
            (good.replace("{\"example\"", "{\"weight\":2.0,\"example\""), "expected a weight from 0 to 1, found 2"),
        ];
        for (bad, expected) in cases {
            std::fs::write(&path, format!("{good}\n{bad}\n")).unwrap();
            let message = read(&path).unwrap_err().to_string();
            assert!(message.contains("rationales.jsonl`, line 2") && message.contains(expected), "{message}");
        }
    }
}
