//! The forward pass of each family, written once over [`Ops`].
//!
//! One implementation of [`Ops`] computes eagerly in libtorch with gradients, the other emits ONNX nodes, so what is
//! trained and what is exported are the same sequence of operations by construction.

pub mod llama;

use crate::config::StudentConfig;

/// A weight of a checkpoint: its name and shape, row-major, as Hugging Face stores it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightShape {
    /// Name of the tensor in `model.safetensors`.
    pub name: String,
    /// Sizes, outermost first; a linear weight is `[out, in]`.
    pub shape: Vec<usize>,
}

/// The operations of which a student's forward pass is made.
///
/// An activation is a stack of rows `[.., width]`; how the leading dimensions are laid out (`[batch, sequence, width]` or
/// `[tokens, width]`) is the implementation's business, and no family looks at them.
pub trait Ops {
    /// An activation.
    type Tensor;
    /// Why an operation failed.
    type Error;

    /// Rows of the table `weight` for the input tokens: `[.., hidden]`.
    fn embedding(&mut self, weight: &str) -> Result<Self::Tensor, Self::Error>;

    /// `input · weightᵀ`, for a weight `[out, in]`: `[.., in]` → `[.., out]`.
    fn linear(&mut self, input: &Self::Tensor, weight: &str) -> Result<Self::Tensor, Self::Error>;

    /// RMS normalisation (Zhang and Sennrich 2019): `x / sqrt(mean(x²) + epsilon) · weight`, over the last dimension.
    fn rms_norm(&mut self, input: &Self::Tensor, weight: &str, epsilon: f32) -> Result<Self::Tensor, Self::Error>;

    /// Causal grouped-query attention of `layer` with rotary embedding (the half-split pairing of Hugging Face) on query
    /// and key: `query [.., heads · head_dim]`, `key` and `value [.., kv_heads · head_dim]` → `[.., heads · head_dim]`.
    fn attention(
        &mut self,
        layer: usize,
        query: &Self::Tensor,
        key: &Self::Tensor,
        value: &Self::Tensor,
    ) -> Result<Self::Tensor, Self::Error>;

    /// `x · sigmoid(x)`, element by element.
    fn silu(&mut self, input: &Self::Tensor) -> Result<Self::Tensor, Self::Error>;

    /// Product, element by element.
    fn multiply(&mut self, left: &Self::Tensor, right: &Self::Tensor) -> Result<Self::Tensor, Self::Error>;

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
    llama::hidden(config, ops)
}

/// The second part of [`forward`]: logits `[.., vocab_size]` of the wanted rows of `hidden`.
///
/// # Errors
/// The first error of an operation.
pub fn logits<O: Ops>(config: &StudentConfig, ops: &mut O, hidden: &O::Tensor) -> Result<O::Tensor, O::Error> {
    llama::logits(config, ops, hidden)
}

/// Every weight of a checkpoint of this config, in the order of the forward pass, each tied one once.
#[must_use]
pub fn weights(config: &StudentConfig) -> Vec<WeightShape> {
    llama::weights(config)
}
