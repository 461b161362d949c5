//! `Ops` over stock operators, for the float32 weights of a Hugging Face checkpoint as they are.

use pupil_models::bundle::WeightsFile;
use pupil_models::config::StudentConfig;
use pupil_models::family::{self, Linear, Ops, Projection, WeightShape};
use pupil_models::graph;

use super::MICROSOFT;
use super::nodes::{Nodes, float, int};
use crate::export::proto::code;
use crate::export::{ExportError, rotary_table};

/// Emits the forward pass; every weight becomes an initializer whose bytes lie in `weights`.
///
/// Activations are kept as `[tokens, width]`, because a plain `Gemm` then multiplies by a weight as Hugging Face stores it,
/// `[out, in]`, and nothing has to be transposed, copied or stored twice.
pub(super) fn emit(config: &StudentConfig, weights: &WeightsFile) -> Result<Nodes, ExportError> {
    let mut ops = Float32Ops { config, weights, table: family::weights(config), nodes: Nodes::new() };
    ops.rotary_table();
    let logits = family::forward(config, &mut ops)?;
    let logits = ops.whole(&logits)?;
    ops.nodes.logits(&logits, config.vocab_size);
    Ok(ops.nodes)
}

struct Float32Ops<'a> {
    config: &'a StudentConfig,
    weights: &'a WeightsFile,
    table: Vec<WeightShape>,
    nodes: Nodes,
}

/// An activation `[tokens, width]`.
enum Activation {
    /// A value of the graph.
    Value(String),
    /// Several products of one value, side by side. Each is emitted where it is read, and they are joined only for a reader
    /// that does not take them apart.
    Products { input: String, projections: Vec<Projection> },
}

impl Float32Ops<'_> {
    fn rotary_table(&mut self) {
        let rotary = rotary_table(self.config);
        let shape = [self.config.context_tokens, self.config.head_dim / 2];
        self.nodes.constant("rotary_cosine", code::FLOAT, &shape, bytes_of(&rotary.cosine));
        self.nodes.constant("rotary_sine", code::FLOAT, &shape, bytes_of(&rotary.sine));
    }

    /// Makes the weight an initializer that points into the weights file.
    fn pour(&mut self, weight: &str) -> Result<(), ExportError> {
        if !self.nodes.is_new(weight) {
            return Ok(());
        }
        let missing = || ExportError::MissingWeight { name: weight.to_owned() };
        let range = self.weights.range(weight).ok_or_else(missing)?;
        let entry = self.table.iter().find(|entry| entry.name == weight).ok_or_else(missing)?;
        self.nodes.external(weight, code::FLOAT, &entry.shape, range);
        Ok(())
    }

    fn product(&mut self, input: &str, projection: &Projection) -> Result<String, ExportError> {
        self.pour(&projection.weight)?;
        let mut inputs = vec![input, &projection.weight];
        if let Some(bias) = &projection.bias {
            self.pour(bias)?;
            inputs.push(bias);
        }
        Ok(self.nodes.value("Gemm", &inputs, vec![int("transB", 1)]))
    }

    /// The activation as one value.
    fn whole(&mut self, activation: &Activation) -> Result<String, ExportError> {
        let (input, projections) = match activation {
            Activation::Value(name) => return Ok(name.clone()),
            Activation::Products { input, projections } => (input, projections),
        };
        let parts: Vec<String> =
            projections.iter().map(|projection| self.product(input, projection)).collect::<Result<_, _>>()?;
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        Ok(self.nodes.value("Concat", &parts, vec![int("axis", -1)]))
    }
}

/// The value and the projections of several products of it; a family that asks for others is a mistake of ours.
fn products<const COUNT: usize>(activation: &Activation) -> Result<(&str, &[Projection; COUNT]), ExportError> {
    let Activation::Products { input, projections } = activation else {
        return Err(ExportError::Projections { expected: COUNT, found: 1 });
    };
    let found = projections.len();
    let projections = projections.as_slice().try_into();
    projections
        .map(|projections| (input.as_str(), projections))
        .map_err(|_| ExportError::Projections { expected: COUNT, found })
}

impl Ops for Float32Ops<'_> {
    type Tensor = Activation;
    type Error = ExportError;

    fn embedding(&mut self, weight: &str) -> Result<Activation, ExportError> {
        self.pour(weight)?;
        let ids = self.nodes.value("Reshape", &[graph::INPUT_IDS, "any_length"], vec![]);
        Ok(Activation::Value(self.nodes.value("Gather", &[weight, &ids], vec![int("axis", 0)])))
    }

    fn linear(&mut self, input: &Activation, linear: &Linear) -> Result<Activation, ExportError> {
        let input = self.whole(input)?;
        match linear.projections.as_slice() {
            [projection] => self.product(&input, projection).map(Activation::Value),
            several => Ok(Activation::Products { input, projections: several.to_vec() }),
        }
    }

    fn rms_norm(&mut self, input: &Activation, weight: &str, epsilon: f32) -> Result<Activation, ExportError> {
        let input = self.whole(input)?;
        self.pour(weight)?;
        let attributes = vec![int("axis", -1), float("epsilon", epsilon)];
        Ok(Activation::Value(self.nodes.value("RMSNormalization", &[&input, weight], attributes)))
    }

    fn attention(&mut self, layer: usize, qkv: &Activation) -> Result<Activation, ExportError> {
        let (input, [query, key, value]) = products(qkv)?;
        let (query, key, value) = (self.product(input, query)?, self.product(input, key)?, self.product(input, value)?);
        let [query, key, value] = [query, key, value].map(|part| self.nodes.unfold(&part));
        let attended = format!("attended_{layer}");
        let (past_key, past_value) = (graph::past_key(layer), graph::past_value(layer));
        let inputs = [
            &query,
            &key,
            &value,
            &past_key,
            &past_value,
            graph::LAST_POSITION,
            graph::TOTAL_LENGTH,
            "rotary_cosine",
            "rotary_sine",
        ];
        let outputs = [attended.as_str(), &graph::present_key(layer), &graph::present_value(layer)];
        let attributes = vec![
            int("num_heads", self.config.heads as i64),
            int("kv_num_heads", self.config.kv_heads as i64),
            int("do_rotary", 1),
            int("rotary_interleaved", 0),
        ];
        self.nodes.node("GroupQueryAttention", MICROSOFT, &inputs, &outputs, attributes);
        Ok(Activation::Value(self.nodes.fold(&attended, self.config.query_width())))
    }

    fn gated_silu(&mut self, gate_up: &Activation) -> Result<Activation, ExportError> {
        let (input, [gate, up]) = products(gate_up)?;
        let gate = self.product(input, gate)?;
        let sigmoid = self.nodes.value("Sigmoid", &[&gate], vec![]);
        let silu = self.nodes.value("Mul", &[&gate, &sigmoid], vec![]);
        let up = self.product(input, up)?;
        Ok(Activation::Value(self.nodes.value("Mul", &[&silu, &up], vec![])))
    }

    fn add(&mut self, left: &Activation, right: &Activation) -> Result<Activation, ExportError> {
        let (left, right) = (self.whole(left)?, self.whole(right)?);
        Ok(Activation::Value(self.nodes.value("Add", &[&left, &right], vec![])))
    }

    fn wanted_rows(&mut self, hidden: &Activation) -> Result<Activation, ExportError> {
        let hidden = self.whole(hidden)?;
        Ok(Activation::Value(self.nodes.last_positions(&hidden, self.config.hidden_size, graph::LOGITS_TO_KEEP)))
    }
}

fn bytes_of(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}
