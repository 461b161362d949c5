//! What the words of a rationale tell: refusals, other languages, echoes of the question, loose ends.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::words;

/// Phrases with which a refusal opens, in lower case.
const OPENINGS: [&str; 14] = [
    "i'm sorry",
    "i am sorry",
    "sorry, ",
    "i apologize",
    "i cannot",
    "i can not",
    "i can't",
    "i'm unable",
    "i am unable",
    "i'm not able",
    "i am not able",
    "i won't",
    "unfortunately, i ",
    "i don't have enough",
];
/// Phrases that refuse wherever they stand, in lower case.
const ANYWHERE: [&str; 12] = [
    "as an ai",
    "as a language model",
    "as a large language model",
    "i cannot answer",
    "i can't answer",
    "i'm unable to answer",
    "i am unable to answer",
    "not enough information",
    "insufficient information",
    "cannot be determined",
    "can't be determined",
    "impossible to determine",
];

/// Searchers of [`ANYWHERE`], made once: a dozen searches through every rationale are most of what a filter costs.
static FINDERS: LazyLock<Vec<Finder<'static>>> = LazyLock::new(|| ANYWHERE.iter().map(Finder::new).collect());

/// The phrase with which the teacher refuses. `lower` is the text in ASCII lower case.
pub(super) fn refusal(lower: &str) -> Option<&'static str> {
    let opening = lower.trim_start();
    let opens = OPENINGS.iter().find(|phrase| opening.starts_with(**phrase));
    // "As an aid" is no refusal.
    let ends_a_word = |at: usize| !lower[at..].starts_with(char::is_alphanumeric);
    let stands =
        |finder: &Finder<'_>| finder.find_iter(lower.as_bytes()).any(|at| ends_a_word(at + finder.needle().len()));
    let anywhere = || ANYWHERE.iter().zip(&*FINDERS).find(|(_, finder)| stands(finder)).map(|(phrase, _)| phrase);
    opens.or_else(anywhere).copied()
}

/// The letters of `text` that are not Latin, in per cent; `None` where there are no letters.
pub(super) fn foreign_percent(text: &str) -> Option<u32> {
    if text.is_ascii() {
        return text.bytes().any(|byte| byte.is_ascii_alphabetic()).then_some(0);
    }
    let (mut latin, mut other) = (0u64, 0u64);
    for letter in text.chars().filter(|letter| letter.is_alphabetic()) {
        let is_latin = matches!(letter, '\0'..='\u{24f}' | '\u{1e00}'..='\u{1eff}' | '\u{ff21}'..='\u{ff5a}');
        *(if is_latin { &mut latin } else { &mut other }) += 1;
    }
    (latin + other > 0).then(|| (100 * other / (latin + other)) as u32)
}

/// Words of a group by which an echo is measured.
const GROUP: usize = 4;

/// The groups of words of a question.
pub(super) fn question_groups(question: &[u64], found: &mut words::GroupSet) {
    found.clear();
    found.extend(words::groups(question, GROUP));
}

/// The groups of a rationale's words that are the question's, in per cent; `None` where it is shorter than a group.
pub(super) fn echoed_percent(rationale: &[u64], question: &words::GroupSet) -> Option<u32> {
    let groups = (rationale.len() + 1).saturating_sub(GROUP);
    let echoed = words::groups(rationale, GROUP).filter(|group| question.contains(group)).count();
    (100 * echoed).checked_div(groups).map(|percent| percent as u32)
}

/// Words that no sentence ends with.
const LOOSE: [&str; 16] =
    ["the", "a", "an", "and", "or", "of", "to", "in", "with", "is", "are", "so", "because", "then", "if", "their"];

/// The loose end of a text that breaks off in the middle of a sentence.
pub(super) fn loose_end(text: &str) -> Option<&str> {
    let text = text.trim_end();
    let last = text.chars().next_back()?;
    if matches!(last, ',' | '+' | '=' | '(' | '×' | '÷' | '/' | '&') {
        return Some(&text[text.len() - last.len_utf8()..]);
    }
    let word = text.rsplit(|character: char| !character.is_alphanumeric()).next()?;
    LOOSE.iter().any(|loose| word.eq_ignore_ascii_case(loose)).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_from_stories() {
        let cases = [
            ("I'm sorry, but I can't help with that.", true),
            (" \nI cannot solve this.", true),
            ("The number of apples cannot be determined from the text.", true),
            ("As an AI, I have no apples.", true),
            ("There is not enough information.", true),
            ("Bob said: I cannot carry 5 boxes. So he carried 4.", false),
            ("As an aid, she drew 3 lines.", false),
            ("Unfortunately, 3 of them broke.", false),
            ("", false),
        ];
        for (text, expected) in cases {
            assert_eq!(refusal(&text.to_ascii_lowercase()).is_some(), expected, "{text}");
        }
    }

    #[test]
    fn scripts_are_counted_by_letters() {
        assert_eq!(foreign_percent("12 + 3 = 15"), None);
        assert_eq!(foreign_percent("a naïve résumé, ½"), Some(0));
        assert_eq!(foreign_percent("所以答案是 5"), Some(100));
        assert_eq!(foreign_percent("Ответ: five"), Some(55));
        assert_eq!(foreign_percent("The angle θ is 5"), Some(9));
        assert_eq!(foreign_percent(""), None);
    }

    #[test]
    fn echoes_are_measured_in_groups_of_four() {
        let hashed = |text: &str| {
            let mut words = Vec::new();
            words::hash_into(text, &mut words);
            words
        };
        let mut question = words::GroupSet::default();
        question_groups(&hashed("Joan has 5 apples and eats 3. How many are left?"), &mut question);
        let share = |text: &str| echoed_percent(&hashed(text), &question);
        assert_eq!(share("Joan has 5 apples, and eats 3. How many are left"), Some(100));
        assert_eq!(share("5 - 3 = 2, so 2 are left"), Some(0));
        assert_eq!(share("2 left"), None);
    }

    #[test]
    fn loose_ends_are_ends_no_sentence_has() {
        for text in ["so we add the ", "5 + 3 =", "apples, ", "it is because", "（ so\n"] {
            assert!(loose_end(text).is_some(), "{text}");
        }
        for text in ["so it is 5", "the end.", "", "43\n", "answer: yes", "banana"] {
            assert_eq!(loose_end(text), None, "{text}");
        }
    }
}
