//! `Ops` over libtorch: every operation is computed at once and recorded for the gradient.

use pupil_models::config::StudentConfig;
use pupil_models::family::{self, Linear, Ops, Projection};
use tch::{Kind, TchError, Tensor};

use super::FlatWeights;

/// Token ids `[batch, sequence]`, right-padded, and the rows whose logits are wanted.
#[derive(Debug)]
pub(crate) struct TokenBatch {
    pub(crate) ids: Tensor,
    /// Indices into the flattened `[batch · sequence]` positions; `None` for all.
    pub(crate) wanted_rows: Option<Tensor>,
}

/// Cosines and sines of the rotary embedding (Su et al. 2021), `[context, head_dim]` each, both halves alike.
#[derive(Debug)]
pub(crate) struct Rotary {
    cosine: Tensor,
    sine: Tensor,
}

impl Rotary {
    pub(crate) fn new(config: &StudentConfig) -> Result<Self, TchError> {
        let table = crate::export::rotary_table(config);
        let size = [config.context_tokens as i64, (config.head_dim / 2) as i64];
        let doubled = |values: &[f32]| {
            let half = Tensor::f_from_slice(values)?.f_view(size)?;
            Tensor::f_cat(&[&half, &half], 1)
        };
        Ok(Self { cosine: doubled(&table.cosine)?, sine: doubled(&table.sine)? })
    }

    /// Rotates `[batch, heads, sequence, head_dim]`, positions counted from 0.
    fn apply(&self, heads: &Tensor) -> Result<Tensor, TchError> {
        let (sequence, head_dim) = (heads.size()[2], heads.size()[3]);
        let halves = heads.f_chunk(2, -1)?;
        let turned = Tensor::f_cat(&[&halves[1].f_neg()?, &halves[0]], -1)?;
        debug_assert_eq!(self.cosine.size()[1], head_dim);
        let cosine = self.cosine.f_narrow(0, 0, sequence)?;
        let sine = self.sine.f_narrow(0, 0, sequence)?;
        heads.f_mul(&cosine)?.f_add(&turned.f_mul(&sine)?)
    }
}

/// Logits `[batch · sequence, vocab_size]`, or of the wanted rows only.
pub(crate) fn logits(
    config: &StudentConfig,
    weights: &FlatWeights,
    rotary: &Rotary,
    batch: &TokenBatch,
) -> Result<Tensor, TchError> {
    family::forward(config, &mut EagerOps { config, weights, rotary, batch, reader: None })?.whole()
}

/// An activation whose columns are computed projection by projection: side by side, they are never copied together.
struct Columns(Vec<Tensor>);

impl Columns {
    fn whole(&self) -> Result<Tensor, TchError> {
        match self.0.as_slice() {
            [whole] => Ok(whole.shallow_clone()),
            parts => Tensor::f_cat(parts, -1),
        }
    }

    fn parts<const COUNT: usize>(&self) -> Result<&[Tensor; COUNT], TchError> {
        let found = self.0.len();
        self.0.as_slice().try_into().map_err(|_| TchError::Kind(format!("expected {COUNT} projections, found {found}")))
    }
}

impl From<Tensor> for Columns {
    fn from(whole: Tensor) -> Self {
        Self(vec![whole])
    }
}

/// The first part of [`logits`]: what the last layer leaves, `[batch, sequence, hidden_size]`.
pub(crate) fn hidden(
    config: &StudentConfig,
    weights: &FlatWeights,
    rotary: &Rotary,
    batch: &TokenBatch,
) -> Result<Tensor, TchError> {
    family::hidden(config, &mut EagerOps { config, weights, rotary, batch, reader: None })?.whole()
}

/// The second part of [`logits`], of the batch's wanted rows.
pub(crate) fn logits_of(
    config: &StudentConfig,
    weights: &FlatWeights,
    rotary: &Rotary,
    batch: &TokenBatch,
    hidden: &Tensor,
) -> Result<Tensor, TchError> {
    let hidden = Columns::from(hidden.shallow_clone());
    family::logits(config, &mut EagerOps { config, weights, rotary, batch, reader: None }, &hidden)?.whole()
}

