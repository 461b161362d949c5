//! `Ops` over our own operators, for the packed matrices of a native bundle.
//!
//! Norms, biases, residuals and the gate are computed inside the product that they stand beside. The forward pass names them
//! one after the other, so each waits in its [`Activation`] until its reader shows what it can be a part of.

use std::collections::HashMap;

use pupil_models::bundle::WeightsFile;
use pupil_models::config::StudentConfig;
use pupil_models::family::{self, Linear, NativeMatrix, NativeTensor, Ops, bias_name};
use pupil_models::graph::{self, NATIVE_DOMAIN};
use pupil_models::packed::Precision;

use super::nodes::{Nodes, float, int};
use crate::export::ExportError;
use crate::export::proto::code;
use crate::export::rotary::frequencies;

/// Cosines and sines of the positions, `[tokens, head_dim]`, which every layer uses.
const PHASES: &str = "rotary_phases";
/// The angle by which a position turns each pair, float64 `[head_dim / 2]`.
const FREQUENCIES: &str = "rotary_frequencies";

/// Emits the forward pass; every tensor of `weights` becomes an initializer whose bytes stay there.
pub(super) fn emit(config: &StudentConfig, weights: &WeightsFile) -> Result<Nodes, ExportError> {
    let tensors = family::native_tensors(config).into_iter().map(|tensor| (tensor.name().to_owned(), tensor)).collect();
    let mut ops = NativeOps { config, weights, tensors, nodes: Nodes::new() };
    let bytes = frequencies(config).iter().flat_map(|frequency| frequency.to_le_bytes()).collect();
    ops.nodes.constant(FREQUENCIES, code::DOUBLE, &[config.head_dim / 2], bytes);
    ops.nodes.node(
        "RotaryPhases",
        NATIVE_DOMAIN,
        &[graph::INPUT_IDS, graph::LAST_POSITION, FREQUENCIES],
        &[PHASES],
        vec![],
    );
    let logits = family::forward(config, &mut ops)?;
    let logits = ops.whole(&logits)?;
    ops.nodes.logits(&logits, config.vocab_size);
    Ok(ops.nodes)
}

struct NativeOps<'a> {
    config: &'a StudentConfig,
    weights: &'a WeightsFile,
    tensors: HashMap<String, NativeTensor>,
    nodes: Nodes,
}

/// An activation `[tokens, width]`.
#[derive(Clone)]
enum Activation {
    /// A value of the graph.
    Value(String),
    /// A normalised value.
    Normed(Normed),
    /// A product whose reader may be computed with it.
    Product(Product),
}

#[derive(Clone)]
struct Normed {
    input: String,
    weight: String,
    epsilon: f32,
}

#[derive(Clone)]
struct Product {
    input: String,
    norm: Option<Normed>,
    linear: Linear,
    gated: bool,
}

impl NativeOps<'_> {
    /// Makes a norm or bias an initializer.
    fn pour_vector(&mut self, name: &str) -> Result<(), ExportError> {
        if !self.nodes.is_new(name) {
            return Ok(());
        }
        match (self.tensors.get(name), self.weights.range(name)) {
            (Some(NativeTensor::Vector(vector)), Some(range)) => {
                self.nodes.external(name, code::FLOAT, &[vector.length], range);
                Ok(())
            }
            _ => Err(ExportError::MissingWeight { name: name.to_owned() }),
        }
    }

    /// Makes a matrix an initializer; tells its size, and the precision that it was packed with.
    fn pour_matrix(&mut self, name: &str) -> Result<(NativeMatrix, Precision), ExportError> {
        let missing = || ExportError::MissingWeight { name: name.to_owned() };
        let Some(NativeTensor::Matrix(matrix)) = self.tensors.get(name) else { return Err(missing()) };
        let matrix = matrix.clone();
        let range = self.weights.range(name).ok_or_else(missing)?;
        let precision = matrix.precision_of(range.bytes).ok_or_else(missing)?;
        if self.nodes.is_new(name) {
            self.nodes.external(name, code::UINT8, &[range.bytes], range);
        }
        Ok((matrix, precision))
    }

    /// The activation as a value.
    fn whole(&mut self, activation: &Activation) -> Result<String, ExportError> {
        match activation {
            Activation::Value(name) => Ok(name.clone()),
            Activation::Normed(Normed { input, weight, epsilon }) => {
                self.pour_vector(weight)?;
                let attributes = vec![int("axis", -1), float("epsilon", *epsilon)];
                Ok(self.nodes.value("RMSNormalization", &[input, weight], attributes))
            }
            Activation::Product(product) => self.product(product, None),
        }
    }

    fn product(&mut self, product: &Product, residual: Option<&str>) -> Result<String, ExportError> {
        let (matrix, precision) = self.pour_matrix(&product.linear.name)?;
        if product.gated != matrix.gated {
            return Err(ExportError::Projections { expected: 1, found: matrix.sources.len() });
        }
        let (mut norm, mut bias, mut epsilon) = (String::new(), String::new(), 0.0);
        if let Some(normed) = &product.norm {
            self.pour_vector(&normed.weight)?;
            (norm, epsilon) = (normed.weight.clone(), normed.epsilon);
        }
        if product.linear.projections.iter().any(|projection| projection.bias.is_some()) {
            bias = bias_name(&product.linear);
            self.pour_vector(&bias)?;
        }
        let mut inputs = vec![product.input.as_str(), &product.linear.name, &norm, &bias, residual.unwrap_or_default()];
        // An absent input is an empty name where others follow, and no name at the end.
        inputs.truncate(inputs.iter().rposition(|name| !name.is_empty()).map_or(0, |last| last + 1));
        let attributes = vec![
            int("rows", matrix.rows as i64),
            int("columns", matrix.columns as i64),
            int("bits", precision.bits() as i64),
            int("gated", i64::from(product.gated)),
            float("epsilon", epsilon),
        ];
        Ok(self.nodes.value_of("Linear", NATIVE_DOMAIN, &inputs, attributes))
    }
}

