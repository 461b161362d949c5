#![expect(
    unsafe_code,
    reason = "tensors of a running graph: `ort` would allocate a value for each, several times a layer"
)]
//! The operators of native bundles, registered with ONNX Runtime under the domain `pupil`.
//!
//! The kernels know slices only; here a node's attributes and tensors become slices, and ONNX Runtime's own threads become
//! workers. `models/README.md` specifies the operators.

use std::cell::RefCell;

use ort::operator::{ComputeContext, Kernel, KernelContext, Operator, OperatorDomain, OperatorInput, OperatorOutput};
use ort::value::TensorElementType::{Float16, Float32, Float64, Int32, Int64, Uint8};
use pupil_models::graph;
use pupil_models::packed::{PackedShape, Precision};

use super::tensors::{Tensors, Threads};
use crate::kernels::{self, Activations, Attention, CacheType, Heads, Kernels, Linear, Norm, Shared};

thread_local! {
    /// Prepared inputs of linear layers: one buffer serves all layers, because they run one after the other.
    static ACTIVATIONS: RefCell<Activations> = RefCell::default();
}

/// What every operator computes with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Machine {
    pub(super) kernels: &'static Kernels,
    /// Threads of the session.
    pub(super) threads: usize,
    /// What keys and values are stored as, whatever the graph declares.
    pub(super) cache: CacheType,
}

/// The domain with all operators.
pub(super) fn domain(machine: Machine) -> ort::Result<OperatorDomain> {
    OperatorDomain::new(graph::NATIVE_DOMAIN)?
        .add(Embed)?
        .add(Phases)?
        .add(LinearLayer(machine))?
        .add(AttentionLayer(machine))
}

/// The attribute `name` of a node, a number that is not negative.
fn size(context: &KernelContext<'_>, name: &str) -> ort::Result<usize> {
    let value: Option<i64> = context.get(name);
    value
        .and_then(|value| usize::try_from(value).ok())
        .ok_or_else(|| ort::Error::new(format!("attribute `{name}`: expected a number from 0, found {}", shown(value))))
}

fn shown(value: Option<i64>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| value.to_string())
}

fn precision(context: &KernelContext<'_>) -> ort::Result<Precision> {
    let bits: Option<i64> = context.get("bits");
    bits.and_then(Precision::from_bits)
        .ok_or_else(|| ort::Error::new(format!("attribute `bits`: expected 4, 8 or 16, found {}", shown(bits))))
}

fn refuse<T>(what: &str, expected: usize, found: usize) -> ort::Result<T> {
    Err(ort::Error::new(format!("{what}: expected {expected}, found {found}")))
}

fn require(what: &str, expected: usize, found: usize) -> ort::Result<()> {
    if expected == found { Ok(()) } else { refuse(what, expected, found) }
}

struct Embed;

impl Operator for Embed {
    type Kernel<'attr> = EmbedKernel;

    fn name(&self) -> &'static str {
        "Embedding"
    }

    fn inputs(&self) -> impl IntoIterator<Item = OperatorInput> {
        [OperatorInput::required(Int64), OperatorInput::required(Uint8)]
    }

    fn outputs(&self) -> impl IntoIterator<Item = OperatorOutput> {
        [OperatorOutput::required(Float32)]
    }

    fn create_kernel(&self, context: &KernelContext<'_>) -> ort::Result<EmbedKernel> {
        let shape = PackedShape::new(size(context, "rows")?, size(context, "columns")?, precision(context)?);
        Ok(EmbedKernel { shape })
    }
}

struct EmbedKernel {
    shape: PackedShape,
}

impl Kernel for EmbedKernel {
    fn compute(&mut self, context: &ComputeContext) -> ort::Result<()> {
        let tensors = Tensors::new(context);
        // SAFETY: the element types are those of `inputs` and `outputs`, which ONNX Runtime has checked.
        let (ids, table) = unsafe { (tensors.input::<i64>(0)?, tensors.input::<u8>(1)?) };
        require("bytes of the embedding table", self.shape.bytes(), table.len())?;
        // SAFETY: as above.
        let output = unsafe { tensors.output::<f32>(0, &[ids.len(), self.shape.columns])? };
        for (&id, output) in ids.iter().zip(output.chunks_exact_mut(self.shape.columns)) {
            match usize::try_from(id).ok().filter(|&row| row < self.shape.rows) {
                Some(row) => kernels::embed(&self.shape, table, row, output),
                None => {
                    return Err(ort::Error::new(format!(
                        "token id: expected one below {}, found {id}",
                        self.shape.rows
                    )));
                }
            }
        }
        Ok(())
    }
}

