//! Key-value caches and the small inputs of a run, all bound once.

use std::fmt;

use half::f16;
use ort::memory::Allocator;
use ort::session::{IoBinding, Session};
use ort::value::{PrimitiveTensorElementType, Tensor};
use pupil_models::graph::{self, ElementType};

use super::layout::Layout;
use super::lengths::Lengths;
use super::native;
use crate::backend::{BackendError, KeyValueCache, KeyValueRows};
use crate::sampler::TokenId;

/// Keys and values of some rows, bound as both past and present.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) binding: IoBinding,
    input_ids: Tensor<i64>,
    lengths: Lengths,
    rows: usize,
    logits_to_keep: Tensor<i64>,
    /// Address of the logits that are bound as output, or 0.
    logits_address: usize,
    capacity_tokens: usize,
    buffers: Buffers,
}

/// Where the keys and the values lie that a binding keeps alive, `[rows, heads, head_bytes]` each.
#[derive(Debug)]
pub(super) struct Buffers {
    /// One for the keys and one for the values of every layer.
    pub(super) addresses: Vec<usize>,
    pub(super) rows: usize,
    /// Key and value heads.
    pub(super) heads: usize,
    /// Bytes of the keys, or the values, of a row and head.
    pub(super) head_bytes: usize,
}

/// Keys and values of one sequence.
#[derive(Debug)]
pub struct OnnxCache {
    pub(super) bound: Bound,
    length_tokens: usize,
}

/// Keys and values of several sequences, each of a length of its own.
#[derive(Debug)]
pub struct OnnxRows {
    pub(super) bound: Bound,
    lengths: Vec<usize>,
}

impl Bound {
    fn new(session: &Session, layout: &Layout, rows: usize, capacity_tokens: usize) -> ort::Result<Self> {
        let mut binding = session.create_binding()?;
        let buffers = if layout.format.cache_element() == ElementType::Float16 {
            bind_cache::<f16>(&mut binding, layout, rows, capacity_tokens)?
        } else {
            bind_cache::<f32>(&mut binding, layout, rows, capacity_tokens)?
        };
        let lengths = Lengths::new(&mut binding, rows, layout.format)?;
        let mut bound = Self {
            binding,
            input_ids: tensor([rows, 1], vec![0; rows])?,
            lengths,
            rows,
            logits_to_keep: tensor([1], vec![1])?,
            logits_address: 0,
            capacity_tokens,
            buffers,
        };
        bound.binding.bind_input(graph::INPUT_IDS, &bound.input_ids)?;
        let keep = if layout.format.is_portable() { graph::NUM_LOGITS_TO_KEEP } else { graph::LOGITS_TO_KEEP };
        bound.binding.bind_input(keep, &bound.logits_to_keep)?;
        Ok(bound)
    }

    /// Writes the inputs of a run that appends `tokens`, as many to each row; `totals` are the rows' lengths after it.
    fn set_inputs(&mut self, tokens: &[TokenId], totals: impl Iterator<Item = usize>, keep: usize) -> ort::Result<()> {
        let columns = tokens.len() / self.rows;
        if self.input_ids.shape()[1] != columns as i64 {
            self.input_ids = tensor([self.rows, columns], vec![0; tokens.len()])?;
            self.binding.bind_input(graph::INPUT_IDS, &self.input_ids)?;
        }
        // The binding refers to the same memory on the CPU, so writing is enough.
        let (_, ids) = self.input_ids.extract_tensor_mut();
        ids.iter_mut().zip(tokens).for_each(|(id, &token)| *id = i64::from(token));
        self.lengths.set(&mut self.binding, totals)?;
        self.logits_to_keep.extract_tensor_mut().1[0] = keep as i64;
        Ok(())
    }

    /// Binds `logits` as the output, unless it is bound already.
    pub(super) fn bind_logits(&mut self, logits: &mut Tensor<f32>) -> ort::Result<()> {
        let address = logits.data_ptr() as usize;
        if self.logits_address != address {
            self.binding.bind_output(graph::LOGITS, logits)?;
            self.logits_address = address;
        }
        Ok(())
    }
}

