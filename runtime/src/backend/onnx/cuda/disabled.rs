//! The program without the feature `cuda`: every device but the CPU is refused.

use std::collections::BTreeMap;

use ort::session::Session;
use ort::session::builder::SessionBuilder;

use crate::device::{Device, DeviceError};

/// Whether this program has the feature.
pub(in super::super) const fn is_built() -> bool {
    false
}

/// The builder as it is, for the CPU.
pub(in super::super) fn register(builder: SessionBuilder, device: Device) -> ort::Result<SessionBuilder> {
    match device {
        Device::Cpu => Ok(builder),
        Device::Cuda { .. } => Err(ort::Error::new(DeviceError::NotBuilt { device }.to_string())),
    }
}

/// A program without the feature has no session on a device, and cannot ask either.
pub(super) fn placed_on_cpu(_session: &Session) -> ort::Result<BTreeMap<String, usize>> {
    Err(ort::Error::new("the feature `cuda` is needed to ask on what nodes are placed"))
}
