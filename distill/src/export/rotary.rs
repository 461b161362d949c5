//! The rotary embedding's table, computed once for libtorch and for the graph.

use pupil_models::config::StudentConfig;

/// Cosines and sines, row-major `[context_tokens, head_dim / 2]` each.
#[derive(Clone, Debug)]
pub struct RotaryTable {
    /// Cosines.
    pub cosine: Vec<f32>,
    /// Sines.
    pub sine: Vec<f32>,
}

/// Angles `position · theta^(-2i / head_dim)` of Su et al. 2021, in double precision.
#[must_use]
pub fn rotary_table(config: &StudentConfig) -> RotaryTable {
    let frequencies = frequencies(config);
    let angles: Vec<f64> = (0..config.context_tokens)
        .flat_map(|position| frequencies.iter().map(move |frequency| position as f64 * frequency))
        .collect();
    RotaryTable {
        cosine: angles.iter().map(|angle| angle.cos() as f32).collect(),
        sine: angles.iter().map(|angle| angle.sin() as f32).collect(),
    }
}

/// Angle by which one position turns each pair of a head, `[head_dim / 2]`.
pub(super) fn frequencies(config: &StudentConfig) -> Vec<f64> {
    let frequency = |index: usize| config.rope_theta.powf(-2.0 * index as f64 / config.head_dim as f64);
    (0..config.head_dim / 2).map(frequency).collect()
}
