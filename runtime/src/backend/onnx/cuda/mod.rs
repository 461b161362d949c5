//! ONNX Runtime's CUDA provider: asked for by name, refused where anything is missing, and made sure of once a graph is loaded.
//!
//! `session.disable_cpu_ep_fallback`, ONNX Runtime's own switch, is of no use: it refuses every node on the CPU, and some
//! belong there. Shapes and lengths are computed by a few nodes whose operands are in the CPU's memory, and ONNX Runtime
//! places those there on purpose. So the session records on what each node was placed, and what computes must be on the
//! device: [`BOOKKEEPING`] is all that may be elsewhere.
//!
//! CUDA graphs (`enable_cuda_graph`) are not used. They replay kernels with the shapes and addresses of the capture, but the
//! attention mask of a portable graph grows by one with every token, the total length is a scalar in the CPU's memory out of
//! which attention chooses its launches, and how many logits are kept is negated on the device and copied back for `Slice`.

#[cfg(not(feature = "cuda"))]
mod disabled;
#[cfg(feature = "cuda")]
mod enabled;

use std::path::Path;

#[cfg(not(feature = "cuda"))]
use disabled as provider;
#[cfg(feature = "cuda")]
use enabled as provider;
use ort::session::Session;
use pupil_models::format::{PortableWeights, WeightFormat};

use super::library::{LibraryInfo, find_library};
use crate::device::{Device, DeviceError};
use crate::error::LoadError;

pub(super) use provider::{is_built, register};

/// ONNX Runtime's name of its CUDA provider, as in [`LibraryInfo::providers`].
pub const CUDA_PROVIDER: &str = "CUDAExecutionProvider";

/// Operators that may be on the CPU: they compute shapes and lengths there. The same operators on activations have kernels for
/// every type on CUDA, and are placed there because their operands are.
const BOOKKEEPING: [&str; 9] = ["Cast", "Concat", "Gather", "Neg", "ReduceSum", "Reshape", "Shape", "Slice", "Sub"];

/// Refuses a device that this program, this format or this library cannot compute on.
///
/// The first to be asked: it is answered without loading a graph.
pub(super) fn check(device: Device, format: WeightFormat) -> Result<(), LoadError> {
    if device == Device::Cpu {
        return Ok(());
    }
    if !is_built() {
        return Err(DeviceError::NotBuilt { device }.into());
    }
    // Attention in float32 and `DynamicQuantizeMatMul` have no kernels on CUDA, and our own operators none but the CPU's.
    if !matches!(format, WeightFormat::Portable(PortableWeights::Four | PortableWeights::Eight)) {
        return Err(DeviceError::Format { device, format }.into());
    }
    let LibraryInfo { path, version, providers, .. } = find_library()?;
    if providers.iter().any(|name| name == CUDA_PROVIDER) {
        return Ok(());
    }
    Err(DeviceError::Provider { device, path, version, providers }.into())
}

/// What the library said when it was to use `device`.
pub(super) fn refused(device: Device, reason: &str) -> LoadError {
    match find_library() {
        Ok(LibraryInfo { path, version, .. }) => {
            DeviceError::Refused { device, path, version, reason: reason.trim_end().to_owned() }.into()
        }
        Err(error) => error.into(),
    }
}

/// Refuses a session that does not compute the graph `path` on `device`, all of it.
pub(super) fn check_session(device: Device, session: &Session, path: &Path) -> Result<(), LoadError> {
    if device == Device::Cpu {
        return Ok(());
    }
    let path = path.to_owned();
    let nodes = provider::placed_on_cpu(session).map_err(|error| refused(device, &error.to_string()))?;
    let nodes: Vec<(String, usize)> = nodes.into_iter().filter(|(operator, _)| computes(operator)).collect();
    if nodes.is_empty() { Ok(()) } else { Err(DeviceError::Placement { device, path, nodes }.into()) }
}

fn computes(operator: &str) -> bool {
    !BOOKKEEPING.contains(&operator)
}