struct Phases;

impl Operator for Phases {
    type Kernel<'attr> = PhasesKernel;

    fn name(&self) -> &'static str {
        "RotaryPhases"
    }

    fn inputs(&self) -> impl IntoIterator<Item = OperatorInput> {
        [OperatorInput::required(Int64), OperatorInput::required(Int32), OperatorInput::required(Float64)]
    }

    fn outputs(&self) -> impl IntoIterator<Item = OperatorOutput> {
        [OperatorOutput::required(Float32)]
    }

    fn create_kernel(&self, _context: &KernelContext<'_>) -> ort::Result<PhasesKernel> {
        Ok(PhasesKernel)
    }
}

struct PhasesKernel;

impl Kernel for PhasesKernel {
    fn compute(&mut self, context: &ComputeContext) -> ort::Result<()> {
        let tensors = Tensors::new(context);
        // SAFETY: the element types are those of `inputs` and `outputs`, which ONNX Runtime has checked.
        let (ids, last, frequencies) =
            unsafe { (tensors.input::<i64>(0)?, tensors.input::<i32>(1)?, tensors.input::<f64>(2)?) };
        if last.is_empty() || !ids.len().is_multiple_of(last.len()) {
            return Err(ort::Error::new(format!(
                "rows: expected a divisor of {} tokens, found {}",
                ids.len(),
                last.len()
            )));
        }
        let (sequence, width) = (ids.len() / last.len(), 2 * frequencies.len());
        // SAFETY: as above.
        let output = unsafe { tensors.output::<f32>(0, &[ids.len(), width])? };
        for (&last, output) in last.iter().zip(output.chunks_exact_mut(sequence * width)) {
            for (index, phases) in output.chunks_exact_mut(width).enumerate() {
                let position = (i64::from(last) + 1 + index as i64 - sequence as i64).max(0);
                kernels::write_phases(position as usize, frequencies, phases);
            }
        }
        Ok(())
    }
}

struct LinearLayer(Machine);

impl Operator for LinearLayer {
    type Kernel<'attr> = LinearKernel;

    fn name(&self) -> &'static str {
        "Linear"
    }

    fn inputs(&self) -> impl IntoIterator<Item = OperatorInput> {
        [
            OperatorInput::required(Float32),
            OperatorInput::required(Uint8),
            OperatorInput::optional(Float32),
            OperatorInput::optional(Float32),
            OperatorInput::optional(Float32),
        ]
    }

    fn outputs(&self) -> impl IntoIterator<Item = OperatorOutput> {
        [OperatorOutput::required(Float32)]
    }

    fn create_kernel(&self, context: &KernelContext<'_>) -> ort::Result<LinearKernel> {
        let (width, columns, precision) = (size(context, "rows")?, size(context, "columns")?, precision(context)?);
        let gated = size(context, "gated")? != 0;
        let shape = if gated {
            PackedShape::gated(width, columns, precision)
        } else {
            PackedShape::new(width, columns, precision)
        };
        let epsilon = context.get::<f32>("epsilon").unwrap_or(0.0);
        Ok(LinearKernel { machine: self.0, shape, width, gated, epsilon })
    }
}

struct LinearKernel {
    machine: Machine,
    shape: PackedShape,
    width: usize,
    gated: bool,
    epsilon: f32,
}

