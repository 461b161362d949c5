//! Experiment files that are refused before anything is done.

use std::fs;

use crate::micro::Micro;
use crate::refused;

#[test]
fn a_missing_experiment() {
    let micro = Micro::new();
    let expected = "error: cannot read the experiment file `nowhere.toml`\n  because: No such file or directory (os error 2)\n\
        hint: `models/students/symbolic.toml` is an example to start from\n";
    assert_eq!(refused(&micro, &mut micro.distill(&["run", "nowhere.toml"])), expected);
}

#[test]
fn an_unknown_key_is_named_with_its_line() {
    for (from, to) in [
        ("learning_rate = 1e-2", "learnign_rate = 1e-2"),
        ("exclude = \"exclude.txt\"\n\n[tokenizer]", "exlude = \"exclude.txt\"\n\n[tokenizer]"),
        ("[export]", "[exprot]"),
    ] {
        let micro = Micro::new();
        micro.change(from, to);
        let text = fs::read_to_string(micro.path("experiment.toml")).unwrap();
        let key = to.trim_start_matches('[').split([' ', ']']).next().unwrap();
        let line = text.lines().position(|line| line.contains(key)).unwrap() + 1;
        let printed = refused(&micro, &mut micro.stage("run"));
        assert!(printed.starts_with("error: experiment file `experiment.toml` is not valid\n"), "{printed}");
        assert!(printed.contains(&format!("unknown field `{key}`")), "{printed}");
        assert!(printed.contains(&format!("at line {line}, ")), "line {line}: {printed}");
    }
}

#[test]
fn a_source_with_too_few_or_too_many_keys() {
    for (from, to, expected) in [
        ("questions = 160", "", "teacher `program`: expected the key `questions`, found none"),
        (
            "questions = 160",
            "questions = 160\ndegree = 2",
            "teacher `program`: expected no key `degree`, which belongs to another teacher",
        ),
        (
            "questions = 160",
            "questions = 160\nitems = [3, 2]",
            "expected two numbers from 1 to 20, the smaller one first, found [3, 2]",
        ),
        ("task = \"coin_flip\"", "task = \"dice\"", "unknown variant `dice`, expected one of `coin_flip`"),
    ] {
        let micro = Micro::new();
        if to.contains("items") {
            micro.change("items = [1, 2]\nexclude = \"exclude.txt\"\n\n[tokenizer]", "\n[tokenizer]");
        }
        micro.change(from, to);
        let printed = refused(&micro, &mut micro.stage("run"));
        assert!(printed.contains(expected), "{printed}");
    }
}

#[test]
fn values_that_no_stage_could_work_with() {
    for (from, to, expected) in [
        (
            "name = \"micro\"",
            "name = \"../micro\"",
            "experiment file, `name`: expected letters, digits, `-`, `_` and `.`, found `../micro`",
        ),
        ("heads = 2", "heads = 3", "experiment file, `student.heads`: expected a divisor of `hidden_size`, found 3"),
        (
            "heads = 2",
            "heads = 4",
            "experiment file, `student.heads`: expected `hidden_size` to be `heads` times a multiple of 16, found heads 8 wide",
        ),
        (
            "steps = 33\n",
            "steps = 33\nepochs = 2\n",
            "experiment file, `train`: expected either `epochs` or `steps`, found both",
        ),
        (
            "batch_tokens = 512",
            "batch_tokens = 0",
            "experiment file, `train.batch_tokens`: expected a number above 0, found 0",
        ),
        (
            "held_out = 0.1",
            "held_out = nan",
            "experiment file, `train.held_out`: expected a number from 0e0 to 0.9, found NaN",
        ),
        (
            "frequent_words = 0.1",
            "merges = 12",
            "experiment file, `tokenizer.merges`: expected a size from 257 (every byte and the end) to 2^20, found 12",
        ),
        (
            "parity_prompts = 20",
            "parity_prompts = 0",
            "experiment file, `export.parity_prompts`: expected a number above 0, found 0",
        ),
    ] {
        let micro = Micro::new();
        micro.change(from, to);
        assert_eq!(refused(&micro, &mut micro.stage("run")), format!("error: {expected}\n"));
    }
}

#[test]
fn a_prompt_without_its_question() {
    let micro = Micro::new();
    micro.change("Q: {question}", "Q:");
    let printed = refused(&micro, &mut micro.stage("run"));
    assert!(printed.starts_with("error: experiment file, `contract`\n  because: "), "{printed}");
    assert!(printed.contains("`prompt`: expected `{question}` exactly once"), "{printed}");
}

#[test]
fn a_missing_checkpoint_to_start_from() {
    let micro = Micro::new();
    let text = fs::read_to_string(micro.path("experiment.toml")).unwrap();
    let (student, train) = (text.find("[tokenizer]").unwrap(), text.find("[train]").unwrap());
    let text = format!("{}[student]\ncheckpoint = \"nowhere\"\n\n{}", &text[..student], &text[train..]);
    fs::write(micro.path("experiment.toml"), text).unwrap();
    let printed = refused(&micro, &mut micro.stage("run"));
    assert!(printed.starts_with("error: experiment file, `student.checkpoint`\n"), "{printed}");
    assert!(printed.contains("nowhere/config.json"), "{printed}");
}
