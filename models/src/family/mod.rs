//! The forward pass of each family, written once over [`Ops`].
//!
//! One implementation of [`Ops`] computes eagerly in libtorch with gradients, the other emits ONNX nodes, so what is
//! trained and what is exported are the same sequence of operations by construction.

mod anatomy;
mod decoder;
mod native;

pub use anatomy::{Anatomy, Producer, Site};
pub use native::{NativeMatrix, NativeTensor, NativeVector, bias_name, native_tensors};
use serde::{Deserialize, Serialize};

use crate::config::StudentConfig;

/// A family of forward passes: `model_type` in `config.json`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// Llama.
    #[default]
    Llama,
    /// Qwen2 and Qwen2.5.
    Qwen2,
}

impl Family {
    /// Every family.
    pub const ALL: [Self; 2] = [Self::Llama, Self::Qwen2];

    /// `model_type` in `config.json`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Qwen2 => "qwen2",
        }
    }

    /// The class of `transformers` that computes it: an element of `architectures` in `config.json`.
    #[must_use]
    pub fn architecture(self) -> &'static str {
        match self {
            Self::Llama => "LlamaForCausalLM",
            Self::Qwen2 => "Qwen2ForCausalLM",
        }
    }

    /// Epsilon of the RMS normalisation in the published students of the family.
    #[must_use]
    pub fn usual_rms_norm_epsilon(self) -> f32 {
        match self {
            Self::Llama => 1e-5,
            Self::Qwen2 => 1e-6,
        }
    }

    /// Whether query, key and value have biases.
    #[must_use]
    pub fn has_qkv_bias(self) -> bool {
        self == Self::Qwen2
    }
}

impl std::fmt::Display for Family {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A weight of a checkpoint: its name and shape, row-major, as Hugging Face stores it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightShape {
    /// Name of the tensor in `model.safetensors`.
    pub name: String,
    /// Sizes, outermost first; a linear weight is `[out, in]`.
    pub shape: Vec<usize>,
}

/// A product with weights of a checkpoint that an implementation may store as one matrix.
///
/// The outputs of its projections lie side by side, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linear {
    /// Name of the whole, as a checkpoint would call it if it held one matrix.
    pub name: String,
    /// What is multiplied by; never empty.
    pub projections: Vec<Projection>,
}

/// One weight of a [`Linear`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Projection {
    /// Name of the weight, `[out, in]`.
    pub weight: String,
    /// Name of the bias that is added, `[out]`.
    pub bias: Option<String>,
}

impl Linear {
    /// Shapes of the weights and biases, for projections of these widths.
    fn shapes(self, outs: &[usize], input: usize) -> Vec<WeightShape> {
        let mut shapes = Vec::new();
        for (Projection { weight, bias }, &out) in self.projections.into_iter().zip(outs) {
            shapes.push(WeightShape { name: weight, shape: vec![out, input] });
            shapes.extend(bias.map(|name| WeightShape { name, shape: vec![out] }));
        }
        shapes
    }
}

/// The operations of which a student's forward pass is made.
///
/// An activation is a stack of rows `[.., width]`; how the leading dimensions are laid out (`[batch, sequence, width]` or
/// `[tokens, width]`) is the implementation's business, and no family looks at them. Nor does it look into an activation
/// of several projections, so that an implementation may compute them as one product or keep them apart.
pub trait Ops {
    /// An activation.
    type Tensor;
    /// Why an operation failed.
    type Error;

    /// Rows of the table `weight` for the input tokens: `[.., hidden]`.
    fn embedding(&mut self, weight: &str) -> Result<Self::Tensor, Self::Error>;

    /// `input · weightᵀ + bias` for each projection, side by side: `[.., in]` → `[.., sum of out]`.
    fn linear(&mut self, input: &Self::Tensor, linear: &Linear) -> Result<Self::Tensor, Self::Error>;

    /// RMS normalisation (Zhang and Sennrich 2019): `x / sqrt(mean(x²) + epsilon) · weight`, over the last dimension.
    fn rms_norm(&mut self, input: &Self::Tensor, weight: &str, epsilon: f32) -> Result<Self::Tensor, Self::Error>;

    /// Causal grouped-query attention of `layer` with rotary embedding (the half-split pairing of Hugging Face) on query
    /// and key. `qkv` is a [`Linear`] of query, key and value: `[.., (heads + 2 · kv_heads) · head_dim]` →
    /// `[.., heads · head_dim]`.
    fn attention(&mut self, layer: usize, qkv: &Self::Tensor) -> Result<Self::Tensor, Self::Error>;

    /// `gate · sigmoid(gate) · up`, element by element, of a [`Linear`] of gate and up: `[.., 2 · width]` → `[.., width]`.
    fn gated_silu(&mut self, gate_up: &Self::Tensor) -> Result<Self::Tensor, Self::Error>;

    /// Sum, element by element.
    fn add(&mut self, left: &Self::Tensor, right: &Self::Tensor) -> Result<Self::Tensor, Self::Error>;

    /// The rows whose logits the caller wants: all of them in training, the last few in decoding.
    fn wanted_rows(&mut self, hidden: &Self::Tensor) -> Result<Self::Tensor, Self::Error>;
}

/// Logits `[.., vocab_size]` of the wanted rows.
///
/// # Errors
/// The first error of an operation.
pub fn forward<O: Ops>(config: &StudentConfig, ops: &mut O) -> Result<O::Tensor, O::Error> {
    let hidden = hidden(config, ops)?;
    logits(config, ops, &hidden)
}

/// The first part of [`forward`]: what the last layer leaves, `[.., hidden]`.
///
/// # Errors
/// The first error of an operation.
pub fn hidden<O: Ops>(config: &StudentConfig, ops: &mut O) -> Result<O::Tensor, O::Error> {
    decoder::hidden(config, ops)
}

/// The second part of [`forward`]: logits `[.., vocab_size]` of the wanted rows of `hidden`.
///
/// # Errors
/// The first error of an operation.
pub fn logits<O: Ops>(config: &StudentConfig, ops: &mut O, hidden: &O::Tensor) -> Result<O::Tensor, O::Error> {
    decoder::logits(config, ops, hidden)
}

/// Every weight of a checkpoint of this config, in the order of the forward pass, each tied one once.
#[must_use]
pub fn weights(config: &StudentConfig) -> Vec<WeightShape> {
    decoder::weights(config)
}
