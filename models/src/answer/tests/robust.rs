//! What the robust grader reads, case by case.

use super::super::{AnswerKind, Grader};
use super::{CHOICE, graded, predicted};

use AnswerKind::{Integer, Letters, Number, Text, YesNo};

const ARROW: Option<&str> = Some("-->");

fn check(kind: AnswerKind, cases: &[(&str, Option<&str>, Option<&str>)]) {
    for (completion, marker, expected) in cases {
        assert_eq!(
            predicted(Grader::Robust, kind, completion, *marker).as_deref(),
            *expected,
            "{kind:?} {completion:?}"
        );
    }
}

#[test]
fn numbers_are_read_as_people_write_them() {
    check(
        Integer,
        &[
            (" $1,039 in total", None, Some("1039")),
            (" 12.50 dollars", None, Some("12.5")),
            (" 39.0", None, Some("39")),
            (" 3,4 and 5", None, Some("3")),
            (" 1,2345", None, Some("1")),
            (" 007", None, Some("7")),
            (" -$5", None, Some("-5")),
            (" \u{2212}5", None, Some("-5")),
            (" 10-5", None, Some("10")),
            (" 10-5 = 5", None, Some("5")),
            (" 40%", None, Some("40")),
            (" x2 is S1", None, None),
            (" (x)-5", None, Some("5")),
            (" 123456789012345678901234567890", None, Some("123456789012345678901234567890")),
            (" \"fifty-one.\"", None, Some("51")),
            (" two hundred and ninety-four dollars", None, Some("294")),
            (" one-sixth", None, None),
            (" one thousand", None, None),
            (" some five", None, None),
        ],
    );
    check(
        Number,
        &[
            (" .5", None, Some("0.5")),
            (" 1/2.", None, Some("0.5")),
            (" 3 1/2 cups", None, Some("3.5")),
            (" -3 1/2", None, Some("-3.5")),
            (" 3 4/2", None, Some("3")),
            (" on 3/4/2020", None, Some("3")),
            (" 5/0", None, Some("5")),
        ],
    );
}

#[test]
fn announced_answers_come_before_all_others() {
    check(
        Integer,
        &[
            ("7 + 4 = 11. --> 9", ARROW, Some("9")),
            ("7 + 4 = 11. -->", ARROW, None),
            ("1 --> 2\n wait 5 --> 3 --> ", ARROW, Some("3")),
            ("--> 9 of 12. All 12 are red.", ARROW, Some("9")),
            ("--> 9, so she has 12", ARROW, Some("9")),
            ("--> She has 9. All 12 are red.", ARROW, Some("9")),
            ("The answer is 5. She has 7.", None, Some("5")),
            ("The Answer is 5. Therefore, the answer is 7.", ARROW, Some("7")),
            ("A: The answer is 5.\nQ: She has 7?\nA: The answer is 7.", None, Some("5")),
            ("So we get \\boxed{12} of 30", None, Some("12")),
        ],
    );
}

#[test]
fn reasoning_without_announcement_ends_in_its_answer() {
    check(
        Integer,
        &[
            ("39.\n\nShe had 42 and ate 3.", None, Some("39")),
            ("She had 42. She ate 3. She has 39 left.", None, Some("39")),
            ("She had 42. She ate 3, so she has 39 left.", None, Some("39")),
            ("42 - 3 = 39. She has 39 of 42 left.", None, Some("39")),
            ("42 - 3 = 39. Then she buys 5. She has 44.", None, Some("44")),
            ("She had 42 and ate 3, 42 - 3 = 39", None, Some("39")),
        ],
    );
    check(YesNo, &[("There is no trick. It was flipped once. So yes", None, Some("yes"))]);
    check(CHOICE, &[("Option (A) is too small. I take (C).", None, Some("C"))]);
}

#[test]
fn options_stand_alone() {
    check(
        CHOICE,
        &[
            ("So the answer is (b) Canada.", None, Some("B")),
            ("Answer: B", None, Some("B")),
            ("C) Jamie.", None, Some("C")),
            ("A: Patrick", None, Some("A")),
            ("b", None, Some("B")),
            ("b) no", None, Some("B")),
            ("A dog, so (E)", None, Some("E")),
            ("Not B but (C)", None, Some("C")),
            ("[b] Canada", None, Some("B")),
            ("A dog", None, None),
            ("the answer is a", None, Some("A")),
            ("a dog", None, None),
            ("Bob has A's B-52", None, Some("B")),
            ("Bob has A's", None, None),
            ("5C4", None, None),
            ("(F)", None, None),
            ("February", None, None),
            ("The answer is D. (C) is wrong.", None, Some("D")),
            ("**D**", ARROW, Some("D")),
        ],
    );
}

#[test]
fn yes_and_no_are_words() {
    check(
        YesNo,
        &[
            ("yes!", None, Some("yes")),
            ("(no)", None, Some("no")),
            ("no; it is tails", None, Some("no")),
            ("Yes - heads. No more flips.", None, Some("yes")),
            ("I know nothing", None, None),
        ],
    );
}

#[test]
fn letters_are_joined() {
    check(
        Letters,
        &[
            (" \"yajo\".", None, Some("yajo")),
            (" yajo", None, Some("yajo")),
            (" y a j o", None, Some("yajo")),
            (" \"y-a-j-o\".", None, Some("yajo")),
            ("\"y\", \"a\", \"j\" and \"o\"", None, Some("yajo")),
            ("The last letter of \"Tj\" is \"j\".\nSo the letters give \"jo\".", None, Some("jo")),
            ("The last letter of \"Tj\" is \"j\". Joined: j o.", ARROW, Some("j")),
            ("the letters are --> \"yajo\". All four.", ARROW, Some("yajo")),
            ("the letters are yajo", ARROW, Some("yajo")),
            ("it says \"yajo", None, Some("yajo")),
            ("it says \"ya\" and then \"jo", None, Some("ya")),
            ("-->", ARROW, None),
            ("", None, None),
        ],
    );
}

#[test]
fn text_is_the_line_after_the_marker() {
    check(
        Text,
        &[
            ("Rome? --> Paris.\n more", ARROW, Some("Paris")),
            ("Rome --> ", ARROW, None),
            (" (New York) ", ARROW, Some("New York")),
        ],
    );
}

#[test]
fn gold_answers_are_compared_by_meaning() {
    let cases = [
        (Integer, "12.50", "12.5", true),
        (Integer, "1000", "1,000", true),
        (Integer, "-10.0", "-10", true),
        (Integer, "9007199254740993", "9007199254740992", false),
        (Number, "1/3", "0.3333333333333333", true),
        (YesNo, "(no)", "No", true),
        (CHOICE, "(b)", "B", true),
        (Letters, "yajo", "yajo", true),
        (Letters, "YAJO", "yajo", false),
    ];
    for (kind, completion, gold, expected) in cases {
        assert_eq!(graded(Grader::Robust, kind, completion, None, gold), expected, "{kind:?} {completion:?} {gold:?}");
    }
}
