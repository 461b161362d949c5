//! `--device`: what cannot compute the student is refused, with what is there and what is needed; nothing falls back.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::bundles::fixture;
#[cfg(feature = "cuda")]
use crate::bundles::portable_fixture;
use crate::{path, run, text};

/// The shipped student, which is native.
fn native() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/students/symbolic")
}

/// What is refused: nothing on the standard output, one error, exit 2.
fn refusal(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(2), ""), "{arguments:?}");
    text(&output.stderr)
}

/// The commands that open a student.
fn commands(bundle: &Path) -> [Vec<&str>; 3] {
    [vec!["solve", path(bundle), "why?"], vec!["bench", path(bundle)], vec!["verify", path(bundle)]]
}

#[test]
#[cfg(not(feature = "cuda"))]
fn a_program_without_the_feature_says_so() {
    let Some(bundle) = fixture() else { return };
    for bundle in [bundle, native()] {
        for mut arguments in commands(&bundle) {
            arguments.push("--device=cuda:1");
            let expected = "error: device `cuda:1`: expected a program built with the feature `cuda`, found one built without it\n\
                hint: cargo build --release -p pupil-runtime --features cuda\n";
            assert_eq!(refusal(&arguments), expected, "{arguments:?}");
        }
    }
}

#[test]
#[cfg(feature = "cuda")]
fn a_library_without_the_provider_is_named_with_those_it_has() {
    let Some(bundle) = portable_fixture() else { return };
    let library = pupil_runtime::backend::onnx::find_library().unwrap();
    if library.providers.iter().any(|name| name == pupil_runtime::backend::onnx::CUDA_PROVIDER) {
        return;
    }
    for mut arguments in commands(&bundle) {
        arguments.push("--device=cuda");
        let expected = format!(
            "error: device `cuda:0`: expected an ONNX Runtime with `CUDAExecutionProvider`, found `{}`, version {}, with `{}`\n\
             hint: set ORT_DYLIB_PATH to the libonnxruntime.so of a wheel `onnxruntime-gpu`",
            library.path.display(),
            library.version,
            library.providers.join("`, `")
        );
        let printed = refusal(&arguments);
        assert!(printed.starts_with(&expected), "{printed}");
    }
}

#[test]
#[cfg(feature = "cuda")]
fn operators_of_our_own_are_refused_whatever_the_library_has() {
    if fixture().is_none() {
        return;
    }
    for mut arguments in commands(&native()) {
        arguments.push("--device=cuda");
        let printed = refusal(&arguments);
        let expected = "error: device `cuda:0`: expected a bundle of format `portable-4` or `portable-8`, found format \
            `native-4`, which can be computed on the CPU alone\nhint: export the student with `--format portable-4` ";
        assert!(printed.starts_with(expected), "{printed}");
    }
}

#[test]
fn no_device_and_no_other_number_are_devices() {
    for device in ["gpu", "cuda:", "cuda:-1", "cuda:65536"] {
        let printed = refusal(&["solve", path(&native()), "why?", &format!("--device={device}")]);
        assert!(printed.contains(&format!("found `{device}`")), "{printed}");
    }
}

#[test]
fn the_cpu_is_a_device_like_any() {
    let Some(bundle) = fixture() else { return };
    let output = run(&["verify", path(&bundle), "--device=cpu", "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((report["device"].as_str(), report["compared_with_cpu"].is_null()), (Some("cpu"), true));
}

#[test]
fn doctor_names_the_providers_and_whether_the_feature_is_there() {
    if fixture().is_none() {
        return;
    }
    let report: Value = serde_json::from_slice(&run(&["doctor", "--json"]).stdout).unwrap();
    assert_eq!(report["cuda"]["built"], cfg!(feature = "cuda"));
    let providers = report["onnxruntime"]["providers"].as_array().unwrap();
    assert!(providers.contains(&Value::from("CPUExecutionProvider")), "{report}");
    let printed = text(&run(&["doctor"]).stdout);
    assert!(printed.contains("CPUExecutionProvider") && printed.contains("\ncuda "), "{printed}");
}
