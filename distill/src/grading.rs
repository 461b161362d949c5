//! Grading files: rows with a completion and the right answer in, the same rows with the answer found and whether it is
//! right out.
//!
//! A row is graded by its `completion`. Rows of recorded teachers have none: theirs is the raw `prediction`, the text of
//! the second step, or the `rationale` where there was no second step. Either way the text that was graded is the
//! `completion` of the row that comes out, because `prediction` is then the answer in it; grading that row again changes nothing.

use std::io::{BufRead, Write};

use pupil_models::answer::{AnswerKind, Grader};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

/// Why a file cannot be graded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GradeError {
    /// The rows cannot be read.
    #[error("cannot read `{name}`")]
    Read {
        /// The file, or `-`.
        name: String,
        /// Why.
        source: std::io::Error,
    },
    /// The graded rows cannot be written.
    #[error("cannot write the graded rows")]
    Write(#[from] std::io::Error),
    /// A line is not a JSON object, or lacks something.
    #[error("`{name}`, line {line}: {fault}")]
    Row {
        /// The file, or `-`.
        name: String,
        /// Line, counted from 1.
        line: usize,
        /// What is wrong.
        fault: RowFault,
    },
}

/// What is wrong with a row.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RowFault {
    /// It is no JSON object.
    #[error("expected a JSON object, found {found}")]
    Form {
        /// What the line holds.
        found: String,
    },
    /// A value is missing, or of another kind.
    #[error("key `{key}`: expected {expected}, found {found}")]
    Value {
        /// The key.
        key: String,
        /// What is accepted.
        expected: &'static str,
        /// What the row holds.
        found: String,
    },
}

/// How completions are graded.
#[derive(Clone, Debug)]
pub struct Grading {
    /// The form of the answers.
    pub kind: AnswerKind,
    /// Extracts and compares answers.
    pub grader: Grader,
    /// The text that announces the answer.
    pub marker: Option<String>,
    /// The key of the text to grade; `completion`, `prediction` or `rationale` if absent, the first that is there.
    pub field: Option<String>,
    /// Whether bad rows are left out instead of being an error.
    pub skip_bad: bool,
}

/// What came of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Graded {
    /// Rows that were graded.
    pub rows: usize,
    /// Those whose answer is right.
    pub correct: usize,
    /// Rows that were left out, and the first of them, with its line.
    pub bad: usize,
    /// What was wrong with the first of them, and its line.
    pub first_bad: Option<(usize, RowFault)>,
}

/// One row: keys with their values as they are written.
#[derive(Debug)]
pub struct Row(Vec<(String, Box<RawValue>)>);

impl Grading {
    /// Grades the rows of `input`, which messages call `name`, one at a time; blank lines are passed over.
    ///
    /// # Errors
    /// The input or the output fails; a bad row, unless those are skipped. The rows before it are written.
    pub fn rows(&self, input: impl BufRead, name: &str, output: &mut impl Write) -> Result<Graded, GradeError> {
        let mut graded = Graded::default();
        visit_rows(input, name, |line, row| {
            match row.and_then(|row| self.row(row)) {
                Ok((row, correct)) => {
                    graded.rows += 1;
                    graded.correct += usize::from(correct);
                    row.write(output)?;
                }
                Err(fault) if self.skip_bad => {
                    graded.bad += 1;
                    graded.first_bad.get_or_insert((line, fault));
                }
                Err(fault) => {
                    output.flush()?;
                    return Err(GradeError::Row { name: name.to_owned(), line, fault });
                }
            }
            Ok(())
        })?;
        output.flush()?;
        Ok(graded)
    }

    /// The graded row, and whether its answer is right.
    fn row(&self, mut row: Row) -> Result<(Row, bool), RowFault> {
        let (key, completion) = row.completion(self.field.as_deref())?;
        let gold = row.gold()?;
        let prediction = self.grader.predict(self.kind, &completion, self.marker.as_deref());
        let correct = self.grader.is_correct(self.kind, prediction.as_ref(), &gold);
        if key != "completion" {
            row.set("completion", &completion);
        }
        row.set("prediction", &prediction);
        row.set("correct", &correct);
        Ok((row, correct))
    }
}

/// Calls `visit` with the number and the row of every line that is not blank.
///
/// # Errors
/// The first error of `visit`; the input fails.
pub fn visit_rows(
    mut input: impl BufRead,
    name: &str,
    mut visit: impl FnMut(usize, Result<Row, RowFault>) -> Result<(), GradeError>,
) -> Result<(), GradeError> {
    let mut bytes = Vec::new();
    for line in 1.. {
        bytes.clear();
        let read = input.read_until(b'\n', &mut bytes);
        if read.map_err(|source| GradeError::Read { name: name.to_owned(), source })? == 0 {
            break;
        }
        let text = bytes.strip_prefix("\u{feff}".as_bytes()).filter(|_| line == 1).unwrap_or(&bytes);
        if !text.trim_ascii().is_empty() {
            visit(line, Row::parse(text))?;
        }
    }
    Ok(())
}

impl Row {
    fn parse(line: &[u8]) -> Result<Self, RowFault> {
        let without_place = |error: &serde_json::Error| error.to_string().replace(" at line 1 column ", " at column ");
        serde_json::from_slice(line).map_err(|error| match serde_json::from_slice::<Value>(line) {
            Ok(value) => RowFault::Form { found: described(&value) },
            Err(_) => RowFault::Form { found: format!("text that is not JSON ({})", without_place(&error)) },
        })
    }

