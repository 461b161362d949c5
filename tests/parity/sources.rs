//! Checkpoints as others write them: in bfloat16 or float16, and in several files.

use std::fs;
use std::io::Write;
use std::path::Path;

use half::{bf16, f16};
use pupil_distill::checkpoint::Checkpoint;
use pupil_distill::export::export_unproved;
use pupil_distill::safetensors_writer::{SafetensorsWriter, TensorEntry};
use pupil_models::bundle::{Bundle, WEIGHTS};
use pupil_models::family::{WeightShape, weights};
use safetensors::Dtype;

use crate::contract::contract;
use crate::students::{tiny, write_checkpoint};

/// Writes some weights of the tiny student in a narrower type; tells what they are then.
fn write(path: &Path, table: &[WeightShape], from: &Checkpoint, dtype: Dtype) -> Vec<f32> {
    let entry = |weight: &WeightShape| TensorEntry { name: weight.name.clone(), dtype, shape: weight.shape.clone() };
    let mut file = SafetensorsWriter::create(path, &table.iter().map(entry).collect::<Vec<_>>()).unwrap();
    let values = from.weights().flat_values(table).unwrap();
    let mut narrowed = Vec::new();
    for value in values {
        if dtype == Dtype::BF16 {
            file.write_all(&bf16::from_f32(value).to_le_bytes()).unwrap();
            narrowed.push(bf16::from_f32(value).to_f32());
        } else {
            file.write_all(&f16::from_f32(value).to_le_bytes()).unwrap();
            narrowed.push(f16::from_f32(value).to_f32());
        }
    }
    file.finish().unwrap();
    narrowed
}

#[test]
fn narrow_weights_in_several_files_are_widened_and_joined() {
    let root = tempfile::tempdir().unwrap();
    let (whole, parts) = (root.path().join("whole"), root.path().join("parts"));
    write_checkpoint(&whole, &tiny(), 11);
    write_checkpoint(&parts, &tiny(), 11);
    fs::remove_file(parts.join(WEIGHTS)).unwrap();
    let (table, from) = (weights(&tiny()), Checkpoint::open(&whole).unwrap());
    let (first, second) = table.split_at(7);
    let names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
    let mut expected = write(&parts.join(names[0]), first, &from, Dtype::BF16);
    expected.extend(write(&parts.join(names[1]), second, &from, Dtype::F16));
    let place = |(index, weight): (usize, &WeightShape)| (weight.name.clone(), names[usize::from(index >= 7)].into());
    let map: serde_json::Map<String, serde_json::Value> = table.iter().enumerate().map(place).collect();
    let index = parts.join("model.safetensors.index.json");
    fs::write(&index, serde_json::json!({"metadata": {}, "weight_map": map}).to_string()).unwrap();

    let bundle = root.path().join("bundle");
    let manifest = export_unproved(&parts, &contract(), "parts", &bundle).unwrap();
    let checkpoint = Checkpoint::open(&parts).unwrap();
    assert_eq!(manifest.provenance.checkpoint, checkpoint.weights().digest().unwrap());
    assert_eq!(checkpoint.weights().flat_values(&table).unwrap(), expected);
    let bundle = Bundle::open(&bundle).unwrap();
    bundle.verify().unwrap();
    // A float32 bundle is a checkpoint again.
    assert_eq!(Checkpoint::open(bundle.folder()).unwrap().weights().flat_values(&table).unwrap(), expected);

    fs::remove_file(parts.join(names[1])).unwrap();
    let error = Checkpoint::open(&parts).unwrap_err().to_string();
    assert!(error.contains(names[1]), "{error}");
    fs::write(&index, r#"{"weight_map": {"a": "../elsewhere"}}"#).unwrap();
    let error = Checkpoint::open(&parts).unwrap_err().to_string();
    assert!(error.contains("expected plain file names"), "{error}");
}

#[test]
fn a_missing_weight_and_one_that_is_there_twice_are_named() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("checkpoint");
    write_checkpoint(&folder, &tiny(), 12);
    let (table, from) = (weights(&tiny()), Checkpoint::open(&folder).unwrap());
    write(&folder.join("short.safetensors"), &table[1..], &from, Dtype::F16);
    fs::rename(folder.join("short.safetensors"), folder.join(WEIGHTS)).unwrap();
    let error = Checkpoint::open(&folder).unwrap_err().to_string();
    assert!(
        error.ends_with("tensor `model.embed_tokens.weight`: expected F32 or F16 or BF16 [257, 32], found none"),
        "{error}"
    );
    write(&folder.join("a.safetensors"), &table, &from, Dtype::F16);
    write(&folder.join("b.safetensors"), &table[..1], &from, Dtype::F16);
    fs::remove_file(folder.join(WEIGHTS)).unwrap();
    let index = r#"{"weight_map": {"x": "a.safetensors", "y": "b.safetensors"}}"#;
    fs::write(folder.join("model.safetensors.index.json"), index).unwrap();
    let error = Checkpoint::open(&folder).unwrap_err().to_string();
    assert!(error.contains("expected it in one file alone, found F16 [257, 32]"), "{error}");
}
