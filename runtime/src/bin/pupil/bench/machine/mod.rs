//! What the system tells about this machine and this process.

pub(super) mod memory;
pub(super) mod meter;
pub(super) mod sensors;
pub(super) mod storage;
