//! The student that the repository ships: its committed bundles against libtorch on the float32 weights.

use std::path::Path;

use pupil_distill::checkpoint::Checkpoint;
use pupil_distill::export::parity;
use pupil_distill::interrupt::Interrupt;
use pupil_distill::student::ReferenceStudent;
use pupil_distill::teacher::program::{Exclusions, Items, ProgramTask, ProgramTeacher};
use pupil_models::bundle::{Bundle, Parity};
use pupil_models::format::WeightFormat;
use pupil_models::packed::Precision;
use pupil_runtime::Engine;

/// Questions of all tasks, of a seed that nothing else uses.
fn questions() -> Vec<String> {
    let of_task = |(task, count): (ProgramTask, usize)| {
        let teacher = ProgramTeacher { task, seed: 77, items: Items::exactly(task.published_items()) };
        teacher.generate(count, &Exclusions::default()).unwrap().into_iter().map(|(example, _)| example.question)
    };
    ProgramTask::ALL.into_iter().zip([67, 67, 66]).flat_map(of_task).collect()
}

/// A student of `models/students`, compared with libtorch on the float32 weights.
#[expect(clippy::print_stdout, reason = "what was measured")]
fn compared(student: &str) -> Parity {
    let students = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/students");
    Bundle::open(students.join(student)).unwrap().verify().unwrap();
    // A float32 bundle is laid out as a checkpoint.
    let reference = ReferenceStudent::open(&Checkpoint::open(&students.join("symbolic-float32")).unwrap(), 1).unwrap();
    let mut engine = Engine::open(students.join(student)).unwrap();
    let questions = questions();
    assert_eq!(questions.len(), 200);
    let parity = parity::compare(&mut engine, 0, &reference, &questions, &Interrupt::new()).unwrap().parity;
    println!(
        "{student}: largest difference of a logit {:e} at {} positions, {} of 200 greedy completions equal",
        parity.max_logit_difference, parity.positions, parity.equal_greedy_completions
    );
    parity
}

#[test]
fn the_float32_student_computes_what_libtorch_computes_on_200_prompts() {
    let parity = compared("symbolic-float32");
    parity::require_float32(&parity).unwrap();
    assert_eq!(parity.equal_greedy_completions, 200);
}

#[test]
fn the_shipped_student_is_quantised_inside_its_gate_and_writes_what_libtorch_writes() {
    let bundle = Bundle::open(Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/students/symbolic")).unwrap();
    assert_eq!(bundle.manifest().weights, WeightFormat::Native(Precision::Four));
    let gate = bundle.manifest().parity.as_ref().unwrap().gate.as_ref().unwrap();
    assert!(gate.inside && gate.within_points <= 1.0);
    // What the gate allows: one in a hundred.
    assert!(compared("symbolic").equal_greedy_completions >= 198);
}
