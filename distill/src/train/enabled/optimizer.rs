//! `AdamW` (Loshchilov and Hutter 2019) over one flat buffer of weights.

use pupil_models::family::WeightShape;
use tch::{Kind, TchError, Tensor};

use crate::train::TrainSettings;

/// Added to the denominator, as in every published implementation.
const EPSILON: f64 = 1e-8;

/// First and second moments of every weight, `[number of weights]` each.
#[derive(Debug)]
pub(super) struct AdamW {
    pub(super) first: Tensor,
    pub(super) second: Tensor,
    /// Weight decay of each weight: matrices decay, norms do not.
    decay: Tensor,
    beta1: f64,
    beta2: f64,
}

impl AdamW {
    pub(super) fn new(table: &[WeightShape], settings: &TrainSettings) -> Result<Self, TchError> {
        let decay: Vec<f32> = table
            .iter()
            .flat_map(|weight| {
                let rate = if weight.shape.len() > 1 { settings.weight_decay as f32 } else { 0.0 };
                std::iter::repeat_n(rate, weight.shape.iter().product())
            })
            .collect();
        let decay = Tensor::f_from_slice(&decay)?;
        Ok(Self {
            first: decay.f_zeros_like()?,
            second: decay.f_zeros_like()?,
            decay,
            beta1: settings.beta1,
            beta2: settings.beta2,
        })
    }

    /// One update of `weights` with `gradient`; `step` counts from 1.
    pub(super) fn update(
        &mut self,
        weights: &Tensor,
        gradient: &Tensor,
        learning_rate: f64,
        step: u32,
    ) -> Result<(), TchError> {
        let step = step as i32;
        let mut weights = weights.shallow_clone();
        let _ = self.first.f_lerp_(gradient, 1.0 - self.beta1)?;
        let _ = self.second.f_mul_scalar_(self.beta2)?;
        let _ = self.second.f_add_(&gradient.f_square()?.f_mul_scalar(1.0 - self.beta2)?)?;
        let bias2 = (1.0 - self.beta2.powi(step)).sqrt();
        let denominator = self.second.f_sqrt()?.f_div_scalar(bias2)?.f_add_scalar(EPSILON)?;
        let rate = learning_rate / (1.0 - self.beta1.powi(step));
        let shrink = self.decay.f_mul_scalar(-learning_rate)?.f_add_scalar(1.0)?;
        let _ = weights.f_mul_(&shrink)?;
        let _ = weights.f_sub_(&self.first.f_div(&denominator)?.f_mul_scalar(rate)?)?;
        Ok(())
    }
}

/// Norm of the gradient; the gradient is scaled down in place to `limit` if it is longer.
pub(super) fn clip(gradient: &mut Tensor, limit: f64) -> Result<f64, TchError> {
    let norm = f64::try_from(gradient.f_norm()?.f_to_kind(Kind::Double)?)?;
    if norm.is_finite() && norm > limit {
        let _ = gradient.f_mul_scalar_(limit / norm)?;
    }
    Ok(norm)
}
