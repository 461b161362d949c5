//! Layers and attentions of made-up content, for benchmarks.

use pupil_models::packed::{PackedShape, Precision};

use super::{Activations, Attention, CacheType, Heads, InstructionSet, Kernels, Linear, Shared, workers::Alone};

/// A linear layer, repeated with matrices of its own so that together they outgrow the caches if wanted.
#[derive(Debug)]
pub struct LayerWorkload {
    kernels: &'static Kernels,
    shape: PackedShape,
    matrices: Vec<Vec<u8>>,
    input: Vec<f32>,
    output: Vec<f32>,
    activations: Activations,
}

impl LayerWorkload {
    /// `copies` matrices `[rows, columns]` and `tokens` rows of input; `None` where the instructions are not available.
    #[must_use]
    pub fn new(
        set: InstructionSet,
        [rows, columns]: [usize; 2],
        precision: Precision,
        tokens: usize,
        copies: usize,
    ) -> Option<Self> {
        let shape = PackedShape::new(rows, columns, precision);
        // Bytes below 60 are 4-bit and 8-bit values, and small finite float16.
        let matrix = |copy: usize| (0..shape.bytes()).map(|index| ((index * 37 + copy) % 60) as u8).collect();
        Some(Self {
            kernels: Kernels::of(set)?,
            shape,
            matrices: (0..copies).map(matrix).collect(),
            input: numbers(tokens * columns),
            output: vec![0.0; tokens * rows],
            activations: Activations::default(),
        })
    }

    /// Multiplies the input by every matrix, on one thread.
    pub fn run(&mut self) -> &[f32] {
        for matrix in &self.matrices {
            let layer = Linear {
                shape: self.shape,
                matrix,
                width: self.shape.rows,
                gated: false,
                norm: None,
                bias: None,
                residual: None,
            };
            layer.compute(self.kernels, &Alone, &mut self.activations, &self.input, &mut self.output);
        }
        &self.output
    }

    /// Bytes of all matrices.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.matrices.len() * self.shape.bytes()
    }

    /// Products of weights and activations in a run.
    #[must_use]
    pub fn products(&self) -> usize {
        self.matrices.len() * self.input.len() * self.shape.rows
    }
}

/// An attention over a cache that holds some positions already.
#[derive(Debug)]
pub struct AttentionWorkload {
    kernels: &'static Kernels,
    heads: Heads,
    cache: CacheType,
    last_position: i32,
    input: Vec<f32>,
    phases: Vec<f32>,
    keys: Vec<u8>,
    values: Vec<u8>,
    output: Vec<f32>,
}

impl AttentionWorkload {
    /// `sequence` new positions behind `past` others in a cache of this type, for `[query heads, key heads, width of a
    /// head]`; `None` where the instructions are not available.
    #[must_use]
    pub fn new(
        set: InstructionSet,
        [query, key_value, head_dim]: [usize; 3],
        cache: CacheType,
        sequence: usize,
        past: usize,
    ) -> Option<Self> {
        let heads = Heads { query, key_value, head_dim };
        let bytes = vec![0; key_value * cache.head_bytes(head_dim, past + sequence)];
        Some(Self {
            kernels: Kernels::of(set)?,
            heads,
            cache,
            last_position: (past + sequence) as i32 - 1,
            input: numbers(sequence * heads.input_width()),
            phases: numbers(sequence * head_dim),
            keys: bytes.clone(),
            values: bytes,
            output: vec![0.0; sequence * heads.output_width()],
        })
    }

    /// Appends and attends, on one thread.
    ///
    /// # Errors
    /// The sizes do not fit each other.
    pub fn run(&mut self) -> Result<&[f32], String> {
        let attention = Attention {
            heads: self.heads,
            input: &self.input,
            phases: &self.phases,
            last_positions: &[self.last_position],
            cache: self.cache,
            keys: Shared::new(&mut self.keys),
            values: Shared::new(&mut self.values),
            output: Shared::new(&mut self.output),
        };
        attention.compute(self.kernels, &Alone)?;
        Ok(&self.output)
    }
}

/// Numbers from −1 to 1 that repeat only after 101.
fn numbers(count: usize) -> Vec<f32> {
    (0..count).map(|index| (index * 37 % 101) as f32 / 50.0 - 1.0).collect()
}