/// Computes the forward pass and shows `reader` the input of every linear layer, `[.., in]`, with the layer's place in it.
pub(crate) fn observe(
    config: &StudentConfig,
    weights: &FlatWeights,
    rotary: &Rotary,
    batch: &TokenBatch,
    reader: &mut InputReader<'_>,
) -> Result<(), TchError> {
    let reader = Some((0, reader));
    family::forward(config, &mut EagerOps { config, weights, rotary, batch, reader }).map(|_| ())
}

/// What looks at the input of the linear layer at a place in the forward pass.
pub(crate) type InputReader<'a> = dyn FnMut(usize, &Tensor) -> Result<(), TchError> + 'a;

struct EagerOps<'a, 'r> {
    config: &'a StudentConfig,
    weights: &'a FlatWeights,
    rotary: &'a Rotary,
    batch: &'a TokenBatch,
    /// Linear layers so far, and who looks at their inputs.
    reader: Option<(usize, &'a mut InputReader<'r>)>,
}

impl EagerOps<'_, '_> {
    /// `[batch, sequence, heads · head_dim]` → `[batch, heads, sequence, head_dim]`.
    fn heads(&self, projected: &Tensor, heads: usize) -> Result<Tensor, TchError> {
        let size = projected.size();
        projected.f_view([size[0], size[1], heads as i64, self.config.head_dim as i64])?.f_transpose(1, 2)
    }
}

impl Ops for EagerOps<'_, '_> {
    type Tensor = Columns;
    type Error = TchError;

    fn embedding(&mut self, weight: &str) -> Result<Columns, TchError> {
        Ok(Tensor::f_embedding(self.weights.get(weight)?, &self.batch.ids, -1, false, false)?.into())
    }

    fn linear(&mut self, input: &Columns, linear: &Linear) -> Result<Columns, TchError> {
        let input = input.whole()?;
        if let Some((site, reader)) = &mut self.reader {
            reader(*site, &input)?;
            *site += 1;
        }
        let product = |projection: &Projection| {
            let bias = projection.bias.as_deref().map(|bias| self.weights.get(bias)).transpose()?;
            input.f_linear(self.weights.get(&projection.weight)?, bias)
        };
        linear.projections.iter().map(product).collect::<Result<_, _>>().map(Columns)
    }

    fn rms_norm(&mut self, input: &Columns, weight: &str, epsilon: f32) -> Result<Columns, TchError> {
        let input = input.whole()?;
        let mean_square = input.f_square()?.f_mean_dim(-1, true, Kind::Float)?;
        let scale = mean_square.f_add_scalar(f64::from(epsilon))?.f_rsqrt()?;
        Ok(input.f_mul(&scale)?.f_mul(self.weights.get(weight)?)?.into())
    }

    fn attention(&mut self, _layer: usize, qkv: &Columns) -> Result<Columns, TchError> {
        let [query, key, value] = qkv.parts()?;
        let query = self.rotary.apply(&self.heads(query, self.config.heads)?)?;
        let key = self.rotary.apply(&self.heads(key, self.config.kv_heads)?)?;
        let value = self.heads(value, self.config.kv_heads)?;
        let grouped = self.config.heads != self.config.kv_heads;
        let attended =
            Tensor::f_scaled_dot_product_attention(&query, &key, &value, None::<&Tensor>, 0.0, true, None, grouped)?;
        let (batch, sequence) = (query.size()[0], query.size()[2]);
        Ok(attended.f_transpose(1, 2)?.f_reshape([batch, sequence, self.config.query_width() as i64])?.into())
    }

    fn gated_silu(&mut self, gate_up: &Columns) -> Result<Columns, TchError> {
        let [gate, up] = gate_up.parts()?;
        Ok(gate.f_silu()?.f_mul(up)?.into())
    }

    fn add(&mut self, left: &Columns, right: &Columns) -> Result<Columns, TchError> {
        Ok(left.whole()?.f_add(&right.whole()?)?.into())
    }

    fn wanted_rows(&mut self, hidden: &Columns) -> Result<Columns, TchError> {
        let rows = hidden.whole()?.f_view([-1, self.config.hidden_size as i64])?;
        match &self.batch.wanted_rows {
            Some(wanted) => Ok(rows.f_index_select(0, wanted)?.into()),
            None => Ok(rows.into()),
        }
    }
}
