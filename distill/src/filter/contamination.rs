//! Words of test questions in what the student is to learn.

use super::criterion::Contamination;
use super::{FilterError, words};
use crate::dataset::{Dataset, Example};

/// Questions with fewer words than this would be found everywhere; they are not looked for.
const LEAST_WORDS: usize = 5;

/// The groups of words of test questions.
#[derive(Clone, Debug, Default)]
pub(super) struct TestQuestions {
    /// Ids of the test examples.
    ids: Vec<String>,
    /// By the number of words of a group, the groups and the first test question of each.
    groups: Vec<(usize, words::GroupMap<u32>)>,
    /// Whole questions, as one group of all their words.
    whole: words::GroupMap<u32>,
}

impl TestQuestions {
    pub(super) fn read(plan: &Contamination) -> Result<Self, FilterError> {
        let dataset = Dataset::read(&plan.data)?;
        Ok(match &plan.split {
            Some(split) => Self::of(&dataset.split(&split.path, &split.name)?, plan.ngram),
            None => Self::of(dataset.examples(), plan.ngram),
        })
    }

    /// The groups of `size` words of each question; of a shorter question, all its words.
    pub(super) fn of(examples: &[Example], size: usize) -> Self {
        let mut found = Self::default();
        let mut hashed = Vec::new();
        for (example, number) in examples.iter().zip(0u32..) {
            found.ids.push(example.id.clone());
            words::hash_into(&example.question, &mut hashed);
            found.whole.entry(whole(&hashed)).or_insert(number);
            let size = size.min(hashed.len());
            if size < LEAST_WORDS {
                continue;
            }
            let at = found.groups.iter().position(|(other, _)| *other == size).unwrap_or_else(|| {
                found.groups.push((size, words::GroupMap::default()));
                found.groups.len() - 1
            });
            for group in words::groups(&hashed, size) {
                found.groups[at].1.entry(group).or_insert(number);
            }
        }
        found.groups.sort_by_key(|(size, _)| *size);
        found
    }

    /// The test example that the question is, word for word.
    pub(super) fn is_question(&self, question: &[u64]) -> Option<&str> {
        self.whole.get(&whole(question)).map(|number| self.ids[*number as usize].as_str())
    }

    /// The groups of a question that test questions have as well: a rationale that quotes its own question takes nothing from
    /// a test question that is worded alike.
    pub(super) fn shared(&self, question: &[u64], shared: &mut words::GroupSet) {
        shared.clear();
        for (size, known) in &self.groups {
            shared.extend(words::groups(question, *size).filter(|group| known.contains_key(group)));
        }
    }

    /// The test example that a rationale quotes; `shared` is what it may.
    pub(super) fn quoted(&self, rationale: &[u64], shared: &words::GroupSet) -> Option<&str> {
        self.groups.iter().find_map(|(size, known)| {
            let quoted = |group: u64| known.get(&group).filter(|_| !shared.contains(&group));
            let number = words::groups(rationale, *size).find_map(quoted)?;
            Some(self.ids[*number as usize].as_str())
        })
    }
}

fn whole(words: &[u64]) -> u64 {
    words.iter().fold(words.len() as u64, |hash, word| words::finished(hash ^ word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashed(text: &str) -> Vec<u64> {
        let mut hashed = Vec::new();
        words::hash_into(text, &mut hashed);
        hashed
    }

    fn found<'a>(test: &'a TestQuestions, question: &str, rationale: &str) -> Option<&'a str> {
        let mut shared = words::GroupSet::default();
        test.shared(&hashed(question), &mut shared);
        test.is_question(&hashed(question)).or_else(|| test.quoted(&hashed(rationale), &shared))
    }

    #[test]
    fn quotations_of_test_questions_are_found_and_own_words_are_not() {
        let questions = [
            "A coin is heads up. Ann flips the coin. Is the coin still heads up? Note that \"flip\" means \"reverse\".",
            "How old is Bob now?",
            "Why?",
        ];
        let examples: Vec<Example> =
            (0..).zip(questions).map(|(id, text)| Example::new("t", &format!("{id}"), text, "a")).collect();
        let test = TestQuestions::of(&examples, 8);
        let own =
            "A coin is heads up. Bob flips the coin. Is the coin still heads up? Note that \"flip\" means \"reverse\".";
        let cases = [
            (own, "Bob flips it, so it is tails up.", None),
            (own, "The question: is the coin still heads up? Note that \"flip\" means \"reverse\". It is not.", None),
            (own, "A coin is heads up. ANN flips the coin once.", Some("t/0")),
            ("A sum?", "is the coin still heads up? Note that flip means", Some("t/0")),
            ("A sum?", "is the coin still heads up? Note", None),
            ("A sum?", "So how old is Bob now?", Some("t/1")),
            ("A sum?", "So how old is Bob?", None),
            ("A sum?", "Why? Because", None),
            ("How old is Bob, now?", "He is 7.", Some("t/1")),
        ];
        for (question, rationale, expected) in cases {
            assert_eq!(found(&test, question, rationale), expected, "{question} {rationale}");
        }
    }
}