    /// The last value of `key`.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<Value> {
        let (_, raw) = self.0.iter().rev().find(|(name, _)| name == key)?;
        serde_json::from_str(raw.get()).ok()
    }

    /// The text to grade, and its key.
    ///
    /// # Errors
    /// There is none.
    pub fn completion(&self, field: Option<&str>) -> Result<(String, String), RowFault> {
        let key = field.unwrap_or_else(|| {
            let recorded = || matches!(self.value("prediction"), Some(Value::String(_)));
            match () {
                () if self.has("completion") => "completion",
                () if recorded() => "prediction",
                () if self.has("rationale") => "rationale",
                () => "completion",
            }
        });
        match self.value(key) {
            Some(Value::String(text)) => Ok((key.to_owned(), text)),
            other => Err(fault(key, "a text", other.as_ref())),
        }
    }

    /// The right answer: a text, or a number as it is written.
    ///
    /// # Errors
    /// There is none.
    pub fn gold(&self) -> Result<String, RowFault> {
        match self.value("answer") {
            Some(Value::String(text)) => Ok(text),
            Some(Value::Number(number)) => Ok(number.to_string()),
            other => Err(fault("answer", "a text or a number", other.as_ref())),
        }
    }

    fn has(&self, key: &str) -> bool {
        self.0.iter().any(|(name, _)| name == key)
    }

    /// Sets `key` where it stands, or at the end.
    fn set(&mut self, key: &str, value: &impl serde::Serialize) {
        // Texts, numbers and truth values always serialise.
        let Ok(raw) = serde_json::value::to_raw_value(value) else { return };
        let mut places = self.0.iter().enumerate().filter(|(_, (name, _))| name == key).map(|(at, _)| at);
        let Some(first) = places.next() else { return self.0.push((key.to_owned(), raw)) };
        self.0[first].1 = raw;
        let mut at = 0;
        self.0.retain(|(name, _)| {
            at += 1;
            name != key || at == first + 1
        });
    }

    fn write(&self, output: &mut impl Write) -> std::io::Result<()> {
        for (at, (key, raw)) in self.0.iter().enumerate() {
            output.write_all(if at == 0 { b"{" } else { b"," })?;
            serde_json::to_writer(&mut *output, key)?;
            output.write_all(b":")?;
            output.write_all(raw.get().as_bytes())?;
        }
        output.write_all(b"}\n")
    }
}

impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Row;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Row, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Row(entries))
            }
        }
        deserializer.deserialize_map(Keys)
    }
}

fn fault(key: &str, expected: &'static str, found: Option<&Value>) -> RowFault {
    RowFault::Value { key: key.to_owned(), expected, found: found.map_or_else(|| "nothing".to_owned(), described) }
}

fn described(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(truth) => format!("`{truth}`"),
        Value::Number(number) => format!("the number {number}"),
        Value::String(_) => "a text".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grade(grading: &Grading, input: &str) -> (String, Result<Graded, GradeError>) {
        let mut output = Vec::new();
        let graded = grading.rows(input.as_bytes(), "rows.jsonl", &mut output);
        (String::from_utf8(output).unwrap(), graded)
    }

    fn number() -> Grading {
        Grading { kind: AnswerKind::Number, grader: Grader::Published, marker: None, field: None, skip_bad: false }
    }

    #[test]
    fn rows_come_back_as_they_were_with_two_more_keys() {
        let input = "\u{feff}{\"n\": 1.10, \"completion\":\" 51 \\u00e9\", \"answer\": \"51.0\", \"big\": 12345678901234567890123}\r\n\n\
                     {\"correct\": null, \"answer\": 3, \"prediction\": \"It is 4\", \"rationale\": \"so 3\"}\n\
                     {\"answer\": \"3\", \"prediction\": null, \"rationale\": \"so 3\"}";
        let (output, graded) = grade(&number(), input);
        let lines = [
            r#"{"n":1.10,"completion":" 51 \u00e9","answer":"51.0","big":12345678901234567890123,"prediction":51.0,"correct":true}"#,
            r#"{"correct":false,"answer":3,"prediction":4.0,"rationale":"so 3","completion":"It is 4"}"#,
            r#"{"answer":"3","prediction":3.0,"rationale":"so 3","completion":"so 3","correct":true}"#,
        ];
        assert_eq!(output.lines().collect::<Vec<_>>(), lines);
        assert_eq!(graded.unwrap(), Graded { rows: 3, correct: 2, ..Graded::default() });
        assert_eq!(grade(&number(), &output).0, output, "grading again changes nothing");
    }

    #[test]
    fn bad_rows_are_named_or_skipped() {
        let good = "{\"completion\": \"1\", \"answer\": \"1\"}\n";
        let cases = [
            ("{\"completion\": \"1\"}", "line 2: key `answer`: expected a text or a number, found nothing"),
            ("{\"completion\": null, \"answer\": \"1\"}", "line 2: key `completion`: expected a text, found null"),
            ("{\"answer\": \"1\"}", "key `completion`: expected a text, found nothing"),
            ("[1]", "expected a JSON object, found a list"),
            ("{\"completion\": \"1\"", "line 2: expected a JSON object, found text that is not JSON (EOF"),
        ];
        for (bad, expected) in cases {
            let input = format!("{good}{bad}\n{good}");
            let (output, graded) = grade(&number(), &input);
            let message = graded.unwrap_err().to_string();
            assert!(message.starts_with("`rows.jsonl`, line 2: ") && message.contains(expected), "{message}");
            assert_eq!(output.lines().count(), 1);
            let (output, graded) = grade(&Grading { skip_bad: true, ..number() }, &input);
            let graded = graded.unwrap();
            assert_eq!((output.lines().count(), graded.rows, graded.bad), (2, 2, 1));
            assert_eq!(graded.first_bad.unwrap().0, 2);
        }
    }
}
