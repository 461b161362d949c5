//! The key-value cache and the small inputs of a run, all bound once.

use ort::memory::Allocator;
use ort::session::{IoBinding, Session};
use ort::value::Tensor;
use pupil_models::config::StudentConfig;
use pupil_models::graph;

use crate::backend::KeyValueCache;
use crate::sampler::TokenId;

/// Keys and values of one sequence, `[1, kv_heads, capacity, head_dim]` per layer, bound as both past and present.
#[derive(Debug)]
pub struct OnnxCache {
    pub(super) binding: IoBinding,
    input_ids: Tensor<i64>,
    last_position: Tensor<i32>,
    total_length: Tensor<i32>,
    logits_to_keep: Tensor<i64>,
    /// Address of the logits that are bound as output.
    bound_logits: usize,
    capacity_tokens: usize,
    length_tokens: usize,
}

impl OnnxCache {
    pub(super) fn new(session: &Session, config: &StudentConfig, capacity_tokens: usize) -> ort::Result<Self> {
        let mut binding = session.create_binding()?;
        let shape = [1, config.kv_heads, capacity_tokens, config.head_dim];
        for layer in 0..config.layers {
            for (past, present) in [
                (graph::past_key(layer), graph::present_key(layer)),
                (graph::past_value(layer), graph::present_value(layer)),
            ] {
                let buffer = Tensor::<f32>::new(&Allocator::default(), shape)?;
                binding.bind_input(past, &buffer)?;
                binding.bind_output(present, buffer)?;
            }
        }
        let mut cache = Self {
            binding,
            input_ids: tensor([1, 1], vec![0])?,
            last_position: tensor([1], vec![0])?,
            total_length: tensor([], vec![0])?,
            logits_to_keep: tensor([1], vec![1])?,
            bound_logits: 0,
            capacity_tokens,
            length_tokens: 0,
        };
        cache.binding.bind_input(graph::INPUT_IDS, &cache.input_ids)?;
        cache.binding.bind_input(graph::LAST_POSITION, &cache.last_position)?;
        cache.binding.bind_input(graph::TOTAL_LENGTH, &cache.total_length)?;
        cache.binding.bind_input(graph::LOGITS_TO_KEEP, &cache.logits_to_keep)?;
        Ok(cache)
    }

    /// Writes the inputs of a run that appends `tokens`.
    pub(super) fn set_inputs(&mut self, tokens: &[TokenId], keep: usize) -> ort::Result<()> {
        if self.input_ids.shape()[1] != tokens.len() as i64 {
            self.input_ids = tensor([1, tokens.len()], vec![0; tokens.len()])?;
            self.binding.bind_input(graph::INPUT_IDS, &self.input_ids)?;
        }
        // The binding refers to the same memory on the CPU, so writing is enough.
        let (_, ids) = self.input_ids.extract_tensor_mut();
        ids.iter_mut().zip(tokens).for_each(|(id, &token)| *id = i64::from(token));
        let total = (self.length_tokens + tokens.len()) as i32;
        self.last_position.extract_tensor_mut().1[0] = total - 1;
        self.total_length.extract_tensor_mut().1[0] = total;
        self.logits_to_keep.extract_tensor_mut().1[0] = keep as i64;
        Ok(())
    }

    /// Binds `logits` as the output, unless it is bound already.
    pub(super) fn bind_logits(&mut self, logits: &mut Tensor<f32>) -> ort::Result<()> {
        let address = logits.data_ptr() as usize;
        if self.bound_logits != address {
            self.binding.bind_output(graph::LOGITS, logits)?;
            self.bound_logits = address;
        }
        Ok(())
    }

    pub(super) fn grow(&mut self, tokens: usize) {
        self.length_tokens += tokens;
    }
}

impl KeyValueCache for OnnxCache {
    fn capacity_tokens(&self) -> usize {
        self.capacity_tokens
    }

    fn length_tokens(&self) -> usize {
        self.length_tokens
    }

    fn truncate(&mut self, length_tokens: usize) {
        self.length_tokens = self.length_tokens.min(length_tokens);
    }
}

fn tensor<T: ort::value::PrimitiveTensorElementType + std::fmt::Debug + Clone + 'static, const RANK: usize>(
    shape: [usize; RANK],
    values: Vec<T>,
) -> ort::Result<Tensor<T>> {
    Tensor::from_array((shape, values))
}
