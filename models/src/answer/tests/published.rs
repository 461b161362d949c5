//! The published rules, case by case.

use super::super::{AnswerKind, Grader, PublishedTemplate};
use super::{CHOICE, graded, predicted};

use AnswerKind::{Integer, Letters, Number, Text, YesNo};

const ARROW: Option<&str> = Some("-->");

#[test]
fn predictions_follow_the_published_rules() {
    let cases: [(AnswerKind, &str, Option<&str>, Option<&str>); 36] = [
        (Integer, " $1,039 in total", None, Some("1039")),
        (Integer, " 12.50", None, Some("12.50")),
        (Integer, " 3, 4", None, Some("3")),
        (Integer, " 3,4", None, Some("34")),
        (Integer, " five", None, None),
        (Integer, "10-5", ARROW, Some("-5")),
        (Integer, "7 + 4 = 11. -->", ARROW, None),
        (Integer, "1 --> 2 --> 3", ARROW, Some("2")),
        (Integer, "1 --> 2 3", ARROW, Some("2")),
        (Integer, "1 -> 2 3", ARROW, Some("3")),
        (Number, " 1/2", None, Some("1")),
        (Number, " .5", None, Some("5")),
        (Number, " 0051.50", None, Some("51.5")),
        (Number, " -0", None, Some("0")),
        (CHOICE, "Answer: B", None, Some("A")),
        (CHOICE, "February (F)", None, None),
        (AnswerKind::Choice { last: 'F' }, "February", None, Some("F")),
        (AnswerKind::Choice { last: 'C' }, "Alice (C)", None, Some("A")),
        (CHOICE, "(b)", None, None),
        (CHOICE, "A, B or C", ARROW, Some("C")),
        (YesNo, "\"Yes.\"", None, Some("yes")),
        (YesNo, "no:yes", None, Some("no")),
        (YesNo, "I know, 'NO'", None, Some("no")),
        (YesNo, "yes! (no) no; yes/no", None, None),
        (YesNo, "yes\u{1c}no", ARROW, Some("no")),
        (YesNo, "yes\u{200b}no", None, None),
        (Letters, " y a j o", None, Some("yajo")),
        (Letters, "\"ya.jo'\"\u{1d}\n", None, Some("yajo")),
        (Letters, "y-a-j-o, so", None, Some("y-a-j-o,so")),
        (Letters, "", None, Some("")),
        (Letters, "the letters --> ", ARROW, Some("")),
        (Letters, "the letters", ARROW, Some("theletters")),
        (Text, " \"New York.\" ", None, Some("New York")),
        (Text, "It is big. -->\n [Paris].\nmore", ARROW, Some("Paris")),
        (Text, "Paris", ARROW, Some("Paris")),
        (Text, " . ", None, None),
    ];
    for (kind, completion, marker, expected) in cases {
        assert_eq!(
            predicted(Grader::Published, kind, completion, marker).as_deref(),
            expected,
            "{kind:?} {completion:?}"
        );
    }
}

#[test]
fn gold_answers_are_compared_as_published() {
    let cases = [
        (Number, "51", "51.0", true),
        (Number, "1000.0000009", "1,000", true),
        (Number, "1000.0000011", "1,000", false),
        (Number, "51", "fifty-one", false),
        (Integer, "1,000", "1000", true),
        (Integer, "1000", "1,000", true),
        (Integer, "39.0", "39", false),
        (Integer, "٣", "3", false),
        (Number, "٣", "3", true),
        (YesNo, "no", "No", true),
        (Letters, "Yajo", "yajo", false),
        (Letters, "", "yajo", false),
        (CHOICE, "(B)", "B", true),
        (CHOICE, "(B)", "b", false),
        (Text, "the eiffel tower", "The Eiffel Tower.", true),
        (Text, "tower", "The Eiffel Tower", false),
    ];
    for (kind, completion, gold, expected) in cases {
        assert_eq!(
            graded(Grader::Published, kind, completion, None, gold),
            expected,
            "{kind:?} {completion:?} {gold:?}"
        );
    }
    assert!(!Grader::Published.is_correct(Letters, None, ""));
}

#[test]
fn the_natural_marker_has_its_comma() {
    let marker = PublishedTemplate::FtCotNatural.marker();
    let text = "no. Therefore the answer is yes and no";
    assert_eq!(predicted(Grader::Published, YesNo, text, marker).as_deref(), Some("no"));
}