/// Binds a buffer for the keys and one for the values of every layer, each as input and output.
fn bind_cache<T: PrimitiveTensorElementType + fmt::Debug + Clone + 'static>(
    binding: &mut IoBinding,
    layout: &Layout,
    rows: usize,
    capacity_tokens: usize,
) -> ort::Result<Buffers> {
    let shape = layout.shape(rows, capacity_tokens);
    let mut buffers = Buffers {
        addresses: Vec::with_capacity(2 * layout.layers()),
        rows,
        heads: layout.heads(),
        head_bytes: layout.head_bytes(capacity_tokens),
    };
    for layer in 0..layout.layers() {
        for (past, present) in [
            (graph::past_key(layer), graph::present_key(layer)),
            (graph::past_value(layer), graph::present_value(layer)),
        ] {
            let mut buffer = Tensor::<T>::new(&Allocator::default(), shape)?;
            buffers.addresses.push(buffer.data_ptr_mut().expose_provenance());
            binding.bind_input(past, &buffer)?;
            binding.bind_output(present, buffer)?;
        }
    }
    Ok(buffers)
}

impl OnnxCache {
    pub(super) fn new(session: &Session, layout: &Layout, capacity_tokens: usize) -> ort::Result<Self> {
        Ok(Self { bound: Bound::new(session, layout, 1, capacity_tokens)?, length_tokens: 0 })
    }

    /// Writes the inputs of a run that appends `tokens`.
    pub(super) fn set_inputs(&mut self, tokens: &[TokenId], keep: usize) -> ort::Result<()> {
        self.bound.set_inputs(tokens, std::iter::once(self.length_tokens + tokens.len()), keep)
    }

    pub(super) fn grow(&mut self, tokens: usize) {
        self.length_tokens += tokens;
    }
}

impl KeyValueCache for OnnxCache {
    fn capacity_tokens(&self) -> usize {
        self.bound.capacity_tokens
    }

    fn length_tokens(&self) -> usize {
        self.length_tokens
    }

    fn truncate(&mut self, length_tokens: usize) {
        self.length_tokens = self.length_tokens.min(length_tokens);
    }
}

impl OnnxRows {
    pub(super) fn new(session: &Session, layout: &Layout, rows: usize, capacity_tokens: usize) -> ort::Result<Self> {
        Ok(Self { bound: Bound::new(session, layout, rows, capacity_tokens)?, lengths: vec![0; rows] })
    }

    pub(super) fn rows(&self) -> usize {
        self.lengths.len()
    }

    /// Refuses one more token in a row that is full.
    pub(super) fn check_room(&self) -> Result<(), BackendError> {
        let capacity_tokens = self.bound.capacity_tokens;
        match self.lengths.iter().find(|&&length| length >= capacity_tokens) {
            Some(length) => Err(BackendError::Capacity { capacity_tokens, found: length + 1 }),
            None => Ok(()),
        }
    }

    /// Writes the inputs of a run that appends a token to each row.
    pub(super) fn set_inputs(&mut self, tokens: &[TokenId]) -> ort::Result<()> {
        self.bound.set_inputs(tokens, self.lengths.iter().map(|length| length + 1), 1)
    }

    pub(super) fn grow(&mut self) {
        self.lengths.iter_mut().for_each(|length| *length += 1);
    }

    /// Makes a row hold what `cache` holds.
    pub(super) fn fork(&mut self, cache: &OnnxCache, row: usize, layout: &Layout) -> Result<(), BackendError> {
        let (found, capacity_tokens) = (cache.length_tokens, self.bound.capacity_tokens);
        if found > capacity_tokens {
            return Err(BackendError::Capacity { capacity_tokens, found });
        }
        native::copy_heads(&cache.bound.buffers, &mut self.bound.buffers, row, layout.used_bytes(found));
        self.lengths[row] = found;
        Ok(())
    }
}

impl KeyValueRows for OnnxRows {
    fn clear(&mut self, row: usize) {
        self.lengths[row] = 0;
    }
}

pub(super) fn tensor<T: PrimitiveTensorElementType + fmt::Debug + Clone + 'static, const RANK: usize>(
    shape: [usize; RANK],
    values: Vec<T>,
) -> ort::Result<Tensor<T>> {
    Tensor::from_array((shape, values))
}
