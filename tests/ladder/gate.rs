//! The gate: which forms are inside, and what becomes of those that are not.

use pupil_distill::export::parity::{Proved, compare};
use pupil_distill::export::{ExportError, GatePlan, Ladder};
use pupil_distill::interrupt::Interrupt;
use pupil_models::bundle::Parity;

use crate::{Script, TRAINED, completion_of, examples, questions};

/// Answers two of a thousand questions otherwise.
const SLIGHTLY_WRONG: Script = Script {
    writes: |number| match number {
        "101" | "303" => completion_of("I repeat.", "42"),
        _ => (TRAINED.writes)(number),
    },
    certainty: 15.0,
};

/// Answers nothing right.
const BROKEN: Script = Script { writes: |_| completion_of("I shrug.", "who knows"), certainty: 15.0 };

fn proved() -> Proved {
    compare(&mut TRAINED.engine(), 4000, &TRAINED, &questions(5), &Interrupt::new()).unwrap()
}

/// A ladder of 1,000 questions with these forms measured; whether each is inside.
fn measured(
    forms: &[(&str, Script)],
    force: bool,
) -> (Vec<bool>, impl FnOnce(&str, bool) -> Result<Parity, ExportError>) {
    let examples = Box::leak(Box::new(examples(1000)));
    let interrupt = Box::leak(Box::new(Interrupt::new()));
    let plan = GatePlan { within: "1pp".parse().unwrap(), examples, force };
    let mut ladder = Ladder::new(&mut TRAINED.engine(), proved(), &TRAINED, plan, interrupt).unwrap();
    let measure = |&(name, script): &(&str, Script)| ladder.measure(&mut script.engine(), name, 500).unwrap();
    let inside = forms.iter().map(measure).collect();
    (inside, move |form: &str, inside| ladder.seal(form, inside))
}

#[test]
fn the_table_has_a_row_for_every_form_and_says_which_is_in_the_bundle() {
    let (inside, seal) = measured(&[("broken", BROKEN), ("slightly wrong", SLIGHTLY_WRONG)], false);
    assert_eq!(inside, [false, true]);
    let parity = seal("slightly wrong", true).unwrap();
    let forms: Vec<(&str, u64)> = parity.ladder.iter().map(|rung| (rung.form.as_str(), rung.bytes)).collect();
    assert_eq!(forms, [("float32", 4000), ("broken", 500), ("slightly wrong", 500)]);
    let [float32, broken, slightly] = [0, 1, 2].map(|row: usize| parity.ladder[row].answers.unwrap());
    assert_eq!((float32.questions, float32.float32_correct, float32.correct_to_wrong), (1000, 900, 0));
    assert!(broken.questions < 250, "asked no more than it takes: {broken:?}");
    assert_eq!((slightly.correct_to_wrong, slightly.wrong_to_correct, slightly.questions), (2, 0, 1000));
    assert!((slightly.difference_points + 0.2).abs() < 1e-9 && slightly.low_points > -1.0, "{slightly:?}");
    let gate = parity.gate.unwrap();
    assert_eq!((gate.within_points, gate.form.as_str(), gate.inside), (1.0, "slightly wrong", true));
}

#[test]
fn a_broken_form_gets_no_bundle() {
    let (inside, seal) = measured(&[("broken", BROKEN)], false);
    assert_eq!(inside, [false]);
    let error = seal("broken", false).unwrap_err();
    assert_eq!(error.code(), "E_PARITY");
    let message = error.to_string();
    assert!(message.starts_with("form `broken`: expected at most 1pp of accuracy lost"), "{message}");
    assert!(message.ends_with("questions); no bundle was written"), "{message}");
}

#[test]
fn a_forced_form_is_measured_to_the_end_and_recorded_as_outside() {
    let (inside, seal) = measured(&[("broken", BROKEN)], true);
    assert_eq!(inside, [false]);
    let parity = seal("broken", false).unwrap();
    let answers = parity.ladder[1].answers.unwrap();
    assert_eq!((answers.questions, answers.correct_to_wrong, answers.wrong_to_correct), (1000, 900, 0));
    assert!(!parity.gate.unwrap().inside);
}

#[test]
fn too_few_questions_to_show_anything_are_refused_before_any_form_is_measured() {
    let interrupt = Interrupt::new();
    let examples = examples(100);
    let plan = GatePlan { within: "1pp".parse().unwrap(), examples: &examples, force: false };
    let error = Ladder::new(&mut TRAINED.engine(), proved(), &TRAINED, plan, &interrupt).unwrap_err();
    let message = error.to_string();
    assert_eq!(error.code(), "E_FEW_QUESTIONS");
    assert!(
        message.starts_with("gate: expected at least 3") && message.ends_with("1pp can be shown, found 100"),
        "{message}"
    );
    let forced = GatePlan { force: true, ..plan };
    assert!(Ladder::new(&mut TRAINED.engine(), proved(), &TRAINED, forced, &interrupt).is_ok());
}
