use std::collections::{BTreeSet, HashMap};

use proptest::prelude::*;
use pupil_models::answer::{Grader, task};

use super::*;
use crate::dataset::tests::{published_split, shared_data};

/// A teacher of questions shorter and longer than the published ones.
fn teacher(task: ProgramTask, seed: u64) -> ProgramTeacher {
    ProgramTeacher { task, seed, items: Items::try_from([1, 2 + task.published_items()]).unwrap() }
}

fn generated(task: ProgramTask, seed: u64, count: usize) -> Vec<(Example, Completion)> {
    teacher(task, seed).generate(count, &Exclusions::default()).unwrap()
}

/// Who acts in a coin question, and whether they flip.
fn deeds(question: &str) -> Vec<(&str, bool)> {
    let story = question.strip_prefix("A coin is heads up. ").unwrap();
    let (story, _) = story.split_once(" Is the coin still heads up?").unwrap();
    let deeds = story.split_terminator(" the coin.").map(str::trim);
    deeds
        .map(|deed| match deed.strip_suffix(" does not flip") {
            Some(idler) => (idler, false),
            None => (deed.strip_suffix(" flips").unwrap(), true),
        })
        .collect()
}

/// The names in the quotes of a last-letters question, joined by blanks.
fn quoted(question: &str) -> &str {
    question.split('"').nth(1).unwrap()
}

/// What a tracking question says.
struct Story<'a> {
    options: Vec<&'a str>,
    swaps: Vec<(&'a str, &'a str)>,
    asked: &'a str,
}

impl<'a> Story<'a> {
    fn parse(question: &'a str) -> Self {
        let (_, options) = question.split_once("Answer choices: ").unwrap();
        let options = options.trim_end_matches('.').split(", ").map(|option| &option[4..]).collect();
        let (_, moves) = question.split_once("\n\n").unwrap();
        let (_, told) = moves.split_once(" First, ").unwrap();
        let (told, _) = told.split_once(" At the end").unwrap();
        let swap = |sentence: &'a str| {
            let sentence = sentence.strip_prefix("Then, ").or(sentence.strip_prefix("Finally, ")).unwrap_or(sentence);
            let words: Vec<_> = sentence.splitn(4, ' ').collect();
            assert_eq!(words[1], "and");
            (words[0], words[2])
        };
        let swaps = told.split_terminator('.').map(|sentence| swap(sentence.trim())).collect();
        let (_, ending) = moves.split_once("At the end of the ").unwrap();
        let asked = ending.split(' ').nth(1).unwrap();
        Self { options, swaps, asked }
    }

    /// Who holds what after the first `count` swaps; before them, the options in order.
    fn after(&self, count: usize) -> HashMap<&'a str, &'a str> {
        let mut held: HashMap<_, _> =
            ["Alice", "Bob", "Claire"].into_iter().zip(self.options.iter().copied()).collect();
        for (one, two) in &self.swaps[..count] {
            let (first, second) = (held[one], held[two]);
            held.extend([(*one, second), (*two, first)]);
        }
        held
    }
}

/// Every step and the gold answer follow from the question.
fn check_coin_flip(example: &Example, steps: &[&str]) {
    let deeds = deeds(&example.question);
    assert_eq!(steps.len(), deeds.len());
    let mut flips_so_far = 0;
    for (step, (person, flips)) in steps.iter().zip(deeds) {
        flips_so_far += usize::from(flips);
        let deed = if flips { "flips" } else { "does not flip" };
        let side = ["heads", "tails"][flips_so_far % 2];
        assert_eq!(*step, format!("{person} {deed}: {side} up."));
    }
    assert_eq!(example.gold, ["yes", "no"][flips_so_far % 2]);
}

fn check_last_letters(example: &Example, steps: &[&str]) {
    let mut people = Vec::new();
    for step in steps {
        let (person, letter) = step.strip_suffix('.').unwrap().split_once(" ends in ").unwrap();
        assert!(person.ends_with(letter) && letter.chars().count() == 1, "{step}");
        people.push(person);
    }
    assert_eq!(people.join(" "), quoted(&example.question));
    let letters: String = steps.iter().filter_map(|step| step.chars().rev().nth(1)).collect();
    assert_eq!(example.gold, letters);
}

fn check_tracking(example: &Example, steps: &[&str]) {
    let story = Story::parse(&example.question);
    let letter = |thing: &str| ["A", "B", "C"][story.options.iter().position(|option| *option == thing).unwrap()];
    let holds = |count, who: &str| letter(story.after(count)[who]);
    let shown = |count, people: [&str; 3]| people.map(|who| format!("{who} {}", holds(count, who))).join(", ");
    assert_eq!(steps[0], format!("Start: {}.", shown(0, ["Alice", "Bob", "Claire"])));
    for (count, (one, two)) in story.swaps.iter().enumerate() {
        let third = ["Alice", "Bob", "Claire"].into_iter().find(|who| who != one && who != two).unwrap();
        let (had_one, had_two) = (holds(count, one), holds(count, two));
        let after = shown(count + 1, [one, two, third]);
        assert_eq!(steps[count + 1], format!("{one} ({had_one}) and {two} ({had_two}) swap: {after}."));
    }
    let thing = story.after(story.swaps.len())[story.asked];
    let letter = letter(thing);
    assert_eq!(steps[1 + story.swaps.len()..], [format!("At the end: {} {letter}.", story.asked)]);
    assert_eq!(example.gold, letter);
    // The options are what each person starts with, in the order of the people.
    let (_, start) = example.question.split_once(':').unwrap();
    let starts: Vec<_> = start.split_once(". \n\n").unwrap().0.split(", ").collect();
    for ((start, option), person) in starts.iter().zip(&story.options).zip(["Alice", "Bob", "and Claire"]) {
        assert!(start.trim().starts_with(person) && start.ends_with(option), "{start}");
    }
}

