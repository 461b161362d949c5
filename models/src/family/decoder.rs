//! Llama (Touvron et al. 2023) and Qwen2 (Yang et al. 2024): pre-norm decoders with RMS normalisation, rotary attention and a
//! gated `SiLU` feed-forward. Qwen2 adds a bias to query, key and value; nothing else differs.

use super::{Linear, Ops, Projection, WeightShape};
use crate::config::StudentConfig;

const EMBEDDING: &str = "model.embed_tokens.weight";
const FINAL_NORM: &str = "model.norm.weight";
const HEAD: &str = "lm_head.weight";

/// Names of one layer's weights, as in Hugging Face checkpoints.
struct LayerNames {
    input_norm: String,
    qkv: Linear,
    attention_output: Linear,
    post_attention_norm: String,
    gate_up: Linear,
    down: Linear,
}

impl LayerNames {
    fn new(config: &StudentConfig, layer: usize) -> Self {
        let name = |part: &str| format!("model.layers.{layer}.{part}.weight");
        let plain = |part: &str| Projection { weight: name(part), bias: None };
        let biased = |part: &str| Projection {
            weight: name(part),
            bias: config.family.has_qkv_bias().then(|| format!("model.layers.{layer}.{part}.bias")),
        };
        let linear = |whole: &str, projections: Vec<Projection>| Linear { name: name(whole), projections };
        Self {
            input_norm: name("input_layernorm"),
            qkv: linear(
                "self_attn.qkv_proj",
                ["q", "k", "v"].map(|part| biased(&format!("self_attn.{part}_proj"))).into(),
            ),
            attention_output: linear("self_attn.o_proj", vec![plain("self_attn.o_proj")]),
            post_attention_norm: name("post_attention_layernorm"),
            gate_up: linear("mlp.gate_up_proj", vec![plain("mlp.gate_proj"), plain("mlp.up_proj")]),
            down: linear("mlp.down_proj", vec![plain("mlp.down_proj")]),
        }
    }
}

/// Name of the output head's weight: the embedding table where it is tied.
fn head(config: &StudentConfig) -> Linear {
    let weight = if config.tied_head { EMBEDDING } else { HEAD }.to_owned();
    Linear { name: weight.clone(), projections: vec![Projection { weight, bias: None }] }
}

/// See [`super::hidden`].
pub(super) fn hidden<O: Ops>(config: &StudentConfig, ops: &mut O) -> Result<O::Tensor, O::Error> {
    let mut hidden = ops.embedding(EMBEDDING)?;
    for layer in 0..config.layers {
        let names = LayerNames::new(config, layer);
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
    ops.linear(&normed, &head(config))
}

fn attention_block<O: Ops>(
    config: &StudentConfig,
    ops: &mut O,
    layer: usize,
    names: &LayerNames,
    hidden: &O::Tensor,
) -> Result<O::Tensor, O::Error> {
    let normed = ops.rms_norm(hidden, &names.input_norm, config.rms_norm_epsilon)?;
    let qkv = ops.linear(&normed, &names.qkv)?;
    let attended = ops.attention(layer, &qkv)?;
    ops.linear(&attended, &names.attention_output)
}

fn feed_forward<O: Ops>(
    config: &StudentConfig,
    ops: &mut O,
    names: &LayerNames,
    hidden: &O::Tensor,
) -> Result<O::Tensor, O::Error> {
    let normed = ops.rms_norm(hidden, &names.post_attention_norm, config.rms_norm_epsilon)?;
    let gate_up = ops.linear(&normed, &names.gate_up)?;
    let gated = ops.gated_silu(&gate_up)?;
    ops.linear(&gated, &names.down)
}

/// See [`super::weights`].
pub(super) fn weights(config: &StudentConfig) -> Vec<WeightShape> {
    let (hidden, intermediate) = (config.hidden_size, config.intermediate_size);
    let norm = |name: String| WeightShape { name, shape: vec![hidden] };
    let mut table = vec![WeightShape { name: EMBEDDING.to_owned(), shape: vec![config.vocab_size, hidden] }];
    for layer in 0..config.layers {
        let names = LayerNames::new(config, layer);
        table.push(norm(names.input_norm));
        table.extend(names.qkv.shapes(&[config.query_width(), config.kv_width(), config.kv_width()], hidden));
        table.extend(names.attention_output.shapes(&[hidden], config.query_width()));
        table.push(norm(names.post_attention_norm));
        table.extend(names.gate_up.shapes(&[intermediate, intermediate], hidden));
        table.extend(names.down.shapes(&[hidden], intermediate));
    }
    table.push(norm(FINAL_NORM.to_owned()));
    if !config.tied_head {
        table.extend(head(config).shapes(&[config.vocab_size], hidden));
    }
    table
}
