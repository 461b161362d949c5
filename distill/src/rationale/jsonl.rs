//! Rationales as JSONL, one row per completion.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use pupil_models::durable;

use super::{RationaleError, RationaleRow};

/// Writes `rows`, whole or not at all.
pub fn write(path: &Path, rows: &[RationaleRow]) -> Result<(), RationaleError> {
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
    visit: impl FnOnce(&mut dyn FnMut(&RationaleRow) -> Result<(), E>) -> Result<(), E>,
) -> Result<(), E> {
    let refused = |source| RationaleError::Write { path: path.to_owned(), source };
    let mut failure = None;
    let fill = |file: &mut std::fs::File| {
        let mut file = BufWriter::new(file);
        let mut write = |row: &RationaleRow| {
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
pub fn read(path: &Path) -> Result<Vec<RationaleRow>, RationaleError> {
    let unreadable = |source| RationaleError::Read { path: path.to_owned(), source };
    let file = BufReader::new(std::fs::File::open(path).map_err(unreadable)?);
    let mut rows = Vec::new();
    let mut seen = HashSet::new();
    for (text, line) in file.lines().zip(1..) {
        let refuse = |expected, found| RationaleError::Row { path: path.to_owned(), line, expected, found };
        let row: RationaleRow = serde_json::from_str(&text.map_err(unreadable)?)
            .map_err(|error| refuse("a rationale", error.to_string().replace(" at line 1 column ", " at column ")))?;
        if !seen.insert((row.teacher.clone(), row.id())) {
            return Err(refuse("each rationale once", format!("`{}` of `{}` again", row.id(), row.teacher)));
        }
        rows.push(row);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Example;
    use crate::teacher::{Completion, Finish};

    fn row(index: u32) -> RationaleRow {
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
        write(&path, &[row(0), row(1)]).unwrap();
        assert_eq!(read(&path).unwrap(), [row(0), row(1)]);
        assert_eq!(row(1).id(), "coin_flip/12#1");
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
        ];
        for (bad, expected) in cases {
            std::fs::write(&path, format!("{good}\n{bad}\n")).unwrap();
            let message = read(&path).unwrap_err().to_string();
            assert!(message.contains("rationales.jsonl`, line 2") && message.contains(expected), "{message}");
        }
    }
}
