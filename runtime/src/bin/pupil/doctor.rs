//! `pupil doctor`: what was found on this machine, and what is missing.

use std::process::ExitCode;

use pupil_models::bundle::Manifest;
use pupil_runtime::backend::onnx::{self, LibraryInfo};
use serde_json::json;

use crate::args::Doctor;
use crate::output;
use crate::plan::default_bundle;

pub(crate) fn run(arguments: &Doctor) -> anyhow::Result<ExitCode> {
    let library = onnx::find_library();
    let bundle = default_bundle();
    let student = bundle.as_ref().map(|(path, _)| Manifest::read(path));
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    if arguments.json {
        output::json(&json!({
            "onnxruntime": library.as_ref().ok(),
            "telemetry": "off",
            "cpu": {"architecture": std::env::consts::ARCH, "features": cpu_features(), "cores": cores},
            "default_bundle": bundle.as_ref().map(|(path, found_by)| json!({"path": path, "found_by": found_by})),
            "default_bundle_opens": matches!(student, Some(Ok(_))),
        }))?;
    } else {
        output::table(&[
            ("onnxruntime", library.as_ref().map_or("missing".to_owned(), describe)),
            ("telemetry", "off: ORT_DISABLE_TELEMETRY=1 and disabled in the environment".to_owned()),
            ("cpu", format!("{}: {}", std::env::consts::ARCH, cpu_features().join(" "))),
            ("cores", cores.to_string()),
            ("default bundle", describe_bundle(bundle.as_ref(), student.as_ref())),
        ])?;
    }
    library?;
    if let Some(student) = student {
        student?;
    }
    Ok(ExitCode::SUCCESS)
}

fn describe(library: &LibraryInfo) -> String {
    let LibraryInfo { path, found_by, version, required } = library;
    format!("{version} at {} (by {found_by}; {required} or newer is needed)", path.display())
}

fn describe_bundle(
    bundle: Option<&(std::path::PathBuf, &'static str)>,
    student: Option<&Result<Manifest, pupil_models::bundle::BundleError>>,
) -> String {
    let Some((path, found_by)) = bundle else {
        return "none; name one on the command line or in PUPIL_BUNDLE".to_owned();
    };
    let state = match student {
        Some(Ok(manifest)) => format!("{} parameters", manifest.parameters),
        _ => "cannot be opened".to_owned(),
    };
    format!("{} (by {found_by}; {state})", path.display())
}

/// Features of this machine's processor that ONNX Runtime's kernels choose by.
#[cfg(target_arch = "x86_64")]
fn cpu_features() -> Vec<&'static str> {
    let features = [
        ("avx2", std::is_x86_feature_detected!("avx2")),
        ("fma", std::is_x86_feature_detected!("fma")),
        ("f16c", std::is_x86_feature_detected!("f16c")),
        ("avx_vnni", std::is_x86_feature_detected!("avxvnni")),
        ("avx512f", std::is_x86_feature_detected!("avx512f")),
        ("avx512_vnni", std::is_x86_feature_detected!("avx512vnni")),
        ("avx512_bf16", std::is_x86_feature_detected!("avx512bf16")),
    ];
    features.into_iter().filter_map(|(name, present)| present.then_some(name)).collect()
}

/// Features of this machine's processor that ONNX Runtime's kernels choose by.
#[cfg(target_arch = "aarch64")]
fn cpu_features() -> Vec<&'static str> {
    let features = [
        ("neon", std::arch::is_aarch64_feature_detected!("neon")),
        ("dotprod", std::arch::is_aarch64_feature_detected!("dotprod")),
        ("i8mm", std::arch::is_aarch64_feature_detected!("i8mm")),
        ("bf16", std::arch::is_aarch64_feature_detected!("bf16")),
    ];
    features.into_iter().filter_map(|(name, present)| present.then_some(name)).collect()
}

/// Features of this machine's processor: none are known by name here.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn cpu_features() -> Vec<&'static str> {
    Vec::new()
}
