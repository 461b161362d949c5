//! Questions that must never be generated, as fingerprints.
//!
//! Fingerprints let a list of test questions travel with an experiment without their text.

use std::collections::BTreeSet;
use std::path::Path;

use pupil_models::digest::Digest;
use pupil_models::durable;

use crate::teacher::TeachError;

const PREFIX: &str = "sha256:";
const DIGITS: usize = 16;

/// A set of questions, told apart by everything but white space.
///
/// A fingerprint is the first 16 hexadecimal digits of the SHA-256 of the question without any white space.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exclusions {
    fingerprints: BTreeSet<String>,
}

impl Exclusions {
    /// Reads a text file of fingerprints, one a line; blank lines and lines that begin with `#` are passed over.
    ///
    /// # Errors
    /// A file that cannot be read, or a line that is no fingerprint.
    pub fn read(path: &Path) -> Result<Self, TeachError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| TeachError::ExclusionsFile { path: path.to_owned(), source })?;
        let mut fingerprints = BTreeSet::new();
        for (text, line) in text.lines().map(str::trim).zip(1..) {
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            if !is_fingerprint(text) {
                return Err(TeachError::Fingerprint { path: path.to_owned(), line, found: text.to_owned() });
            }
            fingerprints.insert(text.to_owned());
        }
        Ok(Self { fingerprints })
    }

    /// The set of `questions`.
    pub fn of_questions(questions: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        Self { fingerprints: questions.into_iter().map(|question| fingerprint(question.as_ref())).collect() }
    }

    /// Writes the set, sorted, under `comment`; whole or not at all.
    pub fn write(&self, path: &Path, comment: &str) -> Result<(), TeachError> {
        let comments = comment.lines().map(|line| format!("# {line}\n"));
        let lines = self.fingerprints.iter().map(|fingerprint| format!("{fingerprint}\n"));
        let text: String = comments.chain(lines).collect();
        durable::write(path, text.as_bytes())
            .map_err(|source| TeachError::ExclusionsFile { path: path.to_owned(), source })
    }

    /// Adds a question; false if it, or one that differs only in white space, was there already.
    pub fn insert(&mut self, question: &str) -> bool {
        self.fingerprints.insert(fingerprint(question))
    }

    /// Adds all questions of `others`.
    pub fn extend(&mut self, others: &Self) {
        self.fingerprints.extend(others.fingerprints.iter().cloned());
    }

    /// Whether `question`, or one that differs only in white space, is in the set.
    #[must_use]
    pub fn contains(&self, question: &str) -> bool {
        self.fingerprints.contains(&fingerprint(question))
    }

    /// How many questions the set has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fingerprints.len()
    }

    /// Whether the set has no question.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fingerprints.is_empty()
    }
}

fn fingerprint(question: &str) -> String {
    let marks: String = question.split_whitespace().collect();
    Digest::of(marks.as_bytes()).to_string()[PREFIX.len()..][..DIGITS].to_owned()
}

fn is_fingerprint(text: &str) -> bool {
    text.len() == DIGITS && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_alone_makes_no_other_question() {
        let mut set = Exclusions::of_questions(["Is it\nheads up?"]);
        assert!(set.contains(" Is  it heads\u{a0}up ?"));
        assert!(!set.contains("Is it tails up?"));
        assert!(!set.insert("Isitheadsup?") && set.insert("Is it tails up?"));
        assert_eq!(set.len(), 2);
    }

    #[test]
    fn a_fingerprint_is_the_start_of_the_published_digest() {
        // SHA-256 of "abc", FIPS 180-2 appendix B.1.
        assert_eq!(fingerprint("a b\nc"), "ba7816bf8f01cfea");
    }

    #[test]
    fn a_written_set_comes_back_and_a_bad_line_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("excluded.txt");
        let set = Exclusions::of_questions(["one", "two"]);
        set.write(&path, "test questions\nof two tasks").unwrap();
        assert_eq!(Exclusions::read(&path).unwrap(), set);
        std::fs::write(&path, "# list\n\nba7816bf8f01cfea\r\nba7816bf8f01cfe\n").unwrap();
        let message = Exclusions::read(&path).unwrap_err().to_string();
        assert!(message.contains("excluded.txt`, line 4") && message.contains("found `ba7816bf8f01cfe`"), "{message}");
        std::fs::write(&path, "BA7816BF8F01CFEA\n").unwrap();
        assert!(Exclusions::read(&path).is_err());
    }
}
