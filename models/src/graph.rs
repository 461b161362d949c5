//! Names, element types and symbolic shapes of a student graph's inputs and outputs: the exporter writes them, the runtime
//! checks them.

use crate::config::StudentConfig;
use crate::format::WeightFormat;

/// Token ids, int64 `[batch, sequence]`.
pub const INPUT_IDS: &str = "input_ids";
/// Last valid cache position of each row once the inputs are appended, int32 `[batch]`.
pub const LAST_POSITION: &str = "last_position";
/// Cached and new positions together, int32 `[]`.
pub const TOTAL_LENGTH: &str = "total_length";
/// How many of the last input positions get logits, int64 `[1]`.
pub const LOGITS_TO_KEEP: &str = "logits_to_keep";
/// Which positions are there, int64 `[batch, total]`: 1 for cached and new ones of the row, 0 behind its end. Portable graphs
/// have it in place of [`LAST_POSITION`] and [`TOTAL_LENGTH`], because it is what other runtimes provide.
pub const ATTENTION_MASK: &str = "attention_mask";
/// [`LOGITS_TO_KEEP`] in a portable graph, where 0 means all. onnxruntime-genai knows this name, and gives 0.
pub const NUM_LOGITS_TO_KEEP: &str = "num_logits_to_keep";
/// Logits, float32 `[batch, kept, vocab_size]`.
pub const LOGITS: &str = "logits";

/// Domain of the operators of native bundles, which the runtime registers with ONNX Runtime.
pub const NATIVE_DOMAIN: &str = "pupil";

/// Element type of a graph value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElementType {
    /// 32-bit float.
    Float32,
    /// 16-bit float.
    Float16,
    /// 32-bit signed integer.
    Int32,
    /// 64-bit signed integer.
    Int64,
}

impl ElementType {
    /// Bytes of an element.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::Float16 => 2,
            Self::Float32 | Self::Int32 => 4,
            Self::Int64 => 8,
        }
    }
}

/// One dimension of a graph value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dimension {
    /// Known from the student's config.
    Fixed(usize),
    /// Known at run time; the name is written into the graph.
    Symbolic(&'static str),
}

/// An input or output of the graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphValue {
    /// Name in the graph.
    pub name: String,
    /// Element type.
    pub element: ElementType,
    /// Dimensions, outermost first; empty for a scalar.
    pub shape: Vec<Dimension>,
}

/// Name of the graph input that holds a layer's cached keys.
#[must_use]
pub fn past_key(layer: usize) -> String {
    format!("past_key_values.{layer}.key")
}

/// Name of the graph input that holds a layer's cached values.
#[must_use]
pub fn past_value(layer: usize) -> String {
    format!("past_key_values.{layer}.value")
}

/// Name of the graph output for a layer's keys; bound to the same memory as [`past_key`].
#[must_use]
pub fn present_key(layer: usize) -> String {
    format!("present.{layer}.key")
}

/// Name of the graph output for a layer's values; bound to the same memory as [`past_value`].
#[must_use]
pub fn present_value(layer: usize) -> String {
    format!("present.{layer}.value")
}

/// Inputs of a student's graph, in order: ids and lengths first, then keys and values layer by layer,
/// `[batch, kv_heads, capacity, head_dim]` each, of the format's [cache element](WeightFormat::cache_element).
#[must_use]
pub fn inputs(config: &StudentConfig, format: WeightFormat) -> Vec<GraphValue> {
    use Dimension::{Fixed, Symbolic};
    let value = |name: &str, element, shape| GraphValue { name: name.to_owned(), element, shape };
    let mut values = vec![value(INPUT_IDS, ElementType::Int64, vec![Symbolic("batch"), Symbolic("sequence")])];
    if format.is_portable() {
        values.push(value(ATTENTION_MASK, ElementType::Int64, vec![Symbolic("batch"), Symbolic("total")]));
        values.push(value(NUM_LOGITS_TO_KEEP, ElementType::Int64, vec![Fixed(1)]));
    } else {
        values.push(value(LAST_POSITION, ElementType::Int32, vec![Symbolic("batch")]));
        values.push(value(TOTAL_LENGTH, ElementType::Int32, vec![]));
        values.push(value(LOGITS_TO_KEEP, ElementType::Int64, vec![Fixed(1)]));
    }
    for layer in 0..config.layers {
        values.push(cache_value(config, format, past_key(layer)));
        values.push(cache_value(config, format, past_value(layer)));
    }
    values
}

/// Outputs of a student's graph, in order: the logits, then keys and values layer by layer as in [`inputs`].
#[must_use]
pub fn outputs(config: &StudentConfig, format: WeightFormat) -> Vec<GraphValue> {
    use Dimension::{Fixed, Symbolic};
    let mut values = vec![GraphValue {
        name: LOGITS.to_owned(),
        element: ElementType::Float32,
        shape: vec![Symbolic("batch"), Symbolic("kept"), Fixed(config.vocab_size)],
    }];
    for layer in 0..config.layers {
        values.push(cache_value(config, format, present_key(layer)));
        values.push(cache_value(config, format, present_value(layer)));
    }
    values
}

fn cache_value(config: &StudentConfig, format: WeightFormat, name: String) -> GraphValue {
    use Dimension::{Fixed, Symbolic};
    let shape = vec![Symbolic("batch"), Fixed(config.kv_heads), Symbolic("capacity"), Fixed(config.head_dim)];
    GraphValue { name, element: format.cache_element(), shape }
}
