//! Bad input: one clear error on the standard error, a hint where there is a mend, nothing on the standard output, exit 2.

use std::fs;
use std::process::{Output, Stdio};

use pupil_models::bundle::WEIGHTS;

use crate::bundles::{fixture, with_foreign_tokenizer, without_graph};
use crate::{path, pupil, run, text};

/// The one error that was printed; `{}` stands for `folder`.
fn error(output: &Output, folder: &str) -> String {
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "", "errors do not belong on the standard output");
    let printed = text(&output.stderr);
    assert_eq!(printed.matches("error: ").count(), 1, "{printed}");
    printed.replace(folder, "{}")
}

#[test]
fn a_missing_bundle() {
    let expected = "error: `no/such/folder` is not a bundle: expected the manifest `pupil.json` in it, found none\n\
        hint: a bundle is a folder that holds `pupil.json`, as written by `distill export`\n";
    for command in ["inspect", "verify", "bench"] {
        assert_eq!(error(&run(&[command, "no/such/folder"]), "-"), expected);
    }
    assert_eq!(error(&run(&["solve", "no/such/folder", "why?"]), "-"), expected);
}

#[test]
fn truncated_weights() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("student");
    without_graph(&bundle);
    let weights = bundle.join(WEIGHTS);
    let bytes = fs::read(&weights).unwrap();
    fs::write(&weights, &bytes[..bytes.len() - 3]).unwrap();
    let (whole, cut) = (bytes.len(), bytes.len() - 3);
    let expected = format!(
        "error: `{{}}/model.safetensors`: expected {whole} bytes, found {cut}\n\
         hint: the bundle was damaged or changed; copy or export it again\n"
    );
    assert_eq!(error(&run(&["solve", path(&bundle), "why?"]), path(&bundle)), expected);
}

#[test]
fn a_changed_weight_is_found_by_verify() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("student");
    without_graph(&bundle);
    let weights = bundle.join(WEIGHTS);
    let mut bytes = fs::read(&weights).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&weights, bytes).unwrap();
    let printed = error(&run(&["verify", path(&bundle)]), path(&bundle));
    assert!(printed.starts_with("error: `{}/model.safetensors`: expected sha256:"), "{printed}");
    assert!(run(&["inspect", path(&bundle)]).status.success(), "structure alone is sound");
}

#[test]
fn a_tokenizer_that_does_not_fit() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("student");
    with_foreign_tokenizer(&bundle);
    let expected = "error: tokenizer does not fit the student: expected ids below 8 (`vocab_size`), found `surplus` with id 8\n\
        hint: use the tokenizer that the student was trained with; export the bundle again\n";
    assert_eq!(error(&run(&["solve", path(&bundle), "why?"]), path(&bundle)), expected);
}

#[test]
fn a_library_that_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("student");
    without_graph(&bundle);
    let library = folder.path().join("libonnxruntime.so");
    let output = pupil(&["solve", path(&bundle), "why?"]).env("ORT_DYLIB_PATH", &library).output().unwrap();
    let expected = "error: cannot find ONNX Runtime: expected `libonnxruntime` at one of `{}`, found none\n\
        hint: run `make native`, or set ORT_DYLIB_PATH to a libonnxruntime of your own\n";
    assert_eq!(error(&output, path(&library)), expected);
}

#[test]
fn a_library_that_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let library = folder.path().join("libonnxruntime.so");
    fs::write(&library, "not a library at all").unwrap();
    let output = pupil(&["doctor", "--json"]).env("ORT_DYLIB_PATH", &library).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report["onnxruntime"].is_null(), "{report}");
    let printed = text(&output.stderr).replace(path(&library), "{}");
    let (problem, hint) = printed.trim_end().split_once('\n').unwrap();
    assert!(problem.starts_with("error: `{}` cannot be used: expected the ONNX Runtime library, found "), "{problem}");
    assert_eq!(hint, "hint: run `make native`, or set ORT_DYLIB_PATH to a libonnxruntime of your own");
}

#[test]
fn a_graph_that_is_rubbish() {
    if fixture().is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("student");
    without_graph(&bundle);
    let printed = error(&run(&["solve", path(&bundle), "why?"]), path(&bundle));
    assert!(printed.starts_with("error: ONNX Runtime cannot load the graph `{}/model.onnx`: "), "{printed}");
}

#[test]
fn a_cache_that_the_bundle_does_not_offer_or_nobody_knows() {
    let Some(bundle) = fixture() else { return };
    for command in ["solve", "bench"] {
        let mut arguments = vec![command, path(&bundle), "--cache=int8"];
        arguments.extend((command == "solve").then_some("why?"));
        let expected =
            "error: cache `int8`: expected one that a bundle of format `float32` offers, which are `float32`\n";
        assert_eq!(error(&run(&arguments), "-"), expected);
    }
    let output = run(&["solve", path(&bundle), "why?", "--cache=int4"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("expected one of float32, float16, int8, found `int4`"));
}

#[test]
fn a_question_longer_than_the_context() {
    let Some(bundle) = fixture() else { return };
    let question = "why? ".repeat(400);
    let printed = error(&run(&["solve", path(&bundle), &question]), "-");
    assert!(printed.starts_with("error: question does not fit: expected a prompt below the context of "), "{printed}");
    assert!(printed.ends_with("hint: ask a shorter question; nothing is ever cut off silently\n"), "{printed}");
}

#[test]
fn a_bundle_without_a_question() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("student");
    without_graph(&bundle);
    let output = pupil(&["solve", path(&bundle)]).stdin(Stdio::null()).output().unwrap();
    let expected = "error: no question: `{}` is a bundle, expected a question after it, found none\n\
        hint: pupil solve {} \"your question\"\n";
    assert_eq!(error(&output, path(&bundle)), expected);
}

#[test]
fn an_empty_question_and_settings_out_of_range() {
    let output = pupil(&["solve", "-"]).stdin(Stdio::null()).output().unwrap();
    assert!(error(&output, "-").starts_with("error: question is empty"));
    let output = run(&["solve", "no/such/folder", "why?", "--temperature", "0"]);
    assert_eq!(error(&output, "/"), "error: request `temperature`: expected a number above 0, at most 100, found 0\n");
    let output = run(&["solve", "no/such/folder", "why?", "--time-limit", "NaN"]);
    assert!(error(&output, "/").starts_with("error: `--time-limit`: expected seconds from 0, found NaN\n"));
}
