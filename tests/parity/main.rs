//! Parity: libtorch, the exported graph and Hugging Face transformers compute the same student, and no bundle appears
//! without the proof. Also what the proof's bundles cost in memory.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../support_distill/contract.rs"]
mod contract;
#[path = "../support_distill/students.rs"]
mod students;

mod fixture;
mod forms;
mod gate;
mod golden;
mod memory;
mod native;
mod portable;
mod shipped;
mod sources;

/// Largest accepted difference of a float32 logit: both sides add the same products in another order, which costs a few
/// units in the last place of logits of order 10.
const TOLERANCE: f32 = pupil_distill::export::parity::MAX_LOGIT_DIFFERENCE;

/// The largest absolute difference; NaN if there is one.
fn difference(left: &[f32], right: &[f32]) -> f32 {
    assert_eq!(left.len(), right.len());
    let larger = |max: f32, (left, right): (&f32, &f32)| {
        let next = (left - right).abs();
        if max.is_nan() || max > next { max } else { next }
    };
    left.iter().zip(right).fold(0.0, larger)
}
