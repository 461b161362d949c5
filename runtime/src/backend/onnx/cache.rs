//! Key-value caches and the small inputs of a run, all bound once.
//!
//! Where a run reads copies of its inputs, as on a GPU, the small inputs are bound again for each run, and only they: keys and
//! values stay where they are, and logits are copied into the program's memory as the output that is bound.

use std::fmt;
use std::marker::PhantomData;

use half::f16;
use ort::session::{IoBinding, Session};
use ort::value::{PrimitiveTensorElementType, Tensor};
use pupil_models::graph::{self, ElementType};

use super::layout::Layout;
use super::lengths::Lengths;
use super::memory::Memory;
use crate::backend::{BackendError, KeyValueCache, KeyValueRows};
use crate::sampler::TokenId;

/// What a cache is made for, and where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) session: &'a Session,
    pub(super) layout: &'a Layout,
    pub(super) memory: Memory,
}

/// Keys and values of some rows, bound as both past and present.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) binding: IoBinding,
    input_ids: Tensor<i64>,
    lengths: Lengths,
    rows: usize,
    logits_to_keep: Tensor<i64>,
    logits_to_keep_name: &'static str,
    /// Address of the logits that are bound as output, or 0.
    logits_address: usize,
    capacity_tokens: usize,
    memory: Memory,
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

/// Bytes that one cache has and another is to have. Only [`Buffers::spans`] makes them, so that they lie in the buffers of two
/// caches which are borrowed for as long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span<'a> {
    from: usize,
    to: usize,
    bytes: usize,
    caches: PhantomData<&'a Buffers>,
}

impl Span<'_> {
    /// Address of the bytes that are there.
    pub(super) fn from(&self) -> usize {
        self.from
    }

    /// Address that they are copied to.
    pub(super) fn to(&self) -> usize {
        self.to
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Buffers {
    /// The first `bytes` of every head of the only row here, and where they go in row `row` of `to`.
    ///
    /// # Panics
    /// There is no such row, or heads of one of the two have fewer bytes, or they differ in heads or layers.
    pub(super) fn spans<'a>(
        &'a self,
        to: &'a mut Self,
        row: usize,
        bytes: usize,
    ) -> impl Iterator<Item = Span<'a>> + use<'a> {
        assert!(
            bytes <= self.head_bytes.min(to.head_bytes) && row < to.rows,
            "a row with room for {bytes} bytes a head"
        );
        assert_eq!((self.addresses.len(), self.heads), (to.addresses.len(), to.heads), "caches of one student");
        let to = &*to;
        let pairs = self.addresses.iter().zip(&to.addresses);
        pairs.flat_map(move |(from_buffer, to_buffer)| {
            (0..self.heads).map(move |head| Span {
                from: from_buffer + head * self.head_bytes,
                to: to_buffer + (row * self.heads + head) * to.head_bytes,
                bytes,
                caches: PhantomData,
            })
        })
    }
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
    fn new(place: Place<'_>, rows: usize, capacity_tokens: usize) -> ort::Result<Self> {
        let Place { session, layout, memory } = place;
        let mut binding = session.create_binding()?;
        let buffers = if layout.format.cache_element() == ElementType::Float16 {
            bind_cache::<f16>(&mut binding, place, rows, capacity_tokens)?
        } else {
            bind_cache::<f32>(&mut binding, place, rows, capacity_tokens)?
        };
        let mut bound = Self {
            binding,
            input_ids: tensor([rows, 1], vec![0; rows])?,
            lengths: Lengths::new(rows, layout.format)?,
            rows,
            logits_to_keep: tensor([1], vec![1])?,
            logits_to_keep_name: layout.logits_to_keep(),
            logits_address: 0,
            capacity_tokens,
            memory,
            buffers,
        };
        bound.bind_small_inputs()?;
        Ok(bound)
    }

    fn bind_small_inputs(&mut self) -> ort::Result<()> {
        self.binding.bind_input(graph::INPUT_IDS, &self.input_ids)?;
        self.binding.bind_input(self.logits_to_keep_name, &self.logits_to_keep)?;
        self.lengths.bind(&mut self.binding)
    }

    /// Writes the inputs of a run that appends `tokens`, as many to each row; `totals` are the rows' lengths after it.
    fn set_inputs(&mut self, tokens: &[TokenId], totals: impl Iterator<Item = usize>, keep: usize) -> ort::Result<()> {
        let columns = tokens.len() / self.rows;
        let is_other_shape = self.input_ids.shape()[1] != columns as i64;
        if is_other_shape {
            self.input_ids = tensor([self.rows, columns], vec![0; tokens.len()])?;
        }
        let (_, ids) = self.input_ids.extract_tensor_mut();
        ids.iter_mut().zip(tokens).for_each(|(id, &token)| *id = i64::from(token));
        self.lengths.set(&mut self.binding, totals)?;
        self.logits_to_keep.extract_tensor_mut().1[0] = keep as i64;
        // Otherwise the binding refers to the memory that was written.
        if is_other_shape || self.memory.is_remote() { self.bind_small_inputs() } else { Ok(()) }
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
    Place { session, layout, memory }: Place<'_>,
    rows: usize,
    capacity_tokens: usize,
) -> ort::Result<Buffers> {
    let allocator = memory.allocator(session)?;
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
            let mut buffer = Tensor::<T>::new(&allocator, shape)?;
            buffers.addresses.push(buffer.data_ptr_mut().expose_provenance());
            binding.bind_input(past, &buffer)?;
            binding.bind_output(present, buffer)?;
        }
    }
    Ok(buffers)
}

impl OnnxCache {
    pub(super) fn new(place: Place<'_>, capacity_tokens: usize) -> ort::Result<Self> {
        Ok(Self { bound: Bound::new(place, 1, capacity_tokens)?, length_tokens: 0 })
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
    pub(super) fn new(place: Place<'_>, rows: usize, capacity_tokens: usize) -> ort::Result<Self> {
        Ok(Self { bound: Bound::new(place, rows, capacity_tokens)?, lengths: vec![0; rows] })
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

    /// Makes a row hold what `cache` holds, by `copy`.
    pub(super) fn fork(
        &mut self,
        cache: &OnnxCache,
        row: usize,
        layout: &Layout,
        copy: impl FnOnce(&mut dyn Iterator<Item = Span<'_>>) -> Result<(), BackendError>,
    ) -> Result<(), BackendError> {
        let (found, capacity_tokens) = (cache.length_tokens, self.bound.capacity_tokens);
        if found > capacity_tokens {
            return Err(BackendError::Capacity { capacity_tokens, found });
        }
        copy(&mut cache.bound.buffers.spans(&mut self.bound.buffers, row, layout.used_bytes(found)))?;
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
