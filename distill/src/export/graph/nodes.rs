//! A graph under construction: nodes, initializers, and the shapes that every student's graph folds and unfolds by.

use std::collections::HashSet;

use pupil_models::bundle::{TensorRange, WEIGHTS};
use pupil_models::graph;

use crate::export::proto::{self, code};

/// Nodes and initializers so far.
#[derive(Default)]
pub(super) struct Nodes {
    pub(super) list: Vec<proto::Node>,
    pub(super) initializers: Vec<proto::Tensor>,
    /// Initializers that may be asked for again: a tied weight is used twice.
    known: HashSet<String>,
}

impl Nodes {
    /// A graph that begins with the values which every layer uses: the batch size, and shapes to fold and unfold by.
    pub(super) fn new() -> Self {
        let mut nodes = Self::default();
        nodes.constant_i64("any_length", &[-1]);
        nodes.node("Shape", "", &[graph::INPUT_IDS], &["batch_size"], vec![int("start", 0), int("end", 1)]);
        nodes.node("Shape", "", &[graph::INPUT_IDS], &["ids_shape"], vec![]);
        nodes.node("Concat", "", &["ids_shape", "any_length"], &["unfolded_shape"], vec![int("axis", 0)]);
        nodes
    }

    /// `[tokens, width]` → `[batch, sequence, width]`.
    pub(super) fn unfold(&mut self, value: &str) -> String {
        let name = format!("{value}/unfolded");
        self.node("Reshape", "", &[value, "unfolded_shape"], &[&name], vec![]);
        name
    }

    /// `[.., width]` → `[tokens, width]`.
    pub(super) fn fold(&mut self, value: &str, width: usize) -> String {
        let shape = format!("folded_shape_{width}");
        if self.is_new(&shape) {
            self.constant_i64(&shape, &[-1, width as i64]);
        }
        let name = format!("{value}/folded");
        self.node("Reshape", "", &[value, &shape], &[&name], vec![]);
        name
    }

    /// As many of the last positions of each row as the input `count` says: `[batch · sequence, width]` → `[batch · kept,
    /// width]`.
    pub(super) fn last_positions(&mut self, hidden: &str, width: usize, count: &str) -> String {
        let unfolded = self.unfold(hidden);
        let start = self.value("Neg", &[count], vec![]);
        self.constant_i64("sequence_end", &[i64::MAX]);
        self.constant_i64("sequence_axis", &[1]);
        let kept = self.value("Slice", &[&unfolded, &start, "sequence_end", "sequence_axis"], vec![]);
        self.fold(&kept, width)
    }

    /// `[batch · kept, vocab_size]` → the output [`graph::LOGITS`].
    pub(super) fn logits(&mut self, logits: &str, vocab_size: usize) {
        let parts = ["batch_size", "any_length", "vocab_length"];
        self.node("Concat", "", &parts, &["logits_shape"], vec![int("axis", 0)]);
        self.constant_i64("vocab_length", &[vocab_size as i64]);
        self.node("Reshape", "", &[logits, "logits_shape"], &[graph::LOGITS], vec![]);
    }

    pub(super) fn node(
        &mut self,
        op: &str,
        domain: &str,
        inputs: &[&str],
        outputs: &[&str],
        attributes: Vec<proto::Attribute>,
    ) {
        self.list.push(proto::Node {
            input: inputs.iter().map(ToString::to_string).collect(),
            output: outputs.iter().map(ToString::to_string).collect(),
            name: format!("{op}:{}", outputs.first().unwrap_or(&"")),
            op_type: op.to_owned(),
            attribute: attributes,
            domain: domain.to_owned(),
        });
    }

    /// A node with one output, named after the operator and its place in the graph.
    pub(super) fn value(&mut self, op: &str, inputs: &[&str], attributes: Vec<proto::Attribute>) -> String {
        self.value_of(op, "", inputs, attributes)
    }

    /// As [`Nodes::value`], of an operator of `domain`.
    pub(super) fn value_of(
        &mut self,
        op: &str,
        domain: &str,
        inputs: &[&str],
        attributes: Vec<proto::Attribute>,
    ) -> String {
        let name = format!("{}_{}", op.to_lowercase(), self.list.len());
        self.node(op, domain, inputs, &[&name], attributes);
        name
    }

    pub(super) fn constant(&mut self, name: &str, data_type: i32, dims: &[usize], raw: Vec<u8>) {
        self.initializers.push(tensor(name, data_type, dims, Some(raw)));
    }

    pub(super) fn constant_i64(&mut self, name: &str, values: &[i64]) {
        let raw = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(name, code::INT64, &[values.len()], raw);
    }

    /// An initializer whose bytes lie in the weights file.
    pub(super) fn external(&mut self, name: &str, data_type: i32, dims: &[usize], range: TensorRange) {
        let entry = |key: &str, value: String| proto::StringEntry { key: key.to_owned(), value };
        self.initializers.push(proto::Tensor {
            external_data: vec![
                entry("location", WEIGHTS.to_owned()),
                entry("offset", range.offset.to_string()),
                entry("length", range.bytes.to_string()),
            ],
            data_location: code::EXTERNAL,
            ..tensor(name, data_type, dims, None)
        });
    }

    /// Whether `initializer` is asked for the first time.
    pub(super) fn is_new(&mut self, initializer: &str) -> bool {
        self.known.insert(initializer.to_owned())
    }
}

fn tensor(name: &str, data_type: i32, dims: &[usize], raw_data: Option<Vec<u8>>) -> proto::Tensor {
    proto::Tensor {
        dims: dims.iter().map(|&size| size as i64).collect(),
        data_type,
        name: name.to_owned(),
        raw_data,
        external_data: vec![],
        data_location: 0,
    }
}

pub(super) fn int(name: &str, value: i64) -> proto::Attribute {
    proto::Attribute { name: name.to_owned(), i: value, f: 0.0, r#type: code::ATTRIBUTE_INT }
}

pub(super) fn float(name: &str, value: f32) -> proto::Attribute {
    proto::Attribute { name: name.to_owned(), i: 0, f: value, r#type: code::ATTRIBUTE_FLOAT }
}
