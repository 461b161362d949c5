//! `Ops` over ONNX: every operation becomes nodes, every weight an initializer whose bytes stay in `model.safetensors`.

use std::collections::HashSet;

use pupil_models::bundle::{WEIGHTS, WeightsFile};
use pupil_models::config::StudentConfig;
use pupil_models::family::{self, Ops, WeightShape};
use pupil_models::graph::{self, Dimension, ElementType, GraphValue};

use super::proto::{self, code};
use super::{ExportError, rotary_table};

/// Operator set of ONNX itself: the first with `RMSNormalization`.
const ONNX_OPSET: i64 = 23;
/// The file format version that goes with it.
const IR_VERSION: i64 = 11;
/// Domain of ONNX Runtime's own operators.
const MICROSOFT: &str = "com.microsoft";

/// ONNX Runtime's `GroupQueryAttention` rotates heads whose width is a multiple of this.
pub const HEAD_DIM_UNIT: usize = 16;

/// Constructs the student's graph; its external data points into `weights`.
///
/// Activations are kept as `[tokens, width]`, because a plain `Gemm` then multiplies by a weight as Hugging Face stores it,
/// `[out, in]`, and nothing has to be transposed, copied or stored twice.
///
/// # Errors
/// A weight is missing from `weights`, or heads have a width that is no multiple of [`HEAD_DIM_UNIT`].
pub fn build(config: &StudentConfig, weights: &WeightsFile) -> Result<proto::Model, ExportError> {
    if !config.head_dim.is_multiple_of(HEAD_DIM_UNIT) {
        let expected = format!("a multiple of {HEAD_DIM_UNIT}");
        return Err(ExportError::Size { key: "head_dim", expected, found: config.head_dim });
    }
    let mut builder = GraphBuilder::new(config, weights);
    builder.shared_values();
    let logits = family::forward(config, &mut builder)?;
    let shape = builder.shape_of("logits_shape", &["batch_size", "any_length", "vocab_length"]);
    builder.constant_i64("vocab_length", &[config.vocab_size as i64], &[1]);
    builder.node("Reshape", "", &[&logits, &shape], &[graph::LOGITS], vec![]);
    let graph = proto::Graph {
        name: "student".to_owned(),
        node: builder.nodes,
        initializer: builder.initializers,
        input: graph::inputs(config).iter().map(value_info).collect(),
        output: graph::outputs(config).iter().map(value_info).collect(),
    };
    let opset = |domain: &str, version| proto::OperatorSet { domain: domain.to_owned(), version };
    Ok(proto::Model {
        ir_version: IR_VERSION,
        producer_name: env!("CARGO_PKG_NAME").to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        graph: Some(graph),
        opset_import: vec![opset("", ONNX_OPSET), opset(MICROSOFT, 1)],
    })
}

struct GraphBuilder<'a> {
    config: &'a StudentConfig,
    weights: &'a WeightsFile,
    table: Vec<WeightShape>,
    nodes: Vec<proto::Node>,
    initializers: Vec<proto::Tensor>,
    /// Weights that are initializers already: a tied one is used twice.
    poured: HashSet<String>,
}

impl<'a> GraphBuilder<'a> {
    fn new(config: &'a StudentConfig, weights: &'a WeightsFile) -> Self {
        Self {
            config,
            weights,
            table: family::weights(config),
            nodes: Vec::new(),
            initializers: Vec::new(),
            poured: HashSet::new(),
        }
    }

    /// Values that every layer uses: the batch size, shapes to fold and unfold by, and the rotary table.
    fn shared_values(&mut self) {
        self.constant_i64("any_length", &[-1], &[1]);
        self.node("Shape", "", &[graph::INPUT_IDS], &["batch_size"], vec![int("start", 0), int("end", 1)]);
        self.node("Shape", "", &[graph::INPUT_IDS], &["ids_shape"], vec![]);
        self.node("Concat", "", &["ids_shape", "any_length"], &["unfolded_shape"], vec![int("axis", 0)]);
        let rotary = rotary_table(self.config);
        let shape = [self.config.context_tokens as i64, (self.config.head_dim / 2) as i64];
        self.constant("rotary_cosine", code::FLOAT, &shape, bytes_of(&rotary.cosine));
        self.constant("rotary_sine", code::FLOAT, &shape, bytes_of(&rotary.sine));
    }

    /// A one-dimensional shape out of one-element values; returns its name.
    fn shape_of(&mut self, name: &str, parts: &[&str]) -> String {
        self.node("Concat", "", parts, &[name], vec![int("axis", 0)]);
        name.to_owned()
    }

    /// `[tokens, width]` → `[batch, sequence, width]`.
    fn unfold(&mut self, value: &str) -> String {
        let name = format!("{value}/unfolded");
        self.node("Reshape", "", &[value, "unfolded_shape"], &[&name], vec![]);
        name
    }

    /// `[.., width]` → `[tokens, width]`.
    fn fold(&mut self, value: &str, width: usize) -> String {
        let shape = format!("folded_shape_{width}");
        if self.poured.insert(shape.clone()) {
            self.constant_i64(&shape, &[-1, width as i64], &[2]);
        }
        let name = format!("{value}/folded");
        self.node("Reshape", "", &[value, &shape], &[&name], vec![]);
        name
    }

    fn node(&mut self, op: &str, domain: &str, inputs: &[&str], outputs: &[&str], attributes: Vec<proto::Attribute>) {
        self.nodes.push(proto::Node {
            input: inputs.iter().map(ToString::to_string).collect(),
            output: outputs.iter().map(ToString::to_string).collect(),
            name: format!("{op}:{}", outputs.first().unwrap_or(&"")),
            op_type: op.to_owned(),
            attribute: attributes,
            domain: domain.to_owned(),
        });
    }

