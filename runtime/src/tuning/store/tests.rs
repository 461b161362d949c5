//! What is stored is found again; whatever else lies there is passed over, with a reason.

use std::num::NonZeroUsize;

use pupil_models::bundle::FileRecord;
use pupil_models::digest::Digest;

use super::super::{Choice, MOST_BATCH_ROWS, SCHEMA, SavedGraph};
use super::*;
use crate::kernels::CacheType;
use crate::machine;

fn entry() -> Entry {
    let choice = Choice {
        threads: NonZeroUsize::MIN,
        spinning: false,
        affinity: true,
        prepacking: true,
        cache: CacheType::Int8,
        batch_rows: NonZeroUsize::MIN,
    };
    Entry {
        schema: SCHEMA,
        key: Key::new(Digest::of(b"bundle"), "1.2.3"),
        choice,
        candidates: Vec::new(),
        saved_graph: None,
    }
}

/// A store with one entry, in a folder that is removed with the first value.
fn stored() -> (tempfile::TempDir, Store, Entry, PathBuf) {
    let cache = tempfile::tempdir().unwrap();
    let store = Store::in_cache(cache.path());
    let entry = entry();
    let path = store.write(&entry).unwrap();
    (cache, store, entry, path)
}

/// Why the store's only entry is passed over once its text has been changed.
fn ignored_after(change: impl Fn(&mut serde_json::Value)) -> Ignored {
    let (_cache, store, entry, path) = stored();
    let mut value: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut value);
    fs::write(&path, value.to_string()).unwrap();
    store.read(&entry.key).unwrap_err()
}

#[test]
fn what_is_stored_is_found_again_and_replaced() {
    let (_cache, store, mut entry, path) = stored();
    assert_eq!(store.read(&entry.key).unwrap().as_ref(), Some(&entry));
    entry.choice.spinning = true;
    assert_eq!(store.write(&entry).unwrap(), path);
    assert_eq!(store.read(&entry.key).unwrap(), Some(entry));
    assert_eq!(store.list().len(), 1);
}

#[test]
fn another_bundle_processor_or_version_has_no_entry() {
    let (_cache, store, entry, _) = stored();
    let changed = |change: fn(&mut Key)| {
        let mut key = entry.key.clone();
        change(&mut key);
        store.read(&key).unwrap()
    };
    assert_eq!(changed(|key| key.bundle = Digest::of(b"another")), None);
    assert_eq!(changed(|key| key.cpu.push('x')), None);
    assert_eq!(changed(|key| key.cpu_features.push("amx".to_owned())), None);
    assert_eq!(changed(|key| key.onnxruntime = "1.2.4".to_owned()), None);
    assert_eq!(changed(|key| key.runtime.push('x')), None);
}

#[test]
fn an_entry_under_the_name_of_another_key_is_passed_over() {
    let (_cache, store, entry, path) = stored();
    let other = Key::new(Digest::of(b"bundle"), "9.9.9");
    fs::copy(&path, store.path(&other, ENTRY)).unwrap();
    let ignored = store.read(&other).unwrap_err();
    assert!(matches!(ignored, Ignored::Key { field: "ONNX Runtime", .. }), "{ignored}");
    assert!(store.read(&entry.key).unwrap().is_some(), "the right one is still used");
}

#[test]
fn a_corrupt_file_is_passed_over() {
    let (_cache, store, entry, path) = stored();
    let whole = fs::read(&path).unwrap();
    for length in [0, 1, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..length]).unwrap();
        assert!(matches!(store.read(&entry.key), Err(Ignored::Corrupt(_))), "cut to {length} bytes");
    }
    fs::write(&path, b"\xff\xfe").unwrap();
    assert!(matches!(store.read(&entry.key), Err(Ignored::Corrupt(_))));
    fs::write(&path, vec![b' '; MOST_BYTES as usize + 1]).unwrap();
    assert!(matches!(store.read(&entry.key), Err(Ignored::Size { .. })));
    assert!(matches!(store.list().remove(0).entry, Err(Ignored::Size { .. })), "and listed with its reason");
}

#[test]
fn impossible_values_are_passed_over() {
    for value in [serde_json::json!(0), serde_json::json!(-1), serde_json::json!(1.5), serde_json::json!("2")] {
        let ignored = ignored_after(|entry| entry["choice"]["threads"] = value.clone());
        assert!(matches!(ignored, Ignored::Corrupt(_)), "{value}: {ignored}");
    }
    let more = machine::cores() + 1;
    let ignored = ignored_after(|entry| entry["choice"]["threads"] = more.into());
    assert!(matches!(ignored, Ignored::Range { field: "threads", found, .. } if found == more), "{ignored}");
    let ignored = ignored_after(|entry| entry["choice"]["batch_rows"] = (MOST_BATCH_ROWS + 1).into());
    assert!(matches!(ignored, Ignored::Range { field: "batch_rows", .. }), "{ignored}");
}

