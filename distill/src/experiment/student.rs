//! `[student]`: the shape of a student from scratch, or a checkpoint to start from.

use std::path::PathBuf;

use pupil_models::config::StudentConfig;
use pupil_models::family::Family;
use serde::{Deserialize, Serialize};

use super::{ExperimentError, require};
use crate::export::HEAD_DIM_UNIT;

/// The student: either `checkpoint`, or the sizes of a student from scratch.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StudentTable {
    /// A Hugging Face style folder to start from.
    pub checkpoint: Option<PathBuf>,
    /// Its forward pass; llama if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family: Option<Family>,
    /// Width of the residual stream.
    pub hidden_size: Option<usize>,
    /// Width inside the feed-forward block.
    pub intermediate_size: Option<usize>,
    /// Number of decoder layers.
    pub layers: Option<usize>,
    /// Query heads.
    pub heads: Option<usize>,
    /// Key and value heads; as many as query heads if absent.
    pub kv_heads: Option<usize>,
    /// Longest sequence, in tokens.
    pub context_tokens: Option<usize>,
    /// Base of the rotary frequencies; 10,000 if absent.
    pub rope_theta: Option<f64>,
}

/// Sizes of a student from scratch; the vocabulary is known once the tokenizer is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScratchSizes {
    // Left out where it is the default, so that runs from before there was a choice are still known by their inputs.
    #[serde(default, skip_serializing_if = "is_default")]
    family: Family,
    hidden_size: usize,
    intermediate_size: usize,
    layers: usize,
    heads: usize,
    kv_heads: usize,
    /// Longest sequence, in tokens.
    pub(super) context_tokens: usize,
    rope_theta: f64,
}

impl StudentTable {
    /// The sizes, if no checkpoint is given.
    pub(super) fn sizes(&self) -> Result<ScratchSizes, ExperimentError> {
        let given = |key: &str, value: Option<usize>| {
            value.ok_or_else(|| ExperimentError::Value {
                key: format!("student.{key}"),
                expected: "a number, because `student.checkpoint` is absent".to_owned(),
                found: "nothing".to_owned(),
            })
        };
        let heads = given("heads", self.heads)?;
        let sizes = ScratchSizes {
            family: self.family.unwrap_or_default(),
            hidden_size: given("hidden_size", self.hidden_size)?,
            intermediate_size: given("intermediate_size", self.intermediate_size)?,
            layers: given("layers", self.layers)?,
            heads,
            kv_heads: self.kv_heads.unwrap_or(heads),
            context_tokens: given("context_tokens", self.context_tokens)?,
            rope_theta: self.rope_theta.unwrap_or(10_000.0),
        };
        let divides = heads > 0 && sizes.hidden_size.is_multiple_of(heads);
        require("student.heads", divides, "a divisor of `hidden_size`", heads)?;
        let width = sizes.hidden_size / heads;
        let expected = format!("`hidden_size` to be `heads` times a multiple of {HEAD_DIM_UNIT}");
        require("student.heads", width.is_multiple_of(HEAD_DIM_UNIT), &expected, format!("heads {width} wide"))?;
        // Checked here with a placeholder vocabulary, so that a bad size is found before hours of teaching.
        sizes.config(2, 0).validate().map_err(|error| ExperimentError::Value {
            key: "student".to_owned(),
            expected: "sizes of a student".to_owned(),
            found: error.to_string(),
        })?;
        Ok(sizes)
    }

    /// Refuses sizes beside a checkpoint, whose `config.json` has them.
    pub(super) fn require_no_sizes(&self) -> Result<(), ExperimentError> {
        let sizes =
            [self.hidden_size, self.intermediate_size, self.layers, self.heads, self.kv_heads, self.context_tokens];
        let none = sizes.iter().all(Option::is_none) && self.rope_theta.is_none() && self.family.is_none();
        require("student", none, "either `checkpoint` or sizes", "both")
    }
}

impl ScratchSizes {
    /// The architecture with a vocabulary of `vocab_size` tokens that ends completions with `eos_id`.
    #[must_use]
    pub fn config(&self, vocab_size: usize, eos_id: u32) -> StudentConfig {
        StudentConfig {
            family: self.family,
            vocab_size,
            hidden_size: self.hidden_size,
            intermediate_size: self.intermediate_size,
            layers: self.layers,
            heads: self.heads,
            kv_heads: self.kv_heads,
            head_dim: self.hidden_size / self.heads.max(1),
            context_tokens: self.context_tokens,
            rms_norm_epsilon: self.family.usual_rms_norm_epsilon(),
            rope_theta: self.rope_theta,
            tied_head: true,
            eos_ids: vec![eos_id],
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
fn is_default(family: &Family) -> bool {
    *family == Family::default()
}
