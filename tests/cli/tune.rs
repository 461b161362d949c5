//! `pupil tune`: what it stores is used, shown, overruled by options, and passed over when it cannot be trusted.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::{Value, json};

use crate::bundles::fixture;
use crate::{path, pupil, text};

/// A cache folder, and the program run with it and with the smallest real bundle as default.
pub(crate) struct Cache {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) bundle: PathBuf,
}

impl Cache {
    pub(crate) fn new() -> Option<Self> {
        Some(Self { bundle: fixture()?, folder: tempfile::tempdir().unwrap() })
    }

    /// With the shipped student, a native bundle, as default.
    fn native() -> Option<Self> {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/students/symbolic");
        Self::new().map(|cache| Self { bundle: shipped, ..cache })
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.run_in(self.folder.path(), arguments)
    }

    pub(crate) fn run_in(&self, cache: &Path, arguments: &[&str]) -> Output {
        pupil(arguments).env("PUPIL_CACHE_DIR", cache).env("PUPIL_BUNDLE", &self.bundle).output().unwrap()
    }

    /// Stores a tuning of one thread; the file that holds it.
    pub(crate) fn tune(&self) -> PathBuf {
        let output = self.run(&["tune", "--rounds=1", "--most-threads=1"]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let mut files = self.stored();
        files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
        assert_eq!(files.len(), 1, "{files:?}");
        files[0].clone()
    }

    /// Everything in the folder of what is stored.
    pub(crate) fn stored(&self) -> Vec<PathBuf> {
        fs::read_dir(self.folder.path().join("tuning")).unwrap().map(|file| file.unwrap().path()).collect()
    }

    /// How the student is run, as a row of a bench says.
    fn execution(&self, options: &[&str]) -> Value {
        let row = self.row(options);
        json!([row["tuned"], row["threads"], row["spinning"], row["prepacking"]])
    }

    pub(crate) fn row(&self, options: &[&str]) -> Value {
        let small = ["bench", "--json", "--prompts=4", "--depths=4", "--tokens=1", "--runs=1", "--warm-up=0"];
        let output = self.run(&[&small, options].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        serde_json::from_str(text(&output.stdout).lines().next().unwrap()).unwrap()
    }

    pub(crate) fn doctor(&self) -> String {
        let output = self.run(&["doctor"]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    }
}

/// Changes the text of a stored entry.
pub(crate) fn change(file: &Path, change: impl Fn(&mut Value)) {
    let mut entry: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    change(&mut entry);
    fs::write(file, entry.to_string()).unwrap();
}

#[test]
fn a_stored_choice_is_used_until_an_option_overrules_it() {
    let Some(cache) = Cache::new() else { return };
    assert_eq!(cache.execution(&[])[0], false, "nothing is stored yet");
    let file = cache.tune();
    // Settings that nothing else would choose, so that they can come from nowhere else.
    change(&file, |entry| {
        entry["choice"]["spinning"] = false.into();
        entry["choice"]["prepacking"] = true.into();
    });
    assert_eq!(cache.execution(&[]), json!([true, 1, false, true]));
    assert!(cache.doctor().contains("used for the default bundle: 1 thread, spinning off, pre-packing on"));
    assert_eq!(cache.execution(&["--spinning=on"]), json!([true, 1, true, true]));
    assert_eq!(cache.execution(&["--prepacking=off", "--threads=3"]), json!([true, 3, false, false]));
    assert_eq!(cache.execution(&["--untuned"]), json!([false, 1, true, false]));
    assert_eq!(cache.execution(&["--untuned", "--prepacking"]), json!([false, 1, true, true]));
}

#[test]
fn the_cache_of_a_native_bundle_is_tuned_and_int8_only_if_allowed() {
    let Some(cache) = Cache::native() else { return };
    let types = |options: &[&str]| {
        let output = cache.run(&[&["tune", "--rounds=1", "--most-threads=1", "--dry-run", "--json"], options].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
        let tried = printed["candidates"].as_array().unwrap().clone();
        ["float32", "float16", "int8"].map(|name| tried.iter().any(|tried| tried["cache"] == name))
    };
    assert_eq!(types(&[]), [true, true, false]);
    assert_eq!(types(&["--allow-int8-cache"]), [true, true, true]);
}

#[test]
fn a_stored_cache_and_affinity_are_used_until_an_option_overrules_them() {
    let Some(cache) = Cache::native() else { return };
    assert_eq!(cache.row(&[])["cache"], "float16", "nothing is stored yet");
    let file = cache.tune();
    assert_eq!(cache.stored(), std::slice::from_ref(&file), "no graph is saved of a native bundle");
    let whole = fs::read(&file).unwrap();
    change(&file, |entry| entry["choice"]["cache"] = "int8".into());
    let row = cache.row(&[]);
    assert_eq!((&row["cache"], &row["affinity"], &row["tuned"]), (&json!("int8"), &json!(false), &json!(true)));
    assert!(cache.doctor().contains("affinity off, int8 cache"));
    assert_eq!(cache.row(&["--cache=float32"])["cache"], "float32");
    assert_eq!(cache.row(&["--untuned"])["cache"], "float16");
    change(&file, |entry| entry["choice"]["affinity"] = true.into());
    // One thread, the caller's own, has a core wherever the system tells of cores.
    assert_eq!(cache.row(&[])["affinity"], cfg!(target_os = "linux"));
    assert_eq!(cache.row(&["--affinity=off"])["affinity"], false);
    fs::write(&file, whole).unwrap();
    change(&file, |entry| entry["choice"]["cache"] = "int4".into());
    assert_eq!(cache.row(&[])["cache"], "float16");
    assert!(cache.doctor().contains("ignored: corrupt: unknown variant `int4`"), "{}", cache.doctor());
}

#[test]
fn help_says_what_may_be_chosen() {
    for (command, option) in
        [("solve", "--cache <TYPE>"), ("bench", "--affinity <ON|OFF>"), ("tune", "--allow-int8-cache")]
    {
        let output = pupil(&[command, "--help"]).output().unwrap();
        assert!(text(&output.stdout).contains(option), "{command}: {}", text(&output.stdout));
    }
}

#[test]
fn what_cannot_be_trusted_is_passed_over_and_said_by_doctor() {
    let Some(cache) = Cache::new() else { return };
    let file = cache.tune();
    let whole = fs::read(&file).unwrap();
    let untuned = json!([false, 1, true, false]);
    let expect = |said: &str| {
        assert_eq!(cache.execution(&[]), untuned, "{said}");
        let doctor = cache.doctor();
        assert!(doctor.contains(said), "expected `{said}` in {doctor}");
    };
    fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    expect("ignored: corrupt: ");
    fs::write(&file, &whole).unwrap();
    change(&file, |entry| entry["choice"]["threads"] = 1_000_000.into());
    expect("ignored: threads: expected 1 to ");
    fs::write(&file, &whole).unwrap();
    change(&file, |entry| entry["schema"] = 99.into());
    expect("ignored: expected schema 3, found 99");
    fs::write(&file, &whole).unwrap();
    change(&file, |entry| entry["key"]["cpu"] = "another".into());
    expect("not for the default bundle here: measured for processor another");
    fs::write(&file, &whole).unwrap();
    assert_eq!(cache.execution(&[])[0], true, "the whole one is used again");
}

#[test]
fn a_dry_run_stores_nothing() {
    let Some(cache) = Cache::new() else { return };
    let output = cache.run(&["tune", "--rounds=1", "--most-threads=1", "--dry-run", "--json"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(printed["choice"]["threads"], 1);
    assert!(
        printed["candidates"].as_array().unwrap().iter().all(|tried| tried["rounds_ms"][0].as_f64().unwrap() > 0.0)
    );
    assert_eq!(fs::read_dir(cache.folder.path()).unwrap().count(), 0);
    assert!(cache.doctor().contains("none in "));
}

#[test]
fn a_cache_folder_that_cannot_be_written_stops_only_tune() {
    let Some(cache) = Cache::new() else { return };
    // A file where the folder should be stops root as well, whom permissions do not.
    let blocked = cache.folder.path().join("file");
    fs::write(&blocked, "").unwrap();
    let output = cache.run_in(&blocked, &["tune", "--rounds=1", "--most-threads=1"]);
    assert_eq!(output.status.code(), Some(2));
    let printed = text(&output.stderr);
    assert!(printed.contains("error: the choice cannot be stored: "), "{printed}");
    assert!(printed.contains("hint: set PUPIL_CACHE_DIR"), "{printed}");
    assert!(text(&output.stdout).contains("chosen"), "what was measured is shown all the same");
    for command in [["verify", path(&cache.bundle)], ["doctor", "--json"]] {
        let output = cache.run_in(&blocked, &command);
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
}

#[test]
fn without_any_cache_folder_everything_but_tune_works() {
    let Some(cache) = Cache::new() else { return };
    let without = |arguments: &[&str]| {
        let mut command = pupil(arguments);
        command.env("PUPIL_BUNDLE", &cache.bundle);
        command.env_remove("PUPIL_CACHE_DIR").env_remove("XDG_CACHE_HOME").env_remove("HOME");
        command.output().unwrap()
    };
    assert!(without(&["verify"]).status.success());
    assert!(text(&without(&["doctor"]).stdout).contains("the environment names no cache folder"));
    let output = without(&["tune", "--rounds=1"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("error: no cache folder"), "{}", text(&output.stderr));
}
