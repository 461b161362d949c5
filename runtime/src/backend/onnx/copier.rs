//! Copies within the memory of a device, which the program cannot reach: by a graph that does nothing else.

use std::ffi::CStr;

use ort::environment::Environment;
use ort::memory::MemoryInfo;
use ort::session::{IoBinding, Session};

use super::cache::Span;
use super::memory::Memory;
use super::{cuda, native};

/// Input and output of the graph.
const NAMES: [&CStr; 2] = [c"x", c"y"];

/// A session on the device that copies bytes.
#[derive(Debug)]
pub(super) struct Copier {
    session: Session,
    binding: IoBinding,
    memory: MemoryInfo<'static>,
}

impl Copier {
    pub(super) fn new(environment: &Environment, memory: Memory) -> ort::Result<Self> {
        let builder = Session::builder(environment)?.with_intra_threads(1)?.with_inter_threads(1)?;
        let session = cuda::register(builder, memory.device())?.commit_from_memory(&identity())?;
        let binding = session.create_binding()?;
        Ok(Self { session, binding, memory: memory.info()? })
    }

    /// Copies; all is there when this returns.
    pub(super) fn copy<'a>(&mut self, spans: impl Iterator<Item = Span<'a>>) -> ort::Result<()> {
        for span in spans.filter(|span| span.bytes() > 0) {
            native::run_on_span(&mut self.session, &mut self.binding, &self.memory, NAMES, span)?;
        }
        self.binding.synchronize_outputs()?;
        // Nothing of the caches is kept.
        self.binding.clear();
        Ok(())
    }
}

/// `y = Identity(x)` over bytes `[n]`, as an ONNX file: nested records of (field, value), where no record is longer than 127
/// bytes.
fn identity() -> Vec<u8> {
    const BYTES: u8 = 2; // the element type
    let record = |field: u8, content: &[u8]| [&[field << 3 | 2, content.len() as u8], content].concat();
    let number = |field: u8, value: u8| vec![field << 3, value];
    let dimension = record(1, &record(2, b"n"));
    let bytes = record(1, &[number(1, BYTES), record(2, &dimension)].concat());
    let value = |field, name: &[u8]| record(field, &[record(1, name), record(2, &bytes)].concat());
    let [x, y] = NAMES.map(CStr::to_bytes);
    let node = record(1, &[record(1, x), record(2, y), record(4, b"Identity")].concat());
    let graph = record(7, &[node, record(2, b"copy"), value(11, x), value(12, y)].concat());
    [number(1, 8), record(8, &number(2, 16)), graph].concat()
}
