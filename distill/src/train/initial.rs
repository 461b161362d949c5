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
    let residual = 1.0 / (2.0 * config.layers as f64).sqrt();
    let mut values = Vec::with_capacity(config.parameter_count());
    for (index, WeightShape { name, shape }) in weights(config).into_iter().enumerate() {
        let count = shape.iter().product::<usize>();
        if shape.len() == 1 {
            values.extend(std::iter::repeat_n(if name.ends_with(".bias") { 0.0 } else { 1.0 }, count));
            continue;
        }
        let writes_residual = name.contains("o_proj") || name.contains("down_proj");
        let scale = if writes_residual { deviation * residual } else { deviation };
        let key = mix(&[seed, index as u64]);
        values.extend((0..count as u64).map(|position| (scale * normal(mix(&[key, position]))) as f32));
    }
    values
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
