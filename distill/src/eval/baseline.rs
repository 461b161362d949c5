//! What chance would do: the published rows "random".

use std::collections::HashMap;

use pupil_models::answer::{AnswerKind, Grader, task};

use super::graded::tasks;
use super::{EvalError, EvalReport};
use crate::dataset::Example;

/// Before the options of a multiple-choice question.
const OPTIONS: &str = "Answer choices:";

/// The expected result of guessing, by the published rule: one over the mean number of options where there are options, one
/// half for yes or no, nothing for answers in free form. `kind` is that of tasks which the published method does not know.
///
/// Nothing is drawn, so the interval has no width; a guess always has the form of an answer.
///
/// # Errors
/// There is no example.
pub fn random(examples: &[Example], kind: AnswerKind, grader: Grader) -> Result<EvalReport, EvalError> {
    let first = examples.first().ok_or(EvalError::Empty)?;
    let n = examples.len();
    let accuracy = match task(&first.task).map_or(kind, |task| task.kind) {
        AnswerKind::Choice { last } => {
            let options: usize = examples.iter().map(|example| options(&example.question, last)).sum();
            n as f64 / options as f64
        }
        AnswerKind::YesNo => 0.5,
        AnswerKind::Number | AnswerKind::Integer | AnswerKind::Letters | AnswerKind::Text => 0.0,
    };
    Ok(EvalReport {
        accuracy,
        low: accuracy,
        high: accuracy,
        n,
        format_rate: 1.0,
        completeness: 1.0,
        contains_answer: accuracy,
        mean_tokens: 0.0,
        task: tasks(examples),
        method: "random".to_owned(),
        grader,
    })
}

/// The expected accuracy of guessing each answer as often as it is among the training questions: the dot product of both
/// answer frequencies. 0 without examples.
#[must_use]
pub fn distributional(train: &[Example], test: &[Example]) -> f64 {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for example in train {
        *counts.entry(&example.gold).or_default() += 1;
    }
    let hits: usize = test.iter().filter_map(|example| counts.get(example.gold.as_str())).sum();
    let pairs = train.len() * test.len();
    if pairs == 0 { 0.0 } else { hits as f64 / pairs as f64 }
}

/// Options `(A)`, `(B)` and so on of a question; as many as there are letters up to `last` where it lists none.
fn options(question: &str, last: char) -> usize {
    let all = 1 + last as usize - 'A' as usize;
    let listed = question.rsplit_once(OPTIONS).map_or("", |(_, listed)| listed);
    let found = ('A'..=last).take_while(|letter| listed.contains(&format!("({letter})"))).count();
    if found == 0 { all } else { found }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Dataset;
    use crate::dataset::tests::{published_split, shared_data};

    #[test]
    fn options_are_counted_in_the_question() {
        assert_eq!(options("When? Answer choices: (A) x (Z), (B) y, (C) z.", 'F'), 3);
        assert_eq!(options("(A) or (B)?", 'E'), 5, "without a list the kind of answer decides");
    }

    #[test]
    fn guessing_scores_the_published_rows() {
        let Some(data) = shared_data() else { return };
        // In per cent, of whole datasets.
        for (key, published) in [
            ("commonsense_qa", 20.0),
            ("aqua", 20.0),
            ("tracking_shuffled_objects", 33.33),
            ("date_understanding", 17.12),
            ("coin_flip", 50.0),
            ("strategy_qa", 50.0),
            ("svamp", 0.0),
            ("last_letter_concatenation", 0.0),
        ] {
            let dataset = Dataset::read(&data.join(format!("datasets/{key}.jsonl"))).unwrap();
            let report = random(dataset.examples(), AnswerKind::Text, Grader::Published).unwrap();
            assert!((100.0 * report.accuracy - published).abs() < 0.005, "{key}: {}", report.accuracy);
        }
    }

    #[test]
    fn guessing_by_frequency_scores_the_published_values() {
        let Some(data) = shared_data() else { return };
        for (key, published) in [
            ("single_eq", 0.70),
            ("addsub", 0.65),
            ("multiarith", 2.64),
            ("svamp", 2.40),
            ("date_understanding", 16.09),
            ("tracking_shuffled_objects", 33.33),
            ("last_letter_concatenation", 0.01),
            ("coin_flip", 49.66),
            ("commonsense_qa", 20.01),
            ("strategy_qa", 50.18),
        ] {
            let [train, test] = ["train", "test"].map(|name| published_split(&data, key, name));
            let found = 100.0 * distributional(&train, &test);
            assert!((found - published).abs() < 0.0051, "{key}: {found}");
        }
    }
}
