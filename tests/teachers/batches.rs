//! The `batch` teacher: request files out, result files in, by a service that answers as the server's model does.

use std::fs;
use std::path::{Path, PathBuf};

use pupil_distill::keyed::mix;
use serde_json::{Value, json};

use crate::answers::{Api, Asked, question};
use crate::server::{Conduct, Server};
use crate::teaching::{Settings, Teaching};

const QUESTIONS: usize = 12;
/// Completions of each question.
const DEGREE: usize = 2;

/// An experiment whose requests travel by files.
struct Batch {
    teaching: Teaching,
}

/// What a command printed on stdout and stderr.
struct Printed {
    out: String,
    err: String,
}

fn settings(api: Api, prompting: &'static str) -> Settings {
    Settings { questions: QUESTIONS, api, prompting, ..Settings::default() }
}

/// Asks for several completions of each question.
fn deepen(teaching: &Teaching) {
    edit(teaching, "teacher =", &format!("degree = {DEGREE}\nteacher ="));
}

fn edit(teaching: &Teaching, from: &str, to: &str) {
    let path = teaching.path("experiment.toml");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{from}");
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}

impl Batch {
    fn new(api: Api, prompting: &'static str) -> Self {
        let teaching = Teaching::new(settings(api, prompting), "http://127.0.0.1:1/v1");
        deepen(&teaching);
        edit(&teaching, "\"openai\"", "\"batch\"");
        let path = teaching.path("experiment.toml");
        let text = fs::read_to_string(&path).unwrap();
        // Files have no use for limits of pace.
        fs::write(path, text.split("[source.limits]").next().unwrap()).unwrap();
        Self { teaching }
    }

    fn run(&self, arguments: &[&str], code: i32) -> Printed {
        let output = self.teaching.distill(arguments).output().unwrap();
        let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{out}{err}");
        Printed { out, err }
    }

    /// `distill batch write`: the requests of all files, and what was said.
    fn write(&self, more: &[&str]) -> (Vec<Value>, String) {
        let Printed { out, err } = self.run(&[&["batch", "write", "experiment.toml"], more].concat(), 0);
        let files = out.lines().map(|path| fs::read_to_string(self.teaching.path(path)).unwrap());
        let requests = files.flat_map(|text| text.lines().map(parsed).collect::<Vec<Value>>());
        (requests.collect(), err)
    }

    /// `distill batch read` of a file with these rows.
    fn read(&self, rows: &[String], code: i32) -> String {
        self.read_files(&[rows], code)
    }

