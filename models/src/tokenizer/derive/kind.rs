//! Which kinds of `tokenizer.json` have tables.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::split::{LLAMA3, QWEN2, Splitter};

/// A `tokenizer.json`, as far as it decides what ids a text gets. A key that is not here might decide too.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenizerFile {
    #[serde(rename = "version")]
    _version: Value,
    truncation: Option<Value>,
    padding: Option<Value>,
    #[serde(rename = "added_tokens")]
    _added_tokens: Value,
    normalizer: Option<Value>,
    pre_tokenizer: Option<Value>,
    post_processor: Option<Value>,
    decoder: Option<Value>,
    model: ModelFile,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelFile {
    #[serde(rename = "type")]
    kind: String,
    dropout: Option<f32>,
    #[serde(rename = "unk_token")]
    _unk_token: Option<String>,
    continuing_subword_prefix: Option<String>,
    end_of_word_suffix: Option<String>,
    // Neither matters to a vocabulary that has every byte.
    #[serde(default, rename = "fuse_unk")]
    _fuse_unk: bool,
    #[serde(default, rename = "byte_fallback")]
    _byte_fallback: bool,
    #[serde(default)]
    ignore_merges: bool,
    vocab: HashMap<String, u32>,
    merges: Merges,
}

/// Both spellings of merges.
#[derive(Deserialize)]
#[serde(untagged)]
enum Merges {
    Pairs(Vec<(String, String)>),
    Lines(Vec<String>),
}

/// What the tables are made of.
pub(super) struct Recipe {
    pub(super) splitter: Splitter,
    pub(super) composes: bool,
    /// A piece that is a token becomes that token, whatever the merges say.
    pub(super) ignore_merges: bool,
    /// The model's own tokens, by name.
    pub(super) vocab: HashMap<String, u32>,
    /// Names of the two sides, the earliest merge first.
    pub(super) merges: Vec<(String, String)>,
}

/// Reads a `tokenizer.json` of a kind that has tables; the error names what has none.
pub(super) fn recognise(json: &[u8]) -> Result<Recipe, String> {
    let file: TokenizerFile = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    let model = file.model;
    let is_empty = |affix: &Option<String>| affix.as_deref().unwrap_or_default().is_empty();
    let requirements = [
        ("truncation", file.truncation.is_none()),
        ("padding", file.padding.is_none()),
        ("a model other than `BPE`", model.kind == "BPE"),
        ("dropout", model.dropout.is_none()),
        ("a prefix of subwords", is_empty(&model.continuing_subword_prefix)),
        ("a suffix of words", is_empty(&model.end_of_word_suffix)),
        ("a decoder other than `ByteLevel`", is_byte_level(file.decoder.as_ref())),
        ("a post-processor that changes ids", keeps_ids(file.post_processor.as_ref())),
    ];
    if let Some((what, _)) = requirements.into_iter().find(|&(_, holds)| !holds) {
        return Err(what.to_owned());
    }
    let composes = match file.normalizer {
        None => false,
        Some(normaliser) if normaliser == json!({"type": "NFC"}) => true,
        Some(normaliser) => return Err(format!("the normaliser {normaliser}")),
    };
    let splitter = splitter(file.pre_tokenizer.as_ref())?;
    let merges = match model.merges {
        Merges::Pairs(pairs) => pairs,
        Merges::Lines(lines) => {
            lines.iter().filter(|line| !line.starts_with("#version")).map(pair).collect::<Result<_, _>>()?
        }
    };
    Ok(Recipe { splitter, composes, ignore_merges: model.ignore_merges, vocab: model.vocab, merges })
}

fn pair(line: &String) -> Result<(String, String), String> {
    let (left, right) = line.split_once(' ').ok_or_else(|| format!("the merge `{line}`"))?;
    Ok((left.to_owned(), right.to_owned()))
}

fn type_of(step: &Value) -> &str {
    step.get("type").and_then(Value::as_str).unwrap_or_default()
}

fn is_byte_level(step: Option<&Value>) -> bool {
    step.is_some_and(|step| type_of(step) == "ByteLevel")
}

/// Whether a post-processor leaves ids alone when no special tokens are asked for.
fn keeps_ids(processor: Option<&Value>) -> bool {
    let Some(processor) = processor else { return true };
    let list = |key| processor.get(key).and_then(Value::as_array);
    match type_of(processor) {
        "ByteLevel" => true,
        "Sequence" => list("processors").is_some_and(|steps| steps.iter().all(|step| keeps_ids(Some(step)))),
        "TemplateProcessing" => {
            let sequences = |piece: &&Value| piece.get("Sequence").is_some();
            list("single").is_some_and(|pieces| pieces.iter().filter(sequences).count() == 1)
                && list("single").into_iter().flatten().filter(sequences).all(|piece| piece["Sequence"]["id"] == "A")
        }
        _ => false,
    }
}

fn splitter(pre_tokenizer: Option<&Value>) -> Result<Splitter, String> {
    let pre_tokenizer = pre_tokenizer.ok_or("no pre-tokenizer")?;
    let steps = match pre_tokenizer.get("pretokenizers").and_then(Value::as_array) {
        Some(steps) if type_of(pre_tokenizer) == "Sequence" => steps.clone(),
        _ => vec![pre_tokenizer.clone()],
    };
    let byte_level = |step: &Value, splits: bool| {
        // Absent, it splits: `use_regex` came later than the format.
        let use_regex = step.get("use_regex").and_then(Value::as_bool).unwrap_or(true);
        is_byte_level(Some(step)) && step["add_prefix_space"] == false && use_regex == splits
    };
    match steps.as_slice() {
        [last] if byte_level(last, false) => Ok(Splitter::Whole),
        [last] if byte_level(last, true) => Ok(Splitter::Gpt2),
        [digits, last] if byte_level(last, true) && *digits == json!({"type": "Digits", "individual_digits": true}) => {
            Ok(Splitter::DigitsGpt2)
        }
        [split, last] if byte_level(last, false) && type_of(split) == "Split" => expression(split),
        _ => Err(format!("the pre-tokenizer {pre_tokenizer}")),
    }
}

/// The splitter that does what a `Split` by a regular expression does.
fn expression(split: &Value) -> Result<Splitter, String> {
    // The expressions match every character: what is kept are the matches, in either spelling.
    let keeps_matches = (split["behavior"] == "Isolated" && split["invert"] == false)
        || (split["behavior"] == "Removed" && split["invert"] == true);
    match split["pattern"]["Regex"].as_str() {
        Some(LLAMA3) if keeps_matches => Ok(Splitter::Llama3),
        Some(QWEN2) if keeps_matches => Ok(Splitter::Qwen2),
        _ => Err(format!("the pre-tokenizer {split}")),
    }
}