    /// A node with one output, named after the operator and its place in the graph.
    fn value(&mut self, op: &str, inputs: &[&str], attributes: Vec<proto::Attribute>) -> String {
        let name = format!("{}_{}", op.to_lowercase(), self.nodes.len());
        self.node(op, "", inputs, &[&name], attributes);
        name
    }

    fn constant(&mut self, name: &str, data_type: i32, dims: &[i64], raw: Vec<u8>) {
        self.initializers.push(proto::Tensor {
            dims: dims.to_vec(),
            data_type,
            name: name.to_owned(),
            raw_data: Some(raw),
            external_data: vec![],
            data_location: 0,
        });
    }

    fn constant_i64(&mut self, name: &str, values: &[i64], dims: &[i64]) {
        self.constant(name, code::INT64, dims, values.iter().flat_map(|value| value.to_le_bytes()).collect());
    }

    /// Makes the weight an initializer that points into the weights file.
    fn pour(&mut self, weight: &str) -> Result<(), ExportError> {
        if !self.poured.insert(weight.to_owned()) {
            return Ok(());
        }
        let missing = || ExportError::MissingWeight { name: weight.to_owned() };
        let range = self.weights.range(weight).ok_or_else(missing)?;
        let shape = self.table.iter().find(|entry| entry.name == weight).ok_or_else(missing)?;
        let entry = |key: &str, value: String| proto::StringEntry { key: key.to_owned(), value };
        self.initializers.push(proto::Tensor {
            dims: shape.shape.iter().map(|&size| size as i64).collect(),
            data_type: code::FLOAT,
            name: weight.to_owned(),
            raw_data: None,
            external_data: vec![
                entry("location", WEIGHTS.to_owned()),
                entry("offset", range.offset.to_string()),
                entry("length", range.bytes.to_string()),
            ],
            data_location: code::EXTERNAL,
        });
        Ok(())
    }
}

impl Ops for GraphBuilder<'_> {
    type Tensor = String;
    type Error = ExportError;

    fn embedding(&mut self, weight: &str) -> Result<String, ExportError> {
        self.pour(weight)?;
        let ids = self.value("Reshape", &[graph::INPUT_IDS, "any_length"], vec![]);
        Ok(self.value("Gather", &[weight, &ids], vec![int("axis", 0)]))
    }

    fn linear(&mut self, input: &String, weight: &str) -> Result<String, ExportError> {
        self.pour(weight)?;
        Ok(self.value("Gemm", &[input, weight], vec![int("transB", 1)]))
    }

    fn rms_norm(&mut self, input: &String, weight: &str, epsilon: f32) -> Result<String, ExportError> {
        self.pour(weight)?;
        Ok(self.value("RMSNormalization", &[input, weight], vec![int("axis", -1), float("epsilon", epsilon)]))
    }

    fn attention(&mut self, layer: usize, query: &String, key: &String, value: &String) -> Result<String, ExportError> {
        let (query, key, value) = (self.unfold(query), self.unfold(key), self.unfold(value));
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
        self.node("GroupQueryAttention", MICROSOFT, &inputs, &outputs, attributes);
        Ok(self.fold(&attended, self.config.query_width()))
    }

    fn silu(&mut self, input: &String) -> Result<String, ExportError> {
        let sigmoid = self.value("Sigmoid", &[input], vec![]);
        self.multiply(input, &sigmoid)
    }

    fn multiply(&mut self, left: &String, right: &String) -> Result<String, ExportError> {
        Ok(self.value("Mul", &[left, right], vec![]))
    }

    fn add(&mut self, left: &String, right: &String) -> Result<String, ExportError> {
        Ok(self.value("Add", &[left, right], vec![]))
    }

    fn wanted_rows(&mut self, hidden: &String) -> Result<String, ExportError> {
        let unfolded = self.unfold(hidden);
        let start = self.value("Neg", &[graph::LOGITS_TO_KEEP], vec![]);
        self.constant_i64("sequence_end", &[i64::MAX], &[1]);
        self.constant_i64("sequence_axis", &[1], &[1]);
        let kept = self.value("Slice", &[&unfolded, &start, "sequence_end", "sequence_axis"], vec![]);
        Ok(self.fold(&kept, self.config.hidden_size))
    }
}

fn int(name: &str, value: i64) -> proto::Attribute {
    proto::Attribute { name: name.to_owned(), i: value, f: 0.0, r#type: code::ATTRIBUTE_INT }
}

fn float(name: &str, value: f32) -> proto::Attribute {
    proto::Attribute { name: name.to_owned(), i: 0, f: value, r#type: code::ATTRIBUTE_FLOAT }
}

fn bytes_of(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn value_info(value: &GraphValue) -> proto::ValueInfo {
    let elem_type = match value.element {
        ElementType::Float32 => code::FLOAT,
        ElementType::Int32 => code::INT32,
        ElementType::Int64 => code::INT64,
    };
    let dim = value.shape.iter().map(|dimension| proto::Dimension {
        value: Some(match dimension {
            Dimension::Fixed(size) => proto::DimensionValue::Size(*size as i64),
            Dimension::Symbolic(name) => proto::DimensionValue::Name((*name).to_owned()),
        }),
    });
    let shape = Some(proto::Shape { dim: dim.collect() });
    let tensor_type = Some(proto::TensorType { elem_type, shape });
    proto::ValueInfo { name: value.name.clone(), r#type: Some(proto::Type { tensor_type }) }
}