impl Ops for NativeOps<'_> {
    type Tensor = Activation;
    type Error = ExportError;

    fn embedding(&mut self, weight: &str) -> Result<Activation, ExportError> {
        let (matrix, precision) = self.pour_matrix(weight)?;
        let attributes = vec![
            int("rows", matrix.rows as i64),
            int("columns", matrix.columns as i64),
            int("bits", precision.bits() as i64),
        ];
        Ok(Activation::Value(self.nodes.value_of("Embedding", NATIVE_DOMAIN, &[graph::INPUT_IDS, weight], attributes)))
    }

    fn linear(&mut self, input: &Activation, linear: &Linear) -> Result<Activation, ExportError> {
        let (input, norm) = match input {
            Activation::Normed(normed) => (normed.input.clone(), Some(normed.clone())),
            other => (self.whole(other)?, None),
        };
        Ok(Activation::Product(Product { input, norm, linear: linear.clone(), gated: false }))
    }

    fn rms_norm(&mut self, input: &Activation, weight: &str, epsilon: f32) -> Result<Activation, ExportError> {
        let input = self.whole(input)?;
        Ok(Activation::Normed(Normed { input, weight: weight.to_owned(), epsilon }))
    }

    fn attention(&mut self, layer: usize, qkv: &Activation) -> Result<Activation, ExportError> {
        let qkv = self.whole(qkv)?;
        let attended = format!("attended_{layer}");
        let (past_key, past_value) = (graph::past_key(layer), graph::past_value(layer));
        let inputs = [qkv.as_str(), PHASES, &past_key, &past_value, graph::LAST_POSITION];
        let outputs = [attended.as_str(), &graph::present_key(layer), &graph::present_value(layer)];
        let attributes = vec![
            int("heads", self.config.heads as i64),
            int("kv_heads", self.config.kv_heads as i64),
            int("head_dim", self.config.head_dim as i64),
        ];
        self.nodes.node("Attention", NATIVE_DOMAIN, &inputs, &outputs, attributes);
        Ok(Activation::Value(attended))
    }

    fn gated_silu(&mut self, gate_up: &Activation) -> Result<Activation, ExportError> {
        match gate_up {
            Activation::Product(product) => Ok(Activation::Product(Product { gated: true, ..product.clone() })),
            _ => Err(ExportError::Projections { expected: 2, found: 1 }),
        }
    }

    fn add(&mut self, left: &Activation, right: &Activation) -> Result<Activation, ExportError> {
        let name = match (left, right) {
            (residual, Activation::Product(product)) | (Activation::Product(product), residual) if !product.gated => {
                let residual = self.whole(residual)?;
                self.product(product, Some(&residual))?
            }
            _ => {
                let (left, right) = (self.whole(left)?, self.whole(right)?);
                self.nodes.value("Add", &[&left, &right], vec![])
            }
        };
        Ok(Activation::Value(name))
    }

    fn wanted_rows(&mut self, hidden: &Activation) -> Result<Activation, ExportError> {
        let hidden = self.whole(hidden)?;
        Ok(Activation::Value(self.nodes.last_positions(&hidden, self.config.hidden_size, graph::LOGITS_TO_KEEP)))
    }
}
