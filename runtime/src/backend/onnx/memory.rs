//! The memory that keys and values lie in.

use ort::memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType};
use ort::session::Session;

use crate::device::Device;

/// Memory of a device, and whether the program can look into it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Memory {
    device: Device,
    is_remote: bool,
}

impl Memory {
    pub(super) fn of(device: Device) -> Self {
        Self { device, is_remote: device != Device::Cpu }
    }

    /// The CPU's memory, used as if it were another device's: what is done for a GPU can be tested without one.
    pub(super) fn as_if_remote(self) -> Self {
        Self { is_remote: true, ..self }
    }

    pub(super) fn device(self) -> Device {
        self.device
    }

    /// Whether the program must not touch keys and values, and a run sees inputs as they were when they were bound.
    pub(super) fn is_remote(self) -> bool {
        self.is_remote
    }

    pub(super) fn info(self) -> ort::Result<MemoryInfo<'static>> {
        let (device, ordinal) = match self.device {
            Device::Cpu => (AllocationDevice::CPU, 0),
            Device::Cuda { ordinal } => (AllocationDevice::CUDA, i32::from(ordinal)),
        };
        MemoryInfo::new(device, ordinal, AllocatorType::Device, MemoryType::Default)
    }

    /// What allocates in this memory for `session`, which runs on the device.
    pub(super) fn allocator(self, session: &Session) -> ort::Result<Allocator> {
        match self.device {
            Device::Cpu => Ok(Allocator::default()),
            Device::Cuda { .. } => Allocator::new(session, self.info()?),
        }
    }
}
