//! The store's own rules.

use super::*;
use crate::dataset::Example;
use crate::filter::{Reason, Verdict};
use crate::teacher::{Completion, Finish};

fn source() -> SourceRecord {
    SourceRecord { number: 0, teacher: "scripted".to_owned(), settings: "{}".to_owned() }
}

fn examples(count: u64) -> Vec<(u64, Example)> {
    (0..count).map(|position| (position, Example::new("coin_flip", &position.to_string(), "Heads?", "yes"))).collect()
}

fn record(position: u64, index: u32, text: &str) -> Record {
    let completion = Completion {
        index,
        rationale: text.to_owned(),
        prediction: Some(" yes".to_owned()),
        finish: Some(Finish::Stop),
        ..Completion::default()
    };
    Record::done(ExampleKey::new(0, position), completion)
}

fn store_with(records: &[Record]) -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(&folder.path().join("rationales.db")).unwrap();
    store.register(&source(), &examples(3)).unwrap();
    store.put(records).unwrap();
    (folder, store)
}

fn texts(reader: &Reader) -> Vec<String> {
    let mut texts = Vec::new();
    reader
        .visit(|stored| {
            texts.push(format!("{} {}", stored.row.id(), stored.row.completion.rationale));
            Ok::<(), RationaleError>(())
        })
        .unwrap();
    texts
}

#[test]
fn rows_come_in_the_order_of_the_experiment_however_they_arrived() {
    let (folder, store) = store_with(&[record(2, 0, "c"), record(0, 1, "b"), record(0, 0, "a")]);
    let expected = ["coin_flip/0#0 a", "coin_flip/0#1 b", "coin_flip/2#0 c"];
    assert_eq!(texts(&store), expected);
    let (_other_folder, other) = store_with(&[record(0, 0, "a"), record(0, 1, "b"), record(2, 0, "c")]);
    assert_eq!(store.digest().unwrap(), other.digest().unwrap());
    assert_eq!(texts(&Reader::open(&folder.path().join("rationales.db")).unwrap()), expected);
}

#[test]
fn a_finished_completion_is_never_replaced() {
    let (_folder, mut store) = store_with(&[record(0, 0, "a")]);
    store.put(&[record(0, 0, "a")]).unwrap();
    let error = store.put(&[record(1, 0, "new"), record(0, 0, "other")]).unwrap_err();
    assert!(matches!(&error, RationaleError::Conflict { id, .. } if id == "coin_flip/0#0"), "{error}");
    assert_eq!(texts(&store), ["coin_flip/0#0 a"], "nothing of the refused transaction is there");
}

#[test]
fn a_partial_completion_is_finished_later_and_does_not_come_back() {
    let (_folder, mut store) = store_with(&[]);
    let partial = Record { state: State::Partial, ..record(1, 0, "half") };
    store.put(std::slice::from_ref(&partial)).unwrap();
    assert_eq!(texts(&store), [""; 0]);
    assert_eq!(store.states(ExampleKey::new(0, 1)).unwrap(), [(0, State::Partial)]);
    store.put(&[record(1, 0, "half")]).unwrap();
    store.put(&[partial]).unwrap();
    assert_eq!(store.states(ExampleKey::new(0, 1)).unwrap(), [(0, State::Done)]);
    assert_eq!(store.progress(0).unwrap().done, 1);
}

#[test]
fn there_is_one_writer_and_any_number_of_readers() {
    let (folder, _store) = store_with(&[record(0, 0, "a")]);
    let path = folder.path().join("rationales.db");
    assert!(matches!(Store::open(&path), Err(RationaleError::Locked { .. })));
    assert_eq!(texts(&Reader::open(&path).unwrap()).len(), 1);
}

#[test]
fn other_examples_or_settings_are_refused() {
    let (_folder, mut store) = store_with(&[]);
    store.register(&source(), &examples(3)).unwrap();
    let other = SourceRecord { settings: "{\"temperature\":1}".to_owned(), ..source() };
    let error = store.register(&other, &examples(3)).unwrap_err().to_string();
    assert!(
        error.contains("source 0, was made with other settings: `temperature`: expected nothing, found 1"),
        "{error}"
    );
    assert_eq!(store.accept(&other).unwrap().len(), 1);
    store.register(&other, &examples(3)).unwrap();
    assert!(store.register(&source(), &examples(3)).is_err(), "the change was recorded");
    assert!(store.setting("accepted/0").unwrap().unwrap().contains("temperature"));
    let moved = vec![(0, Example::new("coin_flip", "7", "Heads?", "yes"))];
    assert!(matches!(store.register(&other, &moved), Err(RationaleError::OtherSource { .. })));
}

#[test]
fn a_file_of_another_program_or_version_is_refused() {
    let (folder, store) = store_with(&[]);
    drop(store);
    let path = folder.path().join("rationales.db");
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let message = Store::open(&path).err().unwrap().to_string();
    assert!(message.contains("expected version 1, found version 99"), "{message}");
    let text = folder.path().join("text.db");
    std::fs::write(&text, "not a database, whatever its name says\n".repeat(100)).unwrap();
    assert!(matches!(Store::open(&text), Err(RationaleError::Store { .. })));
}

