//! Llama (Touvron et al. 2023): pre-norm decoder with RMS normalisation, rotary attention and a gated `SiLU` feed-forward.

use super::{Ops, WeightShape};
use crate::config::StudentConfig;

const EMBEDDING: &str = "model.embed_tokens.weight";
const FINAL_NORM: &str = "model.norm.weight";
const HEAD: &str = "lm_head.weight";

/// Names of one layer's weights, as in Hugging Face checkpoints.
struct LayerNames {
    input_norm: String,
    query: String,
    key: String,
    value: String,
    attention_output: String,
    post_attention_norm: String,
    gate: String,
    up: String,
    down: String,
}

impl LayerNames {
    fn new(layer: usize) -> Self {
        let name = |part: &str| format!("model.layers.{layer}.{part}.weight");
        Self {
            input_norm: name("input_layernorm"),
            query: name("self_attn.q_proj"),
            key: name("self_attn.k_proj"),
            value: name("self_attn.v_proj"),
            attention_output: name("self_attn.o_proj"),
            post_attention_norm: name("post_attention_layernorm"),
            gate: name("mlp.gate_proj"),
            up: name("mlp.up_proj"),
            down: name("mlp.down_proj"),
        }
    }
}

/// Name of the output head's weight: the embedding table where it is tied.
#[must_use]
pub fn head_name(config: &StudentConfig) -> &'static str {
    if config.tied_head { EMBEDDING } else { HEAD }
}

/// See [`super::hidden`].
pub(super) fn hidden<O: Ops>(config: &StudentConfig, ops: &mut O) -> Result<O::Tensor, O::Error> {
    let mut hidden = ops.embedding(EMBEDDING)?;
    for layer in 0..config.layers {
        let names = LayerNames::new(layer);
        let attended = attention_block(config, ops, layer, &names, &hidden)?;
        hidden = ops.add(&hidden, &attended)?;
        let fed = feed_forward(config, ops, &names, &hidden)?;
        hidden = ops.add(&hidden, &fed)?;
    }
    Ok(hidden)
}

/// See [`super::logits`].
pub(super) fn logits<O: Ops>(config: &StudentConfig, ops: &mut O, hidden: &O::Tensor) -> Result<O::Tensor, O::Error> {
    // Rows are dropped before the head, because the head is the widest product of a small student.
    let wanted = ops.wanted_rows(hidden)?;
    let normed = ops.rms_norm(&wanted, FINAL_NORM, config.rms_norm_epsilon)?;
    ops.linear(&normed, head_name(config))
}

fn attention_block<O: Ops>(
    config: &StudentConfig,
    ops: &mut O,
    layer: usize,
    names: &LayerNames,
    hidden: &O::Tensor,
) -> Result<O::Tensor, O::Error> {
    let normed = ops.rms_norm(hidden, &names.input_norm, config.rms_norm_epsilon)?;
    let query = ops.linear(&normed, &names.query)?;
    let key = ops.linear(&normed, &names.key)?;
    let value = ops.linear(&normed, &names.value)?;
    let attended = ops.attention(layer, &query, &key, &value)?;
    ops.linear(&attended, &names.attention_output)
}

fn feed_forward<O: Ops>(
    config: &StudentConfig,
    ops: &mut O,
    names: &LayerNames,
    hidden: &O::Tensor,
) -> Result<O::Tensor, O::Error> {
    let normed = ops.rms_norm(hidden, &names.post_attention_norm, config.rms_norm_epsilon)?;
    let gate = ops.linear(&normed, &names.gate)?;
    let gate = ops.silu(&gate)?;
    let up = ops.linear(&normed, &names.up)?;
    let gated = ops.multiply(&gate, &up)?;
    ops.linear(&gated, &names.down)
}

/// See [`super::weights`].
#[must_use]
pub fn weights(config: &StudentConfig) -> Vec<WeightShape> {
    let hidden = config.hidden_size;
    let matrix = |name: String, out: usize, input: usize| WeightShape { name, shape: vec![out, input] };
    let norm = |name: String| WeightShape { name, shape: vec![hidden] };
    let mut table = vec![matrix(EMBEDDING.to_owned(), config.vocab_size, hidden)];
    for layer in 0..config.layers {
        let names = LayerNames::new(layer);
        table.extend([
            norm(names.input_norm),
            matrix(names.query, config.query_width(), hidden),
            matrix(names.key, config.kv_width(), hidden),
            matrix(names.value, config.kv_width(), hidden),
            matrix(names.attention_output, hidden, config.query_width()),
            norm(names.post_attention_norm),
            matrix(names.gate, config.intermediate_size, hidden),
            matrix(names.up, config.intermediate_size, hidden),
            matrix(names.down, hidden, config.intermediate_size),
        ]);
    }
    table.push(norm(FINAL_NORM.to_owned()));
    if !config.tied_head {
        table.push(matrix(HEAD.to_owned(), config.vocab_size, hidden));
    }
    table
}