#[test]
fn another_schema_and_unknown_fields_are_passed_over() {
    for other in [SCHEMA - 1, SCHEMA + 1] {
        let ignored = ignored_after(|entry| entry["schema"] = other.into());
        assert!(matches!(ignored, Ignored::Schema { found } if found == u64::from(other)), "{ignored}");
    }
    assert!(matches!(ignored_after(|entry| entry["choice"]["cache"] = "int4".into()), Ignored::Corrupt(_)));
    assert!(matches!(ignored_after(|entry| entry["schema"] = "1".into()), Ignored::Corrupt(_)));
    assert!(matches!(ignored_after(|entry| entry["choice"]["turbo"] = true.into()), Ignored::Corrupt(_)));
}

#[cfg(unix)]
#[test]
fn what_others_could_have_written_is_passed_over() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let (cache, store, entry, path) = stored();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    assert!(matches!(store.read(&entry.key), Err(Ignored::Foreign { .. })));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(store.read(&entry.key).unwrap().is_some());
    let elsewhere = cache.path().join("elsewhere.json");
    fs::rename(&path, &elsewhere).unwrap();
    symlink(&elsewhere, &path).unwrap();
    assert!(matches!(store.read(&entry.key), Err(Ignored::NotAFile)), "a link");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(matches!(store.read(&entry.key), Err(Ignored::NotAFile)), "a folder");
    // Only root can give files away, so only root can try this.
    if std::os::unix::fs::chown(&elsewhere, Some(12345), None).is_ok() {
        fs::remove_dir(&path).unwrap();
        fs::rename(&elsewhere, &path).unwrap();
        assert!(matches!(store.read(&entry.key), Err(Ignored::Foreign { .. })), "a file of another user");
    }
}

#[test]
fn a_store_that_cannot_be_made_is_an_error_of_writing_and_empty_for_reading() {
    let cache = tempfile::tempdir().unwrap();
    // A file where the folder should be stops root as well, whom permissions do not.
    fs::write(cache.path().join(FOLDER), "").unwrap();
    let store = Store::in_cache(cache.path());
    assert!(store.write(&entry()).is_err());
    assert!(!store.exists());
    assert!(store.list().is_empty());
    assert_eq!(fs::read(cache.path().join(FOLDER)).unwrap(), b"");
}

#[test]
fn what_other_versions_stored_for_the_bundle_is_removed_with_its_graph() {
    let (_cache, store, entry, path) = stored();
    let changed = |change: fn(&mut Key)| {
        let mut other = entry.clone();
        change(&mut other.key);
        let path = store.path(&other.key, ENTRY);
        fs::write(&path, serde_json::to_vec(&other).unwrap()).unwrap();
        let graph = path.with_extension(GRAPH);
        fs::create_dir(&graph).unwrap();
        fs::write(graph.join("weights.bin"), "large").unwrap();
        [path, graph]
    };
    let outdated =
        [changed(|key| key.onnxruntime = "1.2.2".to_owned()), changed(|key| key.runtime = "0.0.1".to_owned())];
    let kept = [changed(|key| key.bundle = Digest::of(b"another")), changed(|key| key.cpu.push('x'))];
    assert_eq!(store.write(&entry).unwrap(), path);
    assert!(outdated.iter().flatten().all(|path| !path.exists()));
    assert!(kept.iter().flatten().all(|path| path.exists()), "of another bundle, of another machine in the same home");
}

#[test]
fn a_graph_that_no_entry_names_is_removed() {
    let (_cache, store, mut entry, path) = stored();
    let graph = path.with_extension(GRAPH);
    fs::create_dir(&graph).unwrap();
    let record = FileRecord { bytes: 1, sha256: Digest::of(b"x") };
    entry.saved_graph = Some(SavedGraph { graph: record, weights: record });
    store.write(&entry).unwrap();
    assert!(graph.exists(), "the entry names it");
    assert!(
        matches!(store.saved_graph(&entry), Err(Ignored::File { name: "weights.bin", .. })),
        "but nothing is in it"
    );
    entry.saved_graph = None;
    store.write(&entry).unwrap();
    assert!(!graph.exists());
    assert_eq!(store.saved_graph(&entry).unwrap(), None);
}
