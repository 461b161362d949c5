//! The shipped student as a teacher.

use std::num::NonZeroU32;
use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::dataset::Example;
use crate::filter::Filter;
use crate::interrupt::Interrupt;
use crate::rationale::{ExampleKey, RationaleError, SourceRecord, State, Store, Stored};
use crate::teacher::program::{Exclusions, Items, ProgramTask, ProgramTeacher};
use crate::teacher::{Adaptive, Completion, Degree, Finish, TeachOptions};

const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/students/symbolic");

fn source(sampling: Sampling, workers: usize) -> BundleSource {
    let questions = Questions { data: PathBuf::new(), split: None, degree: Degree::default() };
    BundleSource { questions, bundle: SHIPPED.into(), sampling, workers: NonZeroUsize::new(workers) }
}

fn sampled() -> Sampling {
    Sampling { temperature: 1.5, top_p: Some(0.99), seed: 7, ..Sampling::default() }
}

fn questions(count: usize) -> Vec<(u64, Example)> {
    let teacher = ProgramTeacher { task: ProgramTask::CoinFlip, seed: 3, items: Items::exactly(2) };
    let taught = teacher.generate(count, &Exclusions::default()).unwrap();
    (0..).zip(taught.into_iter().map(|(example, _)| example)).collect()
}

/// A store that lives as long as its folder.
struct Classroom {
    store: Store,
    examples: Vec<(u64, Example)>,
    _folder: TempDir,
}

impl Classroom {
    fn with(examples: Vec<(u64, Example)>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(&folder.path().join("rationales.db")).unwrap();
        let record = SourceRecord { number: 0, teacher: "symbolic".to_owned(), settings: "{}".to_owned() };
        store.register(&record, &examples).unwrap();
        Self { store, examples, _folder: folder }
    }

    fn teach(&mut self, source: &BundleSource, degree: Degree, interrupt: &Interrupt) -> Result<(), TeachError> {
        let contract = Bundle::open(SHIPPED).unwrap().contract().clone();
        let mut assignment = Assignment {
            store: &mut self.store,
            source: 0,
            examples: &self.examples,
            degree,
            filter: &Filter::of(&contract),
            options: &TeachOptions::default(),
            interrupt,
        };
        teach(source, &mut assignment)
    }

    fn completions(&self) -> Vec<(String, Completion)> {
        let mut all = Vec::new();
        self.store
            .visit(|Stored { row, .. }| {
                all.push((row.id(), row.completion));
                Ok::<(), RationaleError>(())
            })
            .unwrap();
        all
    }
}

fn fixed(degree: u32) -> Degree {
    Degree::Fixed(NonZeroU32::new(degree).unwrap())
}

#[test]
fn the_number_of_workers_and_a_stop_in_between_change_nothing() {
    let mut alone = Classroom::with(questions(3));
    alone.teach(&source(sampled(), 1), fixed(3), &Interrupt::new()).unwrap();
    assert_eq!(alone.store.progress(0).unwrap().done, 9);

    // Another order, and half of it in an earlier run.
    let mut stopped = Classroom::with(questions(3));
    stopped.teach(&source(sampled(), 2), fixed(1), &Interrupt::new()).unwrap();
    let interrupt = Interrupt::new();
    interrupt.request();
    let error = stopped.teach(&source(sampled(), 2), fixed(3), &interrupt).unwrap_err();
    assert!(error.is_interruption(), "{error}");
    stopped.teach(&source(sampled(), 2), fixed(3), &Interrupt::new()).unwrap();
    assert_eq!(stopped.store.digest().unwrap(), alone.store.digest().unwrap());

    let other_seed = Sampling { seed: 8, ..sampled() };
    let mut other = Classroom::with(questions(3));
    other.teach(&source(other_seed, 1), fixed(3), &Interrupt::new()).unwrap();
    assert_ne!(other.store.digest().unwrap(), alone.store.digest().unwrap());
}