#[test]
fn verdicts_choose_the_kept_rows() {
    let (_folder, mut store) = store_with(&[record(0, 0, "a"), record(1, 0, "b")]);
    let key = |position| ExampleKey::new(0, position).completion(0);
    store.put_verdicts(&[(key(0), Verdict::Reject(Reason::NoAnswer)), (key(1), Verdict::Keep)]).unwrap();
    let mut kept = Vec::new();
    store
        .visit_kept(|stored, _| {
            kept.push(stored.row.id());
            Ok::<(), RationaleError>(())
        })
        .unwrap();
    assert_eq!(kept, ["coin_flip/1#0"]);
}

#[test]
fn a_clean_close_leaves_one_file_and_its_lock() {
    let (folder, store) = store_with(&[record(0, 0, "a")]);
    drop(store);
    let path = folder.path().join("rationales.db");
    assert_eq!(texts(&Reader::open(&path).unwrap()), ["coin_flip/0#0 a"]);
    let mut names: Vec<String> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["rationales.db", "rationales.db.lock"]);
}

#[test]
fn the_log_stays_short_while_a_reader_visits_every_row() {
    let text = "x".repeat(100_000);
    let rows = |position, from| (from..from + 40).map(|index| record(position, index, &text)).collect::<Vec<_>>();
    let (folder, mut store) = store_with(&rows(0, 0));
    let path = folder.path().join("rationales.db");
    let interrupt = crate::interrupt::Interrupt::new();
    let reading = std::thread::spawn({
        let (path, interrupt) = (path.clone(), interrupt.clone());
        move || {
            let (reader, mut visits) = (Reader::open(&path).unwrap(), 0);
            while !interrupt.is_requested() {
                reader.visit(|_| Ok::<(), RationaleError>(())).unwrap();
                visits += 1;
            }
            visits
        }
    });
    let mut longest = 0;
    for round in 0..30 {
        store.put(&rows(1, round * 40)).unwrap();
        longest = longest.max(std::fs::metadata(folder.path().join("rationales.db-wal")).unwrap().len());
    }
    interrupt.request();
    assert!(reading.join().unwrap() > 0);
    assert!(longest < 80 << 20, "120 MB were written, the log was {longest} bytes long");
}

#[test]
fn a_merge_takes_everything_or_nothing_and_again_changes_nothing() {
    let (one, mut first) = store_with(&[record(0, 0, "a"), record(1, 0, "b")]);
    first.count_faults(0, "http_429", 3).unwrap();
    drop(first);
    let (two, second) = store_with(&[record(1, 0, "b"), record(2, 0, "c")]);
    drop(second);
    let (three, third) = store_with(&[record(0, 1, "d"), record(2, 0, "other")]);
    drop(third);
    let inputs = [one, two, three].map(|folder| (folder.path().join("rationales.db"), folder));
    let paths: Vec<_> = inputs.iter().map(|(path, _)| path.clone()).collect();
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(&folder.path().join("merged.db")).unwrap();
    let error = merge(&mut store, &paths).unwrap_err();
    assert!(
        matches!(&error, RationaleError::Conflict { id, path } if id == "coin_flip/2#0" && *path == paths[2]),
        "{error}"
    );
    assert!(store.sources().unwrap().is_empty(), "nothing of the refused merge is there");
    for written in [3, 0] {
        let report = merge(&mut store, &paths[..2]).unwrap();
        assert_eq!((report.written, report.same), (written, 4 - written));
        assert_eq!(texts(&store), ["coin_flip/0#0 a", "coin_flip/1#0 b", "coin_flip/2#0 c"]);
        assert_eq!(store.summaries().unwrap()[0].faults["http_429"], 3);
    }
}

#[test]
fn what_a_finished_completion_beats_does_not_depend_on_the_order_of_merging() {
    let failed = Record { state: State::Failed, ..record(0, 0, "") };
    let partial = Record { state: State::Partial, ..record(0, 0, "half") };
    let stores = [failed, partial, record(0, 0, "whole")].map(|record| store_with(&[record]));
    let paths = stores.map(|(folder, _)| (folder.path().join("rationales.db"), folder));
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(&folder.path().join("merged.db")).unwrap();
        for index in order {
            merge(&mut store, &[paths[index].0.clone()]).unwrap();
        }
        assert_eq!(texts(&store), ["coin_flip/0#0 whole"]);
    }
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(&folder.path().join("merged.db")).unwrap();
    merge(&mut store, &[paths[1].0.clone(), paths[0].0.clone()]).unwrap();
    assert_eq!(store.states(ExampleKey::new(0, 0)).unwrap(), [(0, State::Partial)]);
}

#[test]
fn a_merge_names_the_settings_that_differ() {
    let (one, first) = store_with(&[]);
    drop(first);
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(&folder.path().join("merged.db")).unwrap();
    store.register(&SourceRecord { settings: r#"{"seed":7}"#.to_owned(), ..source() }, &[]).unwrap();
    let error = merge(&mut store, &[one.path().join("rationales.db")]).unwrap_err().to_string();
    assert!(error.contains("`seed`: expected 7, found nothing"), "{error}");
}