impl Kernel for LinearKernel {
    fn compute(&mut self, context: &ComputeContext) -> ort::Result<()> {
        let tensors = Tensors::new(context);
        // SAFETY: the element types are those of `inputs` and `outputs`, which ONNX Runtime has checked.
        let (input, matrix, norm, bias, residual) = unsafe {
            (
                tensors.input::<f32>(0)?,
                tensors.input::<u8>(1)?,
                tensors.optional_input::<f32>(2)?,
                tensors.optional_input::<f32>(3)?,
                tensors.optional_input::<f32>(4)?,
            )
        };
        require("bytes of a packed matrix", self.shape.bytes(), matrix.len())?;
        let rows = input.len() / self.shape.columns;
        require("values of a linear layer's input", rows * self.shape.columns, input.len())?;
        require("values of a norm", self.shape.columns, norm.map_or(self.shape.columns, <[f32]>::len))?;
        require("values of a bias", self.width, bias.map_or(self.width, <[f32]>::len))?;
        require("values of a residual", rows * self.width, residual.map_or(rows * self.width, <[f32]>::len))?;
        if self.gated && (bias.is_some() || residual.is_some()) {
            return Err(ort::Error::new("a gated layer: expected neither bias nor residual, found one"));
        }
        // SAFETY: as above.
        let output = unsafe { tensors.output::<f32>(0, &[rows, self.width])? };
        let norm = norm.map(|weight| Norm { weight, epsilon: self.epsilon });
        let layer = Linear { shape: self.shape, matrix, width: self.width, gated: self.gated, norm, bias, residual };
        let workers = Threads::new(context, self.machine.threads);
        ACTIVATIONS.with_borrow_mut(|activations| {
            layer.compute(self.machine.kernels, &workers, activations, input, output);
        });
        workers.outcome()
    }
}

struct AttentionLayer(Machine);

impl Operator for AttentionLayer {
    type Kernel<'attr> = AttentionKernel;

    fn name(&self) -> &'static str {
        "Attention"
    }

    fn inputs(&self) -> impl IntoIterator<Item = OperatorInput> {
        [
            OperatorInput::required(Float32),
            OperatorInput::required(Float32),
            OperatorInput::required(Float16),
            OperatorInput::required(Float16),
            OperatorInput::required(Int32),
        ]
    }

    fn outputs(&self) -> impl IntoIterator<Item = OperatorOutput> {
        [OperatorOutput::required(Float32), OperatorOutput::required(Float16), OperatorOutput::required(Float16)]
    }

    fn create_kernel(&self, context: &KernelContext<'_>) -> ort::Result<AttentionKernel> {
        let heads = Heads {
            query: size(context, "heads")?,
            key_value: size(context, "kv_heads")?,
            head_dim: size(context, "head_dim")?,
        };
        Ok(AttentionKernel { machine: self.0, heads })
    }
}

struct AttentionKernel {
    machine: Machine,
    heads: Heads,
}

impl Kernel for AttentionKernel {
    fn compute(&mut self, context: &ComputeContext) -> ort::Result<()> {
        let tensors = Tensors::new(context);
        // SAFETY: the element types are those of `inputs` and `outputs`, which ONNX Runtime has checked.
        let (input, phases, past, last_positions) = unsafe {
            (tensors.input::<f32>(0)?, tensors.input::<f32>(1)?, tensors.shape(2)?, tensors.input::<i32>(4)?)
        };
        let [rows, kv_heads, _, head_dim] = past;
        require("rows of the cache", last_positions.len(), rows)?;
        require("key heads of the cache", self.heads.key_value, kv_heads)?;
        require("width of a head in the cache", self.heads.head_dim, head_dim)?;
        let tokens = phases.len() / head_dim.max(1);
        // SAFETY: as above. Keys and values are changed in place: the outputs must be bound to the memory of the inputs,
        // which the addresses prove, and nobody else runs on this cache (promise of `OnnxBackend`, which borrows it).
        let (output, keys, values) = unsafe {
            (
                tensors.output::<f32>(0, &[tokens, self.heads.output_width()])?,
                tensors.in_place(2, 1, &past)?,
                tensors.in_place(3, 2, &past)?,
            )
        };
        let workers = Threads::new(context, self.machine.threads);
        let attention = Attention {
            heads: self.heads,
            input,
            phases,
            last_positions,
            cache: self.machine.cache,
            keys: Shared::new(keys),
            values: Shared::new(values),
            output: Shared::new(output),
        };
        attention.compute(self.machine.kernels, &workers).map_err(ort::Error::new)?;
        workers.outcome()
    }
}