fn check(task: ProgramTask, example: &Example, completion: &Completion) {
    let steps: Vec<_> = completion.rationale.lines().collect();
    match task {
        ProgramTask::CoinFlip => check_coin_flip(example, &steps),
        ProgramTask::LastLetterConcatenation => check_last_letters(example, &steps),
        ProgramTask::TrackingShuffledObjects => check_tracking(example, &steps),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_step_and_answer_follows_from_the_question(seed: u64) {
        for program in ProgramTask::ALL {
            for (example, completion) in generated(program, seed, 20) {
                check(program, &example, &completion);
            }
        }
    }

    #[test]
    fn the_published_grader_finds_each_prediction_right(seed: u64) {
        for program in ProgramTask::ALL {
            let kind = task(program.key()).unwrap().kind;
            for (example, completion) in generated(program, seed, 5) {
                let prediction = Grader::Published.predict(kind, completion.prediction.as_deref().unwrap(), None);
                prop_assert!(Grader::Published.is_correct(kind, prediction.as_ref(), &example.gold));
            }
        }
    }
}

#[test]
fn a_longer_run_extends_a_shorter_one_and_repeats_nothing() {
    for program in ProgramTask::ALL {
        let long = generated(program, 7, 600);
        assert_eq!(generated(program, 7, 200), long[..200]);
        let distinct: BTreeSet<_> = long.iter().map(|(example, _)| &example.question).collect();
        assert_eq!(distinct.len(), long.len());
        let other = generated(program, 8, 600);
        let shared = other.iter().filter(|(example, _)| distinct.contains(&example.question)).count();
        assert!(shared < 30, "{program}: two seeds share {shared} of 600 questions");
    }
}

#[test]
fn excluded_questions_are_left_out_and_the_next_ones_taken() {
    for program in ProgramTask::ALL {
        let all = generated(program, 3, 60);
        let excluded =
            Exclusions::of_questions(all.iter().step_by(2).map(|(example, _)| example.question.replace(' ', "  ")));
        let rest = teacher(program, 3).generate(30, &excluded).unwrap();
        assert!(rest.iter().eq(all.iter().skip(1).step_by(2)));
    }
}

#[test]
fn tasks_are_told_by_key() {
    for program in ProgramTask::ALL {
        assert_eq!(program.key().parse::<ProgramTask>().unwrap(), program);
        assert_eq!(serde_json::to_value(program).unwrap(), program.key());
    }
    let message = "gsm8k".parse::<ProgramTask>().unwrap_err().to_string();
    assert!(message.contains("`coin_flip`") && message.contains("found `gsm8k`"), "{message}");
}

/// The question with a letter in place of each name and object; answers, swaps and white space stay.
fn skeleton(task: ProgramTask, question: &str) -> String {
    match task {
        ProgramTask::CoinFlip => deeds(question)
            .into_iter()
            .fold(question.to_owned(), |text, (person, _)| text.replacen(&format!(" {person} "), " N ", 1)),
        ProgramTask::LastLetterConcatenation => {
            let names = quoted(question);
            question.replacen(names, &vec!["N"; names.split(' ').count()].join(" "), 1)
        }
        ProgramTask::TrackingShuffledObjects => {
            let story = Story::parse(question);
            let hidden = |text: String, (name, letter): (&&str, &str)| text.replace(*name, letter);
            let bare = story.options.iter().zip(["O", "P", "Q"]).fold(question.to_owned(), hidden);
            ["Alice", "Bob", "Claire"].iter().zip(["N"; 3]).fold(bare, hidden)
        }
    }
}

#[test]
fn every_published_training_question_has_a_generated_wording() {
    let Some(data) = shared_data() else { return };
    for (program, count) in [
        (ProgramTask::CoinFlip, 500),
        (ProgramTask::LastLetterConcatenation, 500),
        (ProgramTask::TrackingShuffledObjects, 200),
    ] {
        let teacher = ProgramTeacher { items: Items::exactly(program.published_items()), ..teacher(program, 1) };
        let taught = teacher.generate(count, &Exclusions::default()).unwrap();
        let wordings: BTreeSet<_> = taught.iter().map(|(example, _)| skeleton(program, &example.question)).collect();
        for example in published_split(&data, program.key(), "train") {
            // One published name begins with a blank; questions that differ in white space only count as the same.
            let wording = skeleton(program, &example.question.replace(".  ", ". ").replace("\"  ", "\""));
            assert!(wordings.contains(&wording), "`{}`: no generated question reads `{wording}`", example.id);
        }
    }
}

#[test]
fn every_setting_has_its_published_objects() {
    let Some(data) = shared_data() else { return };
    let program = ProgramTask::TrackingShuffledObjects;
    let objects = |examples: Vec<Example>| -> BTreeSet<(String, String)> {
        let mut objects = BTreeSet::new();
        for example in examples {
            let (opening, _) = example.question.split_once(':').unwrap();
            let options = Story::parse(&example.question).options;
            objects.extend(options.into_iter().map(|option| (opening.to_owned(), option.to_owned())));
        }
        objects
    };
    let reached = objects(generated(program, 1, 1000).into_iter().map(|(example, _)| example).collect());
    assert_eq!(reached, objects(published_split(&data, program.key(), "train")));
}
