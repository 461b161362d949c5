//! Bundles with tables of the tokenizer: used, and refused where they are not those of the tokenizer.

use std::fs;
use std::path::Path;

use super::*;

/// A copy of the smallest bundle, with tables.
fn with_tables(target: &Path) {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/tiny");
    let mut manifest = Manifest::read(&fixture).unwrap();
    let writer = BundleWriter::create(target).unwrap();
    for name in RECORDED_FILES.into_iter().filter(|&name| name != TOKENIZER) {
        writer.add_copy(name, &fixture.join(name)).unwrap();
    }
    let without_tables = writer.add_tokenizer(&fixture.join(TOKENIZER), &["any question".to_owned()]).unwrap();
    assert!(without_tables.is_none(), "{without_tables:?}");
    manifest.files = writer.records().unwrap();
    writer.write_manifest(&manifest).unwrap();
    writer.seal().unwrap();
}

/// Records the files as they are now.
fn record_again(bundle: &Path) {
    let mut manifest = Manifest::read(bundle).unwrap();
    for (name, record) in &mut manifest.files {
        let bytes = fs::read(bundle.join(name)).unwrap();
        *record = FileRecord { bytes: bytes.len() as u64, sha256: Digest::of(&bytes) };
    }
    fs::write(bundle.join(MANIFEST), serde_json::to_string(&manifest).unwrap()).unwrap();
}

fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

#[test]
fn tables_are_used_and_verified() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bundle");
    with_tables(&path);
    let bundle = Bundle::open(&path).unwrap();
    assert!(bundle.tokenizer().is_mapped());
    bundle.verify().unwrap();
    let parsed = Tokenizer::read(&bundle.path(TOKENIZER)).unwrap();
    let text = "A question, 2026?";
    assert_eq!(bundle.tokenizer().encode(text).unwrap(), parsed.encode(text).unwrap());
}

#[test]
fn a_changed_tokenizer_is_found_by_verify() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bundle");
    with_tables(&path);
    change(&path.join(TOKENIZER), |bytes| *bytes.last_mut().unwrap() = b' ');
    let bundle = Bundle::open(&path).unwrap();
    assert!(matches!(bundle.verify(), Err(BundleError::Digest { path, .. }) if path.ends_with(TOKENIZER)));
    change(&path.join(TOKENIZER), |bytes| bytes.push(b' '));
    assert!(matches!(Bundle::open(&path), Err(BundleError::Size { .. })));
}

#[test]
fn tables_of_another_tokenizer_are_refused_when_opened() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bundle");
    with_tables(&path);
    change(&path.join(TOKENIZER), |bytes| bytes.push(b'\n'));
    record_again(&path);
    let error = Bundle::open(&path).unwrap_err();
    assert_eq!(error.code(), "E_TOKENIZER_TABLES");
    assert!(error.to_string().contains("expected tables of the tokenizer sha256:"), "{error}");
}

#[test]
fn damaged_tables_are_refused_when_opened_or_verified() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bundle");
    with_tables(&path);
    let tables = path.join(TOKENIZER_TABLES);
    change(&tables, |bytes| bytes[8] = 2);
    let error = Bundle::open(&path).unwrap_err();
    assert!(error.to_string().contains("expected version 1, found 2"), "{error}");
    change(&tables, |bytes| {
        bytes[8] = 1;
        // The id of the byte 0.
        bytes[96] ^= 1;
    });
    let bundle = Bundle::open(&path).unwrap();
    assert!(matches!(bundle.verify(), Err(BundleError::Digest { path, .. }) if path.ends_with(TOKENIZER_TABLES)));
    record_again(&path);
    let error = Bundle::open(&path).unwrap().verify().unwrap_err();
    assert!(
        error.to_string().ends_with("expected the tables of `tokenizer.json` beside it, found other tables"),
        "{error}"
    );
    fs::remove_file(&tables).unwrap();
    assert_eq!(Bundle::open(&path).unwrap_err().code(), "E_IO");
}

#[test]
fn a_manifest_tells_of_a_calibration_and_of_none_as_it_did_before_there_was_one() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/tiny");
    let text = fs::read_to_string(fixture.join(MANIFEST)).unwrap();
    let mut manifest = Manifest::read(&fixture).unwrap();
    assert_eq!(manifest.calibration, None);
    assert_eq!(serde_json::to_string_pretty(&manifest).unwrap(), text.trim_end());
    let file = Some(Digest::of(b"samples"));
    manifest.calibration = Some(Calibrated { method: CalibrationMethod::Compensation, samples: 128, file });
    let text = serde_json::to_string(&manifest).unwrap();
    assert!(text.contains(r#""calibration":{"method":"compensation","samples":128,"file":"sha256:"#), "{text}");
    assert_eq!(serde_json::from_str::<Manifest>(&text).unwrap(), manifest);
}
