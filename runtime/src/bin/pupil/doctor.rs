//! `pupil doctor`: what was found on this machine, and what is missing.

use std::path::PathBuf;
use std::process::ExitCode;

use pupil_models::bundle::{BundleError, Manifest};
use pupil_models::digest::Digest;
use pupil_runtime::InstructionSet;
use pupil_runtime::backend::onnx::{self, LibraryInfo, OnnxBackend};
use pupil_runtime::machine::{cores, cpu_features, cpu_model};
use pupil_runtime::tuning::{Entry, Key, Store, Stored};
use serde_json::{Value, json};

use crate::args::Doctor;
use crate::output;
use crate::plan::default_bundle;
use crate::tune;

/// The default bundle's manifest and digest, or why it cannot be opened.
type Student = Result<(Manifest, Digest), BundleError>;

pub(crate) fn run(arguments: &Doctor) -> anyhow::Result<ExitCode> {
    let library = onnx::find_library();
    let bundle = default_bundle();
    let student = bundle.as_ref().map(|(path, _)| Manifest::read_with_digest(path));
    let key = match (&student, &library) {
        (Some(Ok((_, digest))), Ok(library)) => Some(Key::new(*digest, &library.version)),
        _ => None,
    };
    let store = Store::of_user();
    let entries = store.as_ref().map(Store::list).unwrap_or_default();
    let sets: Vec<_> =
        InstructionSet::ALL.into_iter().filter(|set| set.is_available()).map(InstructionSet::name).collect();
    if arguments.json {
        output::json(&json!({
            "onnxruntime": library.as_ref().ok(),
            "telemetry": "off",
            "cuda": {"built": OnnxBackend::has_cuda()},
            "cpu": {"architecture": std::env::consts::ARCH, "model": cpu_model(), "features": cpu_features(), "cores": cores()},
            "kernels": {"used": InstructionSet::best(), "available": sets},
            "default_bundle": bundle.as_ref().map(|(path, found_by)| json!({"path": path, "found_by": found_by})),
            "default_bundle_opens": matches!(student, Some(Ok(_))),
            "tuning": {
                "folder": store.as_ref().map(Store::folder),
                "entries": entries.iter().map(|entry| entry_json(entry, store.as_ref(), key.as_ref())).collect::<Vec<_>>(),
            },
        }))?;
    } else {
        let mut rows = vec![
            ("onnxruntime", library.as_ref().map_or("missing".to_owned(), describe)),
            ("providers", library.as_ref().map_or("missing".to_owned(), |library| library.providers.join(", "))),
            ("cuda", describe_cuda(library.as_ref().ok())),
            ("telemetry", "off: ORT_DISABLE_TELEMETRY=1 and disabled in the environment".to_owned()),
            ("cpu", format!("{}, {}: {}", cpu_model(), std::env::consts::ARCH, cpu_features().join(" "))),
            ("cores", cores().to_string()),
            ("kernels", format!("{} (of {})", InstructionSet::best(), sets.join(", "))),
            ("default bundle", describe_bundle(bundle.as_ref(), student.as_ref())),
        ];
        rows.extend(tuning_rows(store.as_ref(), &entries, key.as_ref()));
        output::table(&rows)?;
    }
    library?;
    if let Some(student) = student {
        student?;
    }
    Ok(ExitCode::SUCCESS)
}

fn describe(library: &LibraryInfo) -> String {
    let LibraryInfo { path, found_by, version, required, .. } = library;
    format!("{version} at {} (by {found_by}; {required} or newer is needed)", path.display())
}

/// Whether `--device cuda` can work, as far as this program and the library go.
fn describe_cuda(library: Option<&LibraryInfo>) -> String {
    let has_provider = library.is_some_and(|library| library.providers.iter().any(|name| name == onnx::CUDA_PROVIDER));
    let said = match (OnnxBackend::has_cuda(), has_provider) {
        (false, _) => "no: this program was built without the feature `cuda`",
        (true, false) => "no: this program has the feature `cuda`, and the library lacks the provider",
        (true, true) => "built in, and the library has the provider; `pupil verify BUNDLE --device cuda` tries it",
    };
    said.to_owned()
}

fn describe_bundle(bundle: Option<&(PathBuf, &'static str)>, student: Option<&Student>) -> String {
    let Some((path, found_by)) = bundle else {
        return "none; name one on the command line or in PUPIL_BUNDLE".to_owned();
    };
    let state = match student {
        Some(Ok((manifest, _))) => format!("{} parameters", manifest.parameters),
        _ => "cannot be opened".to_owned(),
    };
    format!("{} (by {found_by}; {state})", path.display())
}

/// A line for the folder, and one for every entry in it.
fn tuning_rows(store: Option<&Store>, entries: &[Stored], key: Option<&Key>) -> Vec<(&'static str, String)> {
    let Some(store) = store else {
        return vec![("tuning", "none: the environment names no cache folder".to_owned())];
    };
    if entries.is_empty() {
        return vec![("tuning", format!("none in {}; `pupil tune BUNDLE` makes one", store.folder().display()))];
    }
    let rows = entries.iter().map(|stored| {
        let name = stored.path.file_name().unwrap_or_default().to_string_lossy();
        ("tuning", format!("{}: {}", name.escape_debug(), describe_entry(stored, store, key)))
    });
    std::iter::once(("tuning", store.folder().display().to_string())).chain(rows).collect()
}

/// What an entry is good for.
fn describe_entry(stored: &Stored, store: &Store, key: Option<&Key>) -> String {
    match &stored.entry {
        Err(ignored) => format!("ignored: {ignored}"),
        Ok(entry) => {
            let choice = tune::describe(&entry.choice);
            let said = match key.map(|key| entry.check_key(key)) {
                Some(Ok(())) => format!("used for the default bundle: {choice}"),
                Some(Err(ignored)) => format!("not for the default bundle here: {ignored}"),
                None => format!("for bundle {}: {choice}", entry.key.bundle),
            };
            said + &describe_graph(entry, store)
        }
    }
}

/// The graph that was saved with an entry: its size, or why it is passed over.
fn describe_graph(entry: &Entry, store: &Store) -> String {
    match (&entry.saved_graph, store.saved_graph(entry)) {
        (None, _) => String::new(),
        (Some(saved), Ok(_)) => format!("; {}", tune::describe_size(saved)),
        (Some(_), Err(ignored)) => format!("; its saved graph is ignored: {ignored}"),
    }
}

fn entry_json(stored: &Stored, store: Option<&Store>, key: Option<&Key>) -> Value {
    let path = &stored.path;
    match &stored.entry {
        Err(ignored) => json!({"path": path, "ignored": ignored.to_string()}),
        Ok(entry) => json!({
            "path": path,
            "key": entry.key,
            "choice": entry.choice,
            "saved_graph": entry.saved_graph,
            "saved_graph_ignored": store.and_then(|store| store.saved_graph(entry).err()).map(|ignored| ignored.to_string()),
            "used_for_default_bundle": key.is_some_and(|key| entry.check_key(key).is_ok()),
        }),
    }
}
