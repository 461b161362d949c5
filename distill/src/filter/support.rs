//! Whether the end of a rationale says the answer that was graded.

use pupil_models::answer::{AnswerKind, spelled};

/// Steps at the end in which the answer is looked for.
const LAST_STEPS: usize = 2;

/// Whether the last steps of `reasoning` say `answer`.
///
/// Numbers count by value, as digits or as words up to twenty; options by their letter standing alone or by what the question
/// says for that letter; joined letters without regard to case and to what parts them. Yes and no count as said unless
/// the last steps have the opposite word alone, since "it is heads up" is as good as a yes.
pub(super) fn is_supported(kind: AnswerKind, answer: &str, reasoning: &str, question: &str) -> bool {
    let end = last_steps(reasoning);
    match kind {
        AnswerKind::Number | AnswerKind::Integer => says_number(end, answer),
        AnswerKind::Choice { .. } => {
            words(end).any(|word| word == answer) || option(question, answer).is_some_and(|text| says_text(end, text))
        }
        AnswerKind::YesNo => {
            let opposite = if answer.eq_ignore_ascii_case("yes") { "no" } else { "yes" };
            let says = |sought: &str| words(end).any(|word| word.eq_ignore_ascii_case(sought));
            says(answer) || !says(opposite)
        }
        AnswerKind::Letters => joined(end).contains(&joined(answer)),
        AnswerKind::Text => says_text(end, answer),
    }
}

/// The last steps: a step ends at a line break, or at `.`, `!` or `?` before a blank.
fn last_steps(text: &str) -> &str {
    let text = text.trim_end();
    let bytes = text.as_bytes();
    let mut steps = 0;
    // Whether the step under way, read backwards, holds more than blanks and stops.
    let mut written = false;
    for at in (0..bytes.len()).rev() {
        let ends = match bytes[at] {
            b'\n' => true,
            b'.' | b'!' | b'?' => bytes.get(at + 1).is_none_or(u8::is_ascii_whitespace),
            byte => {
                written |= byte.is_ascii_alphanumeric() || !byte.is_ascii();
                false
            }
        };
        if ends && written {
            steps += 1;
            written = false;
            if steps == LAST_STEPS {
                return &text[at + 1..];
            }
        }
    }
    text
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|character: char| !character.is_alphanumeric()).filter(|word| !word.is_empty())
}

fn says_number(text: &str, answer: &str) -> bool {
    let Ok(value) = answer.replace(',', "").parse::<f64>() else { return says_text(text, answer) };
    let in_digits = numbers(text).any(|number| (number.abs() - value.abs()).abs() <= 1e-6);
    let word = if value.fract() == 0.0 { spelled(value.abs() as usize) } else { None };
    in_digits || word.is_some_and(|word| words(text).any(|other| other.eq_ignore_ascii_case(word)))
}

/// The values of the runs of digits, full stops and commas between digits in `text`.
fn numbers(text: &str) -> impl Iterator<Item = f64> + '_ {
    let is_part = |character: char| character.is_ascii_digit() || matches!(character, '.' | ',');
    text.split(move |character: char| !is_part(character)).filter_map(|run| {
        let run = run.trim_end_matches(['.', ',']).trim_start_matches(',');
        let plain: String = run.chars().filter(|character| *character != ',').collect();
        plain.parse().ok()
    })
}

/// What the question says for an option: the text after `(C)` up to the next option.
fn option<'a>(question: &'a str, letter: &str) -> Option<&'a str> {
    let start = question.find(&format!("({letter})"))? + letter.len() + 2;
    let rest = &question[start..];
    let text =
        rest[..rest.find('(').unwrap_or(rest.len())].trim_matches(|character: char| !character.is_alphanumeric());
    (!text.is_empty()).then_some(text)
}

fn says_text(text: &str, sought: &str) -> bool {
    let sought = sought.trim().to_lowercase();
    !sought.is_empty() && text.to_lowercase().contains(&sought)
}

fn joined(text: &str) -> String {
    text.chars().filter(|character| character.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use AnswerKind::{Integer, Letters, Number, Text, YesNo};
    use proptest::prelude::*;

    #[test]
    fn answers_are_looked_for_in_the_last_two_steps() {
        let choice = AnswerKind::Choice { last: 'C' };
        let options = "At the end, Alice has the\nAnswer choices: (A) red ball, (B) white ball, (C) blue ball.";
        let cases = [
            (Number, "51", "76 - 25 = 51. So she pays $51.00.", "", true),
            (Number, "51", "She pays 51. Bob pays 3. Claire pays 4.", "", false),
            (Number, "1234.5", "So it is $1,234.50", "", true),
            (Integer, "5", "Three and two. So she has five apples.", "", true),
            (Integer, "5", "So she has 15 apples.", "", false),
            (Integer, "-5", "70 - 75 = -5", "", true),
            (Integer, "43", "70 - 27 = \n\n43", "", true),
            (Number, "0.5", "half, so .5 of it", "", true),
            (choice, "C", "Then Alice has the blue ball.", options, true),
            (choice, "C", "So the answer is (C).", options, true),
            (choice, "C", "Then Claire has the red ball.", options, false),
            (YesNo, "yes", "So it is heads up.", "", true),
            (YesNo, "yes", "So no, it is tails up.", "", false),
            (YesNo, "no", "Yes and no.", "", true),
            (Letters, "yajo", "So the letters are \"Y-A-J-O\".", "", true),
            (Letters, "yajo", "So the letters are \"yaj\".", "", false),
            (Text, "New York", "It must be new york!", "", true),
            (Text, "Rome", "", "", false),
        ];
        for (kind, answer, reasoning, question, expected) in cases {
            assert_eq!(is_supported(kind, answer, reasoning, question), expected, "{answer}: {reasoning}");
        }
    }

    proptest! {
        #[test]
        fn any_text_has_last_steps(text in ".{0,80}", answer in ".{0,6}") {
            prop_assert!(text.trim_end().ends_with(last_steps(&text)));
            for kind in [Number, Integer, AnswerKind::Choice { last: 'E' }, YesNo, Letters, Text] {
                is_supported(kind, &answer, &text, &text);
            }
        }
    }
}
