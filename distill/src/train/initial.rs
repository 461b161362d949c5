//! Initial weights of a student that is trained from scratch.

use pupil_models::config::StudentConfig;
use pupil_models::family::{WeightShape, weights};

use crate::keyed::mix;

/// Weights drawn from N(0, `deviation`²), norms at one and biases at zero, laid out in the order of [`weights`].
///
/// Projections that write to the residual stream are scaled by `1 / sqrt(2 · layers)`, so that its variance does not grow
/// with depth (Radford et al. 2019, section 2.3). Each number is a function of (seed, weight, position) alone.
#[must_use]
pub fn initial_values(config: &StudentConfig, seed: u64, deviation: f64) -> Vec<f32> {
    let mut values = Vec::with_capacity(config.parameter_count());
    for (index, weight) in weights(config).iter().enumerate() {
        values.extend(initial_weight(config, seed, deviation, (index, weight)));
    }
    values
}

/// The values of one of the weights of [`initial_values`], which is the `index`-th of [`weights`].
pub fn initial_weight(
    config: &StudentConfig,
    seed: u64,
    deviation: f64,
    (index, WeightShape { name, shape }): (usize, &WeightShape),
) -> impl Iterator<Item = f32> + use<> {
    let is_vector = shape.len() == 1;
    let constant = if name.rsplit('.').next() == Some("bias") { 0.0 } else { 1.0 };
    let writes_residual = name.contains("o_proj") || name.contains("down_proj");
    let residual = 1.0 / (2.0 * config.layers as f64).sqrt();
    let scale = if writes_residual { deviation * residual } else { deviation };
    let key = mix(&[seed, index as u64]);
    (0..shape.iter().product::<usize>() as u64)
        .map(move |position| if is_vector { constant } else { (scale * normal(mix(&[key, position]))) as f32 })
}

/// A standard normal number from 64 random bits (Box and Muller 1958).
fn normal(bits: u64) -> f64 {
    const UNIT: f64 = 1.0 / 4_294_967_296.0;
    // Half a unit is added because the logarithm of zero is not a number.
    let radius = ((bits >> 32) as f64 + 0.5) * UNIT;
    let angle = (bits & 0xFFFF_FFFF) as f64 * UNIT;
    (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_numbers_have_mean_zero_and_variance_one() {
        let numbers: Vec<f64> = (0..100_000).map(|index| normal(mix(&[index]))).collect();
        let mean = numbers.iter().sum::<f64>() / 1e5;
        let variance = numbers.iter().map(|number| number * number).sum::<f64>() / 1e5;
        // Five standard errors of each estimate.
        assert!(mean.abs() < 0.016, "{mean}");
        assert!((variance - 1.0).abs() < 0.023, "{variance}");
    }
}
