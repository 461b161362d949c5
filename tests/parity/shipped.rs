//! The student that the repository ships: its committed bundle computes what libtorch computes on its weights.

use std::path::{Path, PathBuf};

use pupil_distill::checkpoint::Checkpoint;
use pupil_distill::export::parity;
use pupil_distill::interrupt::Interrupt;
use pupil_distill::student::ReferenceStudent;
use pupil_distill::teacher::program::{Exclusions, Items, ProgramTask, ProgramTeacher};
use pupil_models::bundle::{Bundle, MANIFEST};
use pupil_runtime::Engine;

/// Questions of all tasks, of a seed that nothing else uses.
fn questions() -> Vec<String> {
    let of_task = |(task, count): (ProgramTask, usize)| {
        let teacher = ProgramTeacher { task, seed: 77, items: Items::exactly(task.published_items()) };
        teacher.generate(count, &Exclusions::default()).unwrap().into_iter().map(|(example, _)| example.question)
    };
    ProgramTask::ALL.into_iter().zip([67, 67, 66]).flat_map(of_task).collect()
}

#[test]
fn the_shipped_bundle_computes_what_libtorch_computes_on_200_prompts() {
    let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/students/symbolic");
    if !folder.join(MANIFEST).exists() {
        println!("skipped: no bundle at `{}`", folder.display());
        return;
    }
    Bundle::open(&folder).unwrap().verify().unwrap();
    // A bundle is laid out as a checkpoint.
    let reference = ReferenceStudent::open(&Checkpoint::open(&folder).unwrap(), 1).unwrap();
    let mut engine = Engine::open(&folder).unwrap();
    let questions = questions();
    assert_eq!(questions.len(), 200);
    let parity = parity::compare(&mut engine, 0, &reference, &questions, &Interrupt::new()).unwrap().parity;
    parity::require_float32(&parity).unwrap();
    assert_eq!(parity.equal_greedy_completions, 200);
    println!("largest difference of a logit {:e} at {} positions", parity.max_logit_difference, parity.positions);
}
