//! A bundle's weights file, written tensor by tensor out of a checkpoint: never more than one matrix is in memory.

mod float32;
mod native;
mod portable;
mod rounding;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

pub use float32::write_float32;
pub use native::write_native;
pub use portable::write_portable;
pub(super) use portable::{StockTensors, block_shape, scales_name, zero_points_name};
use pupil_models::bundle::BundleError;
use pupil_models::config::StudentConfig;
pub use rounding::Rounding;

use super::ExportError;
use crate::checkpoint::CheckpointWeights;
use crate::interrupt::Interrupt;
use crate::progress::Progress;
use crate::safetensors_writer::{SafetensorsWriter, TensorEntry};

/// Bytes after which the disk is waited for: nobody has to wait for gigabytes when the bundle is sealed or given up.
const SYNCED_BYTES: usize = 64 << 20;

/// What is written, and who may stop it.
#[derive(Clone, Copy, Debug)]
pub struct WeightsPlan<'a> {
    /// The student's architecture.
    pub config: &'a StudentConfig,
    /// Its weights.
    pub weights: &'a CheckpointWeights,
    /// The file.
    pub path: &'a Path,
    /// Threads that round.
    pub threads: std::num::NonZeroUsize,
    /// Who may stop it.
    pub interrupt: &'a Interrupt,
}

/// The file under construction.
struct Output {
    path: PathBuf,
    writer: SafetensorsWriter,
    bar: Progress,
    interrupt: Interrupt,
}

impl Output {
    fn create(plan: &WeightsPlan<'_>, entries: &[TensorEntry]) -> Result<Self, ExportError> {
        let writer = SafetensorsWriter::create(plan.path, entries).map_err(|source| failed(plan.path, source))?;
        let bar = Progress::of_bytes("weights", entries.iter().map(TensorEntry::bytes).sum::<usize>() as u64);
        Ok(Self { path: plan.path.to_owned(), writer, bar, interrupt: plan.interrupt.clone() })
    }

    /// Appends bytes; long work asks here whether it should go on.
    fn write(&mut self, bytes: &[u8]) -> Result<(), ExportError> {
        if self.interrupt.is_requested() {
            return Err(ExportError::Interrupted);
        }
        let piece = self.writer.written_bytes() / SYNCED_BYTES;
        self.writer.write_all(bytes).map_err(|source| failed(&self.path, source))?;
        if self.writer.written_bytes() / SYNCED_BYTES > piece {
            self.writer.sync().map_err(|source| failed(&self.path, source))?;
        }
        self.bar.move_to(self.writer.written_bytes() as u64);
        Ok(())
    }

    fn finish(self) -> Result<(), ExportError> {
        self.bar.finish();
        self.writer.finish().map_err(|source| failed(&self.path, source))
    }
}

fn failed(path: &Path, source: io::Error) -> ExportError {
    BundleError::Write { path: path.to_owned(), source }.into()
}