#[test]
fn a_greedy_completion_is_the_students_own_text_with_everything_that_decided_it() {
    let mut room = Classroom::with(questions(2));
    room.teach(&source(Sampling::default(), 2), fixed(1), &Interrupt::new()).unwrap();
    for ((_, completion), (_, example)) in room.completions().into_iter().zip(questions(2)) {
        let mut engine = Engine::open(SHIPPED).unwrap();
        let solution = engine.solve(&example.question, &pupil_runtime::Request::default()).unwrap();
        assert_eq!(completion.rationale, solution.completion);
        assert_eq!(completion.prompt, Some(engine.contract().prompt(&example.question)));
        assert_eq!(completion.finish, Some(Finish::Stop));
        assert!(completion.rationale.starts_with(completion.reasoning()));
        assert!(!completion.reasoning().contains("The answer is"), "{}", completion.reasoning());
        assert!(completion.parameters.unwrap().contains("\"bundle\":\"sha256:"));
        assert_eq!(completion.seed, None);
    }
}

#[test]
fn an_adaptive_degree_stops_at_enough_distinct_correct_rationales() {
    let adaptive = |enough, most| {
        Degree::Adaptive(Adaptive { enough: NonZeroU32::new(enough).unwrap(), most: NonZeroU32::new(most).unwrap() })
    };
    // Nearly greedy: the first completion is right, and all others are its equals.
    let calm = Sampling { temperature: 0.01, ..Sampling::default() };
    let mut one = Classroom::with(questions(2));
    one.teach(&source(calm.clone(), 1), adaptive(1, 4), &Interrupt::new()).unwrap();
    assert_eq!(one.store.progress(0).unwrap().done, 2);
    one.teach(&source(calm.clone(), 1), adaptive(1, 4), &Interrupt::new()).unwrap();
    assert_eq!(one.store.progress(0).unwrap().done, 2, "what is enough stays enough");
    let mut two = Classroom::with(questions(2));
    two.teach(&source(calm, 1), adaptive(2, 4), &Interrupt::new()).unwrap();
    assert_eq!(two.store.progress(0).unwrap().done, 8, "equal rationales count once");
}

#[test]
fn a_question_that_does_not_fit_fails_and_is_not_asked_again() {
    let long = "A coin is heads up. Ka flips the coin. ".repeat(200);
    let mut examples = questions(1);
    examples.push((1, Example::new("coin_flip", "long", long, "yes")));
    let mut room = Classroom::with(examples);
    for _ in 0..2 {
        room.teach(&source(Sampling::default(), 1), fixed(1), &Interrupt::new()).unwrap();
        let progress = room.store.progress(0).unwrap();
        assert_eq!((progress.done, progress.failed), (1, 1));
    }
    assert_eq!(room.store.states(ExampleKey::new(0, 1)).unwrap(), [(0, State::Failed)]);
}

#[test]
fn settings_that_make_no_sense_are_named() {
    let with = |change: fn(&mut Sampling)| {
        let mut sampling = sampled();
        change(&mut sampling);
        source(sampling, 1).check()
    };
    assert_eq!(with(|_| ()), Ok(()));
    let temperature = with(|sampling| sampling.temperature = -1.0).unwrap_err();
    assert!(temperature.contains("`temperature` from 0 to 100, found -1"), "{temperature}");
    assert!(with(|sampling| sampling.temperature = f64::NAN).is_err());
    assert!(with(|sampling| sampling.top_p = Some(0.0)).unwrap_err().contains("`top_p`"));
    assert!(with(|sampling| sampling.temperature = 0.0).unwrap_err().contains("`top_p`"));
    let mut greedy = source(Sampling::default(), 1);
    greedy.questions.degree = fixed(2);
    assert!(greedy.check().unwrap_err().contains("`degree` 1 at temperature 0"));
}

#[test]
fn a_folder_without_a_bundle_is_refused_before_anything_is_asked() {
    let mut room = Classroom::with(questions(1));
    let missing = BundleSource { bundle: Path::new("nowhere").to_owned(), ..source(Sampling::default(), 1) };
    let error = room.teach(&missing, fixed(1), &Interrupt::new()).unwrap_err();
    assert_eq!(error.code(), "E_TEACH_BUNDLE");
    assert_eq!(missing.name(), "nowhere");
    assert!(room.completions().is_empty());
}