    fn read_files(&self, files: &[&[String]], code: i32) -> String {
        let mut arguments = vec!["batch".to_owned(), "read".to_owned(), "experiment.toml".to_owned()];
        for (number, rows) in files.iter().enumerate() {
            let name = format!("results-{number}.jsonl");
            fs::write(self.teaching.path(&name), rows.join("\n")).unwrap();
            arguments.push(name);
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.run(&arguments, code).err
    }

    fn teach(&self, code: i32) -> String {
        self.run(&["teach", "experiment.toml"], code).err
    }
}

fn parsed(line: &str) -> Value {
    serde_json::from_str(line).unwrap()
}

fn id(request: &Value) -> &str {
    request["custom_id"].as_str().unwrap()
}

/// The row of a result file about a request.
fn result(request: &Value) -> String {
    let (path, body) = (request["url"].as_str().unwrap(), request["body"].to_string());
    let asked = Asked::parse(path, body.as_bytes()).unwrap();
    let answer = asked.answer();
    let said = match asked.api {
        Api::Chat => {
            json!({"index": 0, "message": {"role": "assistant", "content": answer.text}, "finish_reason": answer.finish})
        }
        Api::Completions => json!({"index": 0, "text": answer.text, "finish_reason": answer.finish}),
    };
    let usage = json!({"prompt_tokens": 20, "completion_tokens": 30, "total_tokens": 50});
    let body = json!({"id": "r", "model": "sums-1", "choices": [said], "usage": usage});
    json!({"id": "b", "custom_id": id(request), "response": {"status_code": 200, "body": body}, "error": null})
        .to_string()
}

/// The row of an error file about a request.
fn refused(request: &Value) -> String {
    let body = json!({"error": {"message": "too long", "code": "context_length_exceeded"}});
    json!({"custom_id": id(request), "response": {"status_code": 400, "body": body}, "error": null}).to_string()
}

fn expired(request: &Value) -> String {
    let error = json!({"code": "batch_expired", "message": "the batch has expired"});
    json!({"custom_id": id(request), "response": null, "error": error}).to_string()
}

/// The rows in an order of their own.
fn shuffled(mut rows: Vec<String>, seed: u64) -> Vec<String> {
    rows.sort_by_key(|row| mix(&[seed, crate::answers::fingerprint(row.as_bytes())]));
    rows
}

fn names(folder: &Path) -> Vec<PathBuf> {
    let mut names: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    names
}

/// What the same model says when it is asked over HTTP.
fn live(api: Api, prompting: &'static str) -> String {
    let server = Server::start(Conduct::good(), "");
    let teaching = Teaching::new(settings(api, prompting), &server.url());
    deepen(&teaching);
    let finished = teaching.teach(&[]);
    assert_eq!(finished.code, Some(0), "{}", finished.printed);
    teaching.export()
}

#[test]
fn a_batch_ends_in_the_completions_of_the_endpoint() {
    for (api, prompting) in [
        (Api::Chat, "zero_shot_cot"),
        (Api::Completions, "zero_shot_cot"),
        (Api::Chat, "one_step"),
        (Api::Completions, "one_step"),
    ] {
        let batch = Batch::new(api, prompting);
        let steps = if prompting == "zero_shot_cot" { 2 } else { 1 };
        for step in 0..steps {
            let printed = batch.teach(2);
            let lacking = if step == 1 { QUESTIONS * DEGREE } else { 0 };
            let said = format!("24 of 24 completions of source 0 are missing, {lacking} of them lack only the answer");
            assert!(printed.contains(&said) && printed.contains("distill batch write"), "{printed}");
            let (requests, said) = batch.write(&["--max-requests", "7"]);
            assert_eq!(requests.len(), QUESTIONS * DEGREE, "{said}");
            let rows = shuffled(requests.iter().map(result).collect(), step);
            let (early, late) = rows.split_at(9);
            // In parts, the later ones first and with some of the earlier, and all of them again.
            batch.read(&[late, &early[..3]].concat(), 0);
            batch.read_files(&[early, late], 0);
            let printed = batch.read(&rows, 0);
            assert!(printed.contains("read 0 whole completions, 0 rationales"), "{printed}");
            assert!(printed.contains("there before 24, bad 0"), "{printed}");
        }
        let (requests, said) = batch.write(&[]);
        assert!(requests.is_empty() && said.contains("nothing is left to ask"), "{said}");
        batch.teach(0);
        assert_eq!(batch.teaching.export(), live(api, prompting), "{api:?} {prompting}");
    }
}

#[test]
fn the_same_requests_make_the_same_files() {
    let batch = Batch::new(Api::Chat, "one_step");
    let (requests, said) = batch.write(&["--out", "first", "--max-requests", "10"]);
    assert!(said.contains("source 0: 24 requests (24 for rationales, 0 for answers to them)"), "{said}");
    let sizes = |folder: &str| -> Vec<usize> {
        let lines = |path: &PathBuf| fs::read_to_string(path).unwrap().lines().count();
        names(&batch.teaching.path(folder)).iter().map(lines).collect()
    };
    assert_eq!(sizes("first"), [10, 10, 4]);
    assert_eq!(batch.write(&["--out", "second", "--max-requests", "10"]).0, requests);
    let files = |folder: &str| -> Vec<(PathBuf, Vec<u8>)> {
        let file = |path: &PathBuf| (path.file_name().unwrap().into(), fs::read(path).unwrap());
        names(&batch.teaching.path(folder)).iter().map(file).collect()
    };
    assert_eq!(files("first"), files("second"));
    // Small enough parts differ in nothing but their borders.
    assert!(!said.contains("note: "), "{said}");
    let (_, said) = batch.write(&["--out", "second", "--max-requests", "9"]);
    assert!(said.contains("note: 3 other files in `second` ask for the like"), "{said}");
    let most = fs::metadata(&names(&batch.teaching.path("first"))[0]).unwrap().len() / 3;
    assert_eq!(batch.write(&["--out", "third", "--max-bytes", &most.to_string()]).0, requests);
    let third = names(&batch.teaching.path("third"));
    assert!(third.len() >= 8 && third.iter().all(|path| fs::metadata(path).unwrap().len() <= most));
    let Printed { err, .. } =
        batch.run(&["batch", "write", "experiment.toml", "--out", "fourth", "--max-bytes", "300"], 2);
    assert!(err.contains("expected at most 300 bytes, found "), "{err}");
    assert!(!batch.teaching.path("fourth").exists());
}

#[test]
fn bad_rows_are_named_and_the_order_of_rows_means_nothing() {
    let make = |seed: u64| {
        let batch = Batch::new(Api::Chat, "zero_shot_cot");
        let (requests, _) = batch.write(&[]);
        let good = result(&requests[0]);
        let digest = id(&requests[1]).rsplit('.').next().unwrap();
        let other = result(&requests[1]).replacen(digest, "000000000000", 1);
        let early = result(&requests[2]).replacen("rationale", "answer", 1);
        let foreign = good.replacen(id(&requests[0]), "request-7", 1);
        let elsewhere = good.replacen(id(&requests[0]), &format!("9{}", &id(&requests[0])[1..]), 1);
        let beyond = good.replacen(id(&requests[0]), &id(&requests[0]).replacen("0.0.0", "0.0.99", 1), 1);
        let cut = good[..good.len() / 2].to_owned();
        let bare = json!({"custom_id": id(&requests[3])}).to_string();
        let bad = [cut, bare, other, early, foreign, elsewhere, beyond];
        let mut rows: Vec<String> = requests.iter().filter(|request| request != &&requests[5]).map(result).collect();
        rows.extend(requests.iter().take(4).flat_map(|request| [expired(request), refused(request)]));
        rows.push(expired(&requests[5]));
        let rows = shuffled([rows, bad.to_vec()].concat(), seed);
        let printed = batch.read(&rows, 1);
        assert!(printed.contains("read 0 whole completions, 23 rationales"), "{printed}");
        assert!(printed.contains("bad 7"), "{printed}");
        for row in &bad {
            let line = rows.iter().position(|found| found == row).unwrap() + 1;
            assert!(
                printed.contains(&format!("bad: `results-0.jsonl`, line {line}:")),
                "line {line}: {row}\n{printed}"
            );
        }
        let (answers, said) = batch.write(&[]);
        assert_eq!(answers.len(), QUESTIONS * DEGREE - 1);
        assert!(said.contains("1 completions failed"), "{said}");
        batch.read(&shuffled(answers.iter().map(result).collect(), seed), 0);
        // The only failure is one that was never answered: the stage is whole, and says so.
        assert!(batch.teach(1).contains("1 completions failed"));
        batch.teaching.export()
    };
    let exported = make(1);
    assert_eq!(exported.lines().count(), QUESTIONS * DEGREE - 1);
    assert_eq!(make(2), exported);
}

#[test]
fn failures_are_asked_again_only_on_request() {
    let batch = Batch::new(Api::Completions, "one_step");
    let (requests, _) = batch.write(&[]);
    let (failing, fine) = requests.split_at(3);
    let errors = [expired(&failing[0]), refused(&failing[1]), refused(&failing[2])];
    let replies: Vec<String> = fine.iter().map(result).collect();
    let printed = batch.read_files(&[&errors, &replies], 0);
    assert!(
        printed.contains("read 21 whole completions, 0 rationales that lack their answers, 3 failures"),
        "{printed}"
    );
    let Printed { out, .. } = batch.run(&["status", "experiment.toml"], 0);
    assert!(out.contains("batch_expired 1") && out.contains("http_400 2"), "{out}");
    assert!(batch.write(&[]).1.contains("--retry-failed"));
    assert!(batch.teach(1).contains("3 completions failed"));
    let (again, _) = batch.write(&["--retry-failed"]);
    assert_eq!(again, failing);
    batch.read(&again.iter().map(result).collect::<Vec<_>>(), 0);
    // A failure that comes late takes nothing back.
    batch.read(&errors, 0);
    batch.teach(0);
    assert_eq!(batch.teaching.export().lines().count(), QUESTIONS * DEGREE);
}

#[test]
fn what_cannot_be_meant_is_refused_and_changes_nothing() {
    let batch = Batch::new(Api::Chat, "one_step");
    let (requests, _) = batch.write(&[]);
    let rows: Vec<String> = requests.iter().map(result).collect();
    let lock = fs::File::create(batch.teaching.path("runs/sums/lock")).unwrap();
    lock.lock().unwrap();
    for command in [["batch", "write", "experiment.toml"].as_slice(), &["batch", "read", "experiment.toml", "r"]] {
        assert!(batch.run(command, 2).err.contains("`runs/sums` is locked"));
    }
    drop(lock);
    let printed = batch.run(&["batch", "read", "experiment.toml", "absent.jsonl"], 2).err;
    assert!(printed.contains("cannot read the result file `absent.jsonl`"), "{printed}");
    edit(&batch.teaching, "max_tokens = 64", "max_tokens = 65");
    let printed = batch.read(&rows, 2);
    assert!(printed.contains("made with other settings") && printed.contains("max_tokens"), "{printed}");
    edit(&batch.teaching, "max_tokens = 65", "max_tokens = 64");
    // A question that was changed is another request.
    let questions = batch.teaching.path("sums.jsonl");
    let text = fs::read_to_string(&questions).unwrap();
    fs::write(&questions, text.replacen(&question(0).0, "Question 0: what is 1 plus 1?", 1)).unwrap();
    batch.run(&["batch", "read", "experiment.toml", "results-0.jsonl"], 2);
    fs::write(&questions, text).unwrap();
    batch.read(&rows, 0);
    let teaching = Teaching::new(settings(Api::Chat, "one_step"), "http://127.0.0.1:1/v1");
    let output = teaching.distill(&["batch", "write", "experiment.toml"]).output().unwrap();
    let printed = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{printed}");
    assert!(printed.contains("expected a source with `teacher = \"batch\"`, found none"), "{printed}");
    assert!(!teaching.path("runs/sums/rationales.db").exists());
}
