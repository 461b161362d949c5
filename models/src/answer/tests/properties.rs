//! Properties of both graders on arbitrary text.

use proptest::prelude::*;

use super::super::{AnswerKind, Grader};
use super::{graded, predicted};

fn kinds() -> impl Strategy<Value = AnswerKind> {
    prop_oneof![
        Just(AnswerKind::Number),
        Just(AnswerKind::Integer),
        any::<char>().prop_map(|last| AnswerKind::Choice { last }),
        Just(AnswerKind::YesNo),
        Just(AnswerKind::Letters),
        Just(AnswerKind::Text),
    ]
}

/// Text made of the pieces that the rules look at, in any order, with anything between.
fn completions() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[-−$£.,/=()\"'“” \n\u{1c}0-9٣yanoA-F]{0,4}",
        any::<String>(),
        prop::sample::select(vec!["-->", "answer is", "\nQ:", "yes", "hundred", "1,000", "1/2", " so ", "\\boxed{"])
            .prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_text_makes_a_grader_panic(kind in kinds(), text in completions(), gold in completions(), marker: Option<String>) {
        for grader in [Grader::Published, Grader::Robust] {
            for marker in [None, Some("-->"), marker.as_deref()] {
                graded(grader, kind, &text, marker, &gold);
            }
        }
    }

    #[test]
    fn published_ignores_what_precedes_the_marker(kind in kinds(), before in completions(), after in completions()) {
        prop_assume!(!before.contains("<>"));
        let alone = predicted(Grader::Published, kind, &format!("<>{after}"), Some("<>"));
        prop_assert_eq!(predicted(Grader::Published, kind, &format!("{before}<>{after}"), Some("<>")), alone);
    }

    #[test]
    fn robust_ignores_what_precedes_a_marker_with_an_answer(before in completions(), number in any::<i32>()) {
        prop_assume!(!before.contains("\nQ:"));
        let text = format!("{before}\n--> {number}.");
        prop_assert!(graded(Grader::Robust, AnswerKind::Integer, &text, Some("-->"), &number.to_string()));
    }

    #[test]
    fn published_numbers_do_not_depend_on_commas(text in completions(), marker: bool) {
        let marker = marker.then_some("-->");
        for kind in [AnswerKind::Number, AnswerKind::Integer] {
            let plain = text.replace(',', "");
            // Deleting a comma could complete a marker.
            prop_assume!(plain.matches("-->").count() == text.matches("-->").count());
            prop_assert_eq!(
                predicted(Grader::Published, kind, &plain, marker),
                predicted(Grader::Published, kind, &text, marker)
            );
        }
    }

    #[test]
    fn both_graders_agree_on_bare_answers(number in -1_000_000..1_000_000_i32, letter in "[A-E]", word in "[a-z]{2,9}") {
        let cases = [
            (AnswerKind::Integer, format!(" {number}."), number.to_string()),
            (AnswerKind::Number, format!(" {number}."), number.to_string()),
            (AnswerKind::Choice { last: 'E' }, format!(" ({letter})."), letter),
            (AnswerKind::Letters, format!(" \"{word}\"."), word),
        ];
        for (kind, completion, gold) in cases {
            prop_assert!(graded(Grader::Published, kind, &completion, None, &gold));
            prop_assert!(graded(Grader::Robust, kind, &completion, None, &gold));
        }
    }
}
