//! What each matrix loses in 4 bits: libtorch computes with one matrix rounded and all others as they are.
//!
//! Weights are rounded as a form rounds them, without its kernels: the order of the matrices is wanted, not the error of a
//! form, which is measured on the form itself.

use pupil_models::family::{NativeMatrix, WeightShape};
use pupil_models::packed::Precision;

use super::parity::{GreedyPath, Reference, divergence};
use super::search::Matrix;
use super::{ExportError, Ladder};
use crate::checkpoint::Checkpoint;
use crate::interrupt::Interrupt;
use crate::progress::Progress;
use crate::quantize::{Bits, BlockFormat, Fitting, QuantizedMatrix};
use crate::student::ReferenceStudent;

/// Memory for the logits of the unrounded student.
const KEPT_BYTES: usize = 128 << 20;

/// Most positions that are looked at: the mean divergence of a thousand tells matrices apart.
const MOST_POSITIONS: usize = 1000;

/// The loss of each of `matrices`, on completions that the ladder's reference wrote.
pub(super) fn measure(
    checkpoint: &Checkpoint,
    matrices: &[NativeMatrix],
    ladder: &Ladder<'_, ReferenceStudent>,
) -> Result<Vec<Matrix>, ExportError> {
    let reference = ladder.reference();
    let positions = MOST_POSITIONS.min(KEPT_BYTES / (size_of::<f32>() * checkpoint.config().vocab_size)).max(1);
    let kept = keep(reference, ladder.paths(), positions)?;
    let bar = Progress::new("matrices", "matrices", matrices.len() as u64, 0);
    let mut measured = Vec::with_capacity(matrices.len());
    for matrix in matrices {
        let divergence = loss(checkpoint, matrix, reference, &kept, ladder.interrupt())?;
        let bytes = |precision| matrix.packed(precision).bytes() as u64;
        let extra_bytes = bytes(Precision::Eight) - bytes(Precision::Four);
        measured.push(Matrix { name: matrix.name.clone(), divergence, extra_bytes });
        bar.advance();
    }
    bar.finish();
    Ok(measured)
}

/// A completion with the logits that the unrounded student has for it.
struct Kept<'a> {
    path: &'a GreedyPath,
    logits: Vec<f32>,
}

/// The logits of whole completions until there are `positions` of them, the paths spread over all.
fn keep<'a>(
    reference: &ReferenceStudent,
    paths: &'a [GreedyPath],
    positions: usize,
) -> Result<Vec<Kept<'a>>, ExportError> {
    let total: usize = paths.iter().map(|path| path.written().len()).sum();
    let stride = total.div_ceil(positions.max(1)).max(1);
    let mut kept = Vec::new();
    for path in paths.iter().step_by(stride) {
        let states = reference.states(path.ids())?;
        kept.push(Kept { path, logits: Reference::logits(reference, &states, path.written())? });
    }
    Ok(kept)
}

/// Mean divergence with one matrix rounded.
fn loss(
    checkpoint: &Checkpoint,
    matrix: &NativeMatrix,
    reference: &ReferenceStudent,
    kept: &[Kept<'_>],
    interrupt: &Interrupt,
) -> Result<f64, ExportError> {
    let mut rounded = Vec::with_capacity(matrix.sources.len());
    for (name, rows) in &matrix.sources {
        let table = [WeightShape { name: name.clone(), shape: vec![*rows, matrix.columns] }];
        let values = checkpoint.weights().flat_values(&table)?;
        let format = BlockFormat::native(Bits::Four);
        let quantized = QuantizedMatrix::quantize(name, matrix.columns, format, Fitting::LeastError, None, &values)?;
        rounded.push((name.as_str(), quantized.values()));
    }
    let vocab_size = checkpoint.config().vocab_size;
    reference.with_weights(&rounded, |reference| {
        let (mut sum, mut positions) = (0.0, 0);
        for Kept { path, logits } in kept {
            if interrupt.is_requested() {
                return Err(ExportError::Interrupted);
            }
            let states = reference.states(path.ids())?;
            let found = Reference::logits(reference, &states, path.written())?;
            let rows = logits.chunks_exact(vocab_size).zip(found.chunks_exact(vocab_size));
            sum += rows.map(|(expected, found)| divergence(expected, found)).sum::<f64>();
            positions += path.written().len();
        }
        Ok(sum / f64::from(positions.max(1) as u32))
    })?
}
