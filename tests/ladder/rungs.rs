//! Every number of a rung.

use pupil_distill::export::parity::{agreement, argmax, compare, logit_errors, require_float32};
use pupil_distill::export::{ExportError, parity};
use pupil_distill::interrupt::Interrupt;
use pupil_runtime::GenerateError;
use pupil_runtime::backend::scripted::ScriptedBackend;

use crate::support::{VOCAB, byte_tokenizer, config};
use crate::{Script, TRAINED, completion_of, contract, examples, questions};

#[test]
fn a_graph_that_computes_the_same_has_no_error_and_passes() {
    let proved = compare(&mut TRAINED.engine(), 1234, &TRAINED, &questions(12), &Interrupt::new()).unwrap();
    let parity = &proved.parity;
    require_float32(parity).unwrap();
    assert_eq!((parity.prompts, parity.equal_greedy_completions), (12, 12));
    assert_eq!((parity.max_logit_difference, parity.max_logit), (0.0, Some(16.0)));
    let [rung] = parity.ladder.as_slice() else { panic!("{parity:?}") };
    assert_eq!((rung.form.as_str(), rung.bytes, rung.answers), ("float32", 1234, None));
    // `Q: 0\nA:` has 7 tokens, of which the last is the completion's; its completion has as many positions and its end.
    let (prompt, written) = (7, completion_of("I repeat.", "0").len());
    let two_digits = 2;
    assert_eq!(rung.prompts.positions, 12 * (prompt - 1) + two_digits);
    assert_eq!(rung.completions.positions, 12 * (written + 1) + two_digits);
    assert_eq!(parity.positions, rung.prompts.positions + rung.completions.positions);
    assert_eq!(proved.paths[3].ids().len(), prompt + written);
    assert_eq!(rung.completions.same_top, rung.completions.positions);
}

/// Both choose the same tokens, with logits of 16 and of 12 among zeros.
#[test]
fn errors_of_logits_are_those_of_the_scripts() {
    let less_sure = Script { certainty: 12.0, ..TRAINED };
    let proved = compare(&mut TRAINED.engine(), 0, &TRAINED, &questions(3), &Interrupt::new()).unwrap();
    let (prompts, completions) =
        logit_errors(&mut less_sure.engine(), &TRAINED, &proved.paths, &Interrupt::new()).unwrap();
    let others = VOCAB as f64 - 1.0;
    let norm = |certainty: f64| (certainty.exp() + others).ln();
    let share = (16.0 - norm(16.0)).exp();
    let divergence = share * (4.0 - norm(16.0) + norm(12.0)) + (1.0 - share) * (norm(12.0) - norm(16.0));
    for error in [prompts, completions] {
        assert!((error.max - 4.0).abs() < 1e-6, "{error:?}");
        // One logit in each row differs, by 4.
        assert!((error.rms - (16.0 / VOCAB as f64).sqrt()).abs() < 1e-9, "{error:?}");
        assert!((error.mean_kl - divergence).abs() < 1e-9, "{error:?}, expected {divergence}");
        assert!((error.max_kl - divergence).abs() < 1e-9, "{error:?}");
        assert_eq!(error.same_top, error.positions);
    }
    assert_eq!(completions.positions, proved.parity.ladder[0].completions.positions);
}

#[test]
fn the_first_divergence_is_where_a_completion_parts() {
    let proved = compare(&mut TRAINED.engine(), 0, &TRAINED, &questions(10), &Interrupt::new()).unwrap();
    let other = Script {
        writes: |number| match number {
            // Parts at once, after ` I re`, and by going on.
            "2" => completion_of("you repeat.", number),
            "5" => completion_of("I recite.", number),
            "7" => completion_of("I repeat.", "77"),
            _ => (TRAINED.writes)(number),
        },
        ..TRAINED
    };
    let agreement = agreement(&mut other.engine(), &proved.paths, &Interrupt::new()).unwrap();
    assert_eq!((agreement.completions, agreement.equal), (10, 7));
    let spread = agreement.common_tokens.unwrap();
    let whole = completion_of("I repeat.", "7").len();
    assert_eq!((spread.least, spread.median, spread.most), (1, " I re".len(), whole));
    let (_, completions) = logit_errors(&mut other.engine(), &TRAINED, &proved.paths, &Interrupt::new()).unwrap();
    assert!(completions.same_top < completions.positions && completions.max_kl > 1.0, "{completions:?}");
}

#[test]
fn a_graph_that_ends_where_libtorch_goes_on_misses() {
    let ends_early = Script { writes: |_| " I".to_owned(), ..TRAINED };
    let proved = compare(&mut ends_early.engine(), 0, &TRAINED, &questions(2), &Interrupt::new()).unwrap();
    assert_eq!(proved.parity.equal_greedy_completions, 0);
    let spread = proved.parity.ladder[0].greedy.common_tokens.unwrap();
    assert_eq!((spread.least, spread.most), (2, 2));
    assert!(matches!(require_float32(&proved.parity), Err(ExportError::Parity { .. })));
}

#[test]
fn logits_that_are_no_numbers_are_an_error_that_names_the_place() {
    let backend = ScriptedBackend::new(VOCAB, |seen| {
        let mut logits = TRAINED.logits(seen);
        if seen.len() == 4 {
            logits[9] = f32::NAN;
        }
        logits
    });
    let mut engine = pupil_runtime::Engine::with_backend(config(4096), contract(), byte_tokenizer(), backend);
    let proved = compare(&mut TRAINED.engine(), 0, &TRAINED, &questions(1), &Interrupt::new()).unwrap();
    let error = logit_errors(&mut engine, &TRAINED, &proved.paths, &Interrupt::new()).unwrap_err();
    let ExportError::Generate { question, source } = error else { panic!("{error}") };
    assert_eq!(question, "0");
    assert!(matches!(source, GenerateError::NonFinite { position: 3, value } if value.is_nan()), "{source}");
}

#[test]
fn answers_are_graded_as_an_evaluation_grades_them() {
    let right = parity::right_answers(&mut TRAINED.engine(), &examples(20), &Interrupt::new(), |_| false).unwrap();
    let expected: Vec<bool> = (0..20).map(|number| number % 10 != 0).collect();
    assert_eq!(right, expected);
    let some =
        parity::right_answers(&mut TRAINED.engine(), &examples(20), &Interrupt::new(), |so_far| so_far.len() == 5);
    assert_eq!(some.unwrap(), expected[..5]);
}

#[test]
fn an_interrupted_measurement_stops() {
    let interrupt = Interrupt::new();
    let proved = compare(&mut TRAINED.engine(), 0, &TRAINED, &questions(2), &interrupt).unwrap();
    interrupt.request();
    let mut engine = TRAINED.engine();
    let stopped = [
        compare(&mut engine, 0, &TRAINED, &questions(2), &interrupt).err(),
        logit_errors(&mut engine, &TRAINED, &proved.paths, &interrupt).err(),
        agreement(&mut engine, &proved.paths, &interrupt).err(),
        parity::right_answers(&mut engine, &examples(2), &interrupt, |_| false).err(),
    ];
    assert!(stopped.iter().all(|error| matches!(error, Some(ExportError::Interrupted))), "{stopped:?}");
}

#[test]
fn the_most_likely_token_is_the_first_of_equals() {
    assert_eq!(argmax(&[0.0, 2.0, 2.0]), 1);
    assert_eq!(argmax(&[-1.0, -3.0]), 0);
}
