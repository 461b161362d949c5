//! What a tokenizer costs at the start and per text: `tokenizer.json` parsed by the library against its mapped tables.
//!
//! `PUPIL_TOKENIZERS` names `tokenizer.json` files, separated by colons; without it, made-up vocabularies of the sizes of
//! SmolLM2 and Qwen2.5 are measured. They are as large, but their merges are random.

#![expect(clippy::unwrap_used, reason = "a benchmark without its inputs has nothing to measure")]

use std::hint::black_box;
use std::path::{Path, PathBuf};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use pupil_models::bundle::Bundle;
use pupil_models::digest::Digest;
use pupil_models::tokenizer::{Tokenizer, derive};
use serde_json::{Value, json};

/// Questions that are encoded in one iteration.
const QUESTIONS: usize = 256;

/// A tokenizer in both forms, as files.
struct Subject {
    name: String,
    json: PathBuf,
    tables: PathBuf,
    digest: Digest,
}

impl Subject {
    fn new(name: &str, json: &[u8], folder: &Path) -> Self {
        let paths = ["json", "bin"].map(|extension| folder.join(format!("{name}.{extension}")));
        std::fs::write(&paths[0], json).unwrap();
        std::fs::write(&paths[1], derive(json, &[]).unwrap()).unwrap();
        let [json_path, tables] = paths;
        Self { name: name.to_owned(), json: json_path, tables, digest: Digest::of(json) }
    }
}

fn subjects(folder: &Path) -> Vec<Subject> {
    let paths = std::env::var("PUPIL_TOKENIZERS").unwrap_or_default();
    if paths.is_empty() {
        return [49_152, 151_665]
            .map(|tokens| Subject::new(&format!("made-up-{tokens}"), made_up(tokens).to_string().as_bytes(), folder))
            .into();
    }
    std::env::split_paths(&paths)
        .map(|path| Subject::new(&path.file_stem().unwrap().to_string_lossy(), &std::fs::read(&path).unwrap(), folder))
        .collect()
}

/// A byte-level vocabulary of random merges that prefer short tokens of lower-case letters.
fn made_up(tokens: usize) -> Value {
    let printable = |byte: &u8| matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    let (shown, hidden): (Vec<u8>, Vec<u8>) = (0..=u8::MAX).partition(printable);
    let stand_ins = shown.into_iter().map(char::from).chain((0x100..).filter_map(char::from_u32).take(hidden.len()));
    let mut names: Vec<String> = stand_ins.map(String::from).collect();
    let mut vocab: serde_json::Map<String, Value> =
        names.iter().zip(0..).map(|(name, id)| (name.clone(), Value::from(id))).collect();
    let letters: Vec<String> = ('a'..='z').chain(['Ġ']).map(String::from).collect();
    let (mut merges, mut state) = (Vec::new(), 1u64);
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    while names.len() < tokens {
        let left = if random(2) == 0 { &letters[random(27)] } else { &names[random(names.len())] };
        let right = &letters[random(26)];
        let merged = format!("{left}{right}");
        if merged.chars().count() > 14 || vocab.contains_key(&merged) {
            continue;
        }
        merges.push(json!([left, right]));
        vocab.insert(merged.clone(), names.len().into());
        names.push(merged);
    }
    let level = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
    json!({
        "version": "1.0", "added_tokens": [], "normalizer": null, "post_processor": null, "pre_tokenizer": level,
        "decoder": level, "model": {"type": "BPE", "vocab": vocab, "merges": merges},
    })
}

/// Questions of a published data set, or made-up ones where it is absent.
fn questions() -> Vec<String> {
    let data = std::env::var_os("PUPIL_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"), PathBuf::from);
    let made_up =
        |number| format!("Q: Ana has {number} coins and flips {} of them. How many are left, then?\nA:", number / 2);
    let Ok(text) = std::fs::read_to_string(data.join("datasets/gsm8k.jsonl")) else {
        return (0..QUESTIONS).map(made_up).collect();
    };
    let question = |line: &str| serde_json::from_str::<Value>(line).unwrap()["question"].as_str().unwrap().to_owned();
    text.lines().take(QUESTIONS).map(question).collect()
}

fn load(bench: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let mut group = bench.benchmark_group("tokenizer-load");
    group.sample_size(10);
    for subject in subjects(folder.path()) {
        group.bench_function(BenchmarkId::new("parse", &subject.name), |bench| {
            bench.iter(|| Tokenizer::read(black_box(&subject.json)).unwrap());
        });
        group.bench_function(BenchmarkId::new("map", &subject.name), |bench| {
            bench.iter(|| Tokenizer::map(black_box(&subject.tables), subject.digest).unwrap());
        });
        // The map is fresh each time: the pages that one question needs are part of the price.
        group.bench_function(BenchmarkId::new("map-and-encode-one", &subject.name), |bench| {
            let question = &questions()[0];
            bench
                .iter(|| Tokenizer::map(&subject.tables, subject.digest).unwrap().encode(black_box(question)).unwrap());
        });
    }
    group.finish();
}

fn encode(bench: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let questions = questions();
    let bytes = questions.iter().map(String::len).sum::<usize>();
    let mut group = bench.benchmark_group("tokenizer-encode");
    group.throughput(Throughput::Bytes(bytes as u64)).sample_size(10);
    for subject in subjects(folder.path()) {
        let forms = [
            ("parsed", Tokenizer::read(&subject.json).unwrap()),
            ("mapped", Tokenizer::map(&subject.tables, subject.digest).unwrap()),
        ];
        for (form, tokenizer) in forms {
            group.bench_function(BenchmarkId::new(form, &subject.name), |bench| {
                bench.iter(|| {
                    questions.iter().map(|text| tokenizer.encode(black_box(text)).unwrap().len()).sum::<usize>()
                });
            });
        }
    }
    group.finish();
}

/// Opening a bundle, its manifest, digests, header of the weights and tokenizer: everything but ONNX Runtime.
fn open(bench: &mut Criterion) {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("students/symbolic");
    bench.bench_function("bundle-open/shipped", |bench| {
        bench.iter(|| Bundle::open(black_box(&shipped)).unwrap());
    });
}

criterion_group!(benches, load, encode, open);
criterion_main!(benches);
