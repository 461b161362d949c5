//! `Ops` over ONNX Runtime's stock operators for quantised weights: few, large nodes.

use std::collections::HashMap;

use half::f16;
use pupil_models::bundle::WeightsFile;
use pupil_models::config::StudentConfig;
use pupil_models::family::{self, Anatomy, Linear, Ops, Site, bias_name};
use pupil_models::graph;
use safetensors::tensor::Dtype;

use super::MICROSOFT;
use super::nodes::{Nodes, float, int};
use crate::export::proto::code;
use crate::export::stock::{Body, StockFormat};
use crate::export::weights::{StockTensors, block_shape, scales_name, zero_points_name};
use crate::export::{ExportError, rotary_table};
use crate::quantize::BlockFormat;

/// Initializer of the output head's integers where they are the embedding table's: other shape, same bytes.
const TIED_HEAD: &str = "lm_head.weight";

/// Emits the forward pass over the tensors of `weights`, a file that was written in this format.
pub(super) fn emit(config: &StudentConfig, format: &StockFormat, weights: &WeightsFile) -> Result<Nodes, ExportError> {
    let (anatomy, tensors, nodes) = (Anatomy::of(config), StockTensors::of(config, format), Nodes::new());
    let mut ops = PortableOps { config, format, weights, anatomy, tensors, nodes, sums: HashMap::new() };
    ops.shared_values();
    let logits = family::forward(config, &mut ops)?;
    ops.nodes.logits(&logits, config.vocab_size);
    Ok(ops.nodes)
}

struct PortableOps<'a> {
    config: &'a StudentConfig,
    format: &'a StockFormat,
    weights: &'a WeightsFile,
    anatomy: Anatomy,
    tensors: StockTensors,
    nodes: Nodes,
    /// Sums that nothing has read yet: the norm that follows computes them on its way.
    sums: HashMap<String, (String, String)>,
}

impl PortableOps<'_> {
    /// The rotary table, and what attention wants to know about lengths, out of the mask that other runtimes provide.
    fn shared_values(&mut self) {
        let rotary = rotary_table(self.config);
        let shape = [self.config.context_tokens, self.config.head_dim / 2];
        let bytes = |values: &[f32]| values.iter().flat_map(|&value| f16::from_f32(value).to_le_bytes()).collect();
        self.nodes.constant("rotary_cosine", code::FLOAT16, &shape, bytes(&rotary.cosine));
        self.nodes.constant("rotary_sine", code::FLOAT16, &shape, bytes(&rotary.sine));
        let int32 = || vec![int("to", i64::from(code::INT32))];
        self.nodes.constant_i64("mask_axis", &[1]);
        let lengths = self.nodes.value("ReduceSum", &[graph::ATTENTION_MASK, "mask_axis"], vec![int("keepdims", 0)]);
        self.nodes.constant_i64("one", &[1]);
        let last = self.nodes.value("Sub", &[&lengths, "one"], vec![]);
        self.nodes.node("Cast", "", &[&last], &[graph::LAST_POSITION], int32());
        let shape = self.nodes.value("Shape", &[graph::ATTENTION_MASK], vec![]);
        self.nodes.constant("second", code::INT64, &[], 1_i64.to_le_bytes().to_vec());
        let total = self.nodes.value("Gather", &[&shape, "second"], vec![int("axis", 0)]);
        self.nodes.node("Cast", "", &[&total], &[graph::TOTAL_LENGTH], int32());
    }

    /// Makes a tensor of the weights file an initializer.
    fn pour(&mut self, name: &str) -> Result<(), ExportError> {
        if !self.nodes.is_new(name) {
            return Ok(());
        }
        let missing = || ExportError::MissingWeight { name: name.to_owned() };
        let entry = self.tensors.entries.iter().find(|entry| entry.name == name).ok_or_else(missing)?;
        let range = self.weights.range(name).ok_or_else(missing)?;
        self.nodes.external(name, element_type(entry.dtype), &entry.shape, range);
        Ok(())
    }

    /// The value `name`, computed if it is a sum that nothing has read yet.
    fn read(&mut self, name: &str) -> String {
        if let Some((left, right)) = self.sums.remove(name) {
            self.nodes.node("Add", "", &[&left, &right], &[name], vec![]);
        }
        name.to_owned()
    }

    /// Initializers of a matrix in blocks: integers, scales and zero points; those without are empty.
    fn block_inputs(&mut self, name: &str, blocks: BlockFormat) -> Result<[String; 2], ExportError> {
        let (scales, zero_points) = (scales_name(name), zero_points_name(name));
        self.pour(&scales)?;
        if !blocks.zero_points {
            return Ok([scales, String::new()]);
        }
        self.pour(&zero_points)?;
        Ok([scales, zero_points])
    }

    /// The output head's integers where it is the embedding table: the same bytes under the shape that a product wants.
    fn tied_head(&mut self, blocks: BlockFormat) -> Result<String, ExportError> {
        let name = TIED_HEAD.to_owned();
        let embedding = &self.anatomy.embedding;
        let missing = || ExportError::MissingWeight { name: embedding.clone() };
        let range = self.weights.range(embedding).ok_or_else(missing)?;
        let shape = block_shape(self.config.vocab_size, self.config.hidden_size, blocks);
        self.nodes.external(&name, code::UINT8, &shape, range);
        Ok(name)
    }

    fn block_product(&mut self, input: &str, site: &Site, blocks: BlockFormat) -> Result<String, ExportError> {
        let stored = &site.linear.name;
        let [scales, zero_points] = self.block_inputs(stored, blocks)?;
        let integers = if *stored == self.anatomy.embedding {
            self.tied_head(blocks)?
        } else {
            self.pour(stored)?;
            stored.clone()
        };
        let bias = self.bias(site)?;
        let inputs = without_trailing_gaps(&[input, &integers, &scales, &zero_points, "", &bias]);
        let attributes = vec![
            int("K", site.columns as i64),
            int("N", site.outputs() as i64),
            int("bits", blocks.bits.count() as i64),
            int("block_size", blocks.block.count() as i64),
            int("accuracy_level", self.format.accuracy.level()),
        ];
        Ok(self.nodes.value_of("MatMulNBits", MICROSOFT, &inputs, attributes))
    }

    fn channel_product(&mut self, input: &str, site: &Site) -> Result<String, ExportError> {
        let (integers, scales) = (&site.linear.name, scales_name(&site.linear.name));
        self.pour(integers)?;
        self.pour(&scales)?;
        let bias = self.bias(site)?;
        let inputs = without_trailing_gaps(&[input, integers, &scales, "", &bias]);
        Ok(self.nodes.value_of("DynamicQuantizeMatMul", MICROSOFT, &inputs, vec![]))
    }

    /// The initializer of the site's bias; empty if it has none.
    fn bias(&mut self, site: &Site) -> Result<String, ExportError> {
        if site.linear.projections.iter().all(|part| part.bias.is_none()) {
            return Ok(String::new());
        }
        let bias = bias_name(&site.linear);
        self.pour(&bias)?;
        Ok(bias)
    }
}

impl Ops for PortableOps<'_> {
    type Tensor = String;
    type Error = ExportError;

    fn embedding(&mut self, weight: &str) -> Result<String, ExportError> {
        let blocks = self.format.head;
        self.pour(weight)?;
        let [scales, zero_points] = self.block_inputs(weight, blocks)?;
        let ids = self.nodes.value("Reshape", &[graph::INPUT_IDS, "any_length"], vec![]);
        let inputs = without_trailing_gaps(&[weight, &ids, &scales, &zero_points]);
        let attributes = vec![
            int("bits", blocks.bits.count() as i64),
            int("block_size", blocks.block.count() as i64),
            int("gather_axis", 0),
            int("quantize_axis", 1),
        ];
        let rows = self.nodes.value_of("GatherBlockQuantized", MICROSOFT, &inputs, attributes);
        let width = self.config.hidden_size;
        if blocks.padded(width) == width {
            return Ok(rows);
        }
        self.nodes.constant_i64("first_column", &[0]);
        self.nodes.constant_i64("embedding_width", &[width as i64]);
        Ok(self.nodes.value("Slice", &[&rows, "first_column", "embedding_width", "one"], vec![]))
    }

    fn linear(&mut self, input: &String, linear: &Linear) -> Result<String, ExportError> {
        let input = self.read(input);
        let site = self.anatomy.sites.iter().find(|site| site.linear == *linear).cloned();
        let site = site.ok_or_else(|| ExportError::MissingWeight { name: linear.name.clone() })?;
        let is_head = self.anatomy.head() == Some(&site);
        match self.format.body {
            _ if is_head => self.block_product(&input, &site, self.format.head),
            Body::Blocks(blocks) => self.block_product(&input, &site, blocks),
            Body::Channels => self.channel_product(&input, &site),
        }
    }

    fn rms_norm(&mut self, input: &String, weight: &str, epsilon: f32) -> Result<String, ExportError> {
        self.pour(weight)?;
        let Some((left, right)) = self.sums.remove(input) else {
            let attributes = vec![int("axis", -1), float("epsilon", epsilon)];
            return Ok(self.nodes.value("RMSNormalization", &[input, weight], attributes));
        };
        let normed = format!("{input}/normed");
        let outputs = [normed.as_str(), "", "", input];
        let attributes = vec![float("epsilon", epsilon)];
        self.nodes.node("SkipSimplifiedLayerNormalization", MICROSOFT, &[&left, &right, weight], &outputs, attributes);
        Ok(normed)
    }

    /// In float16, as ONNX Runtime's attention on CUDA takes nothing wider; on the CPU that is as fast, and the cache is half.
    fn attention(&mut self, layer: usize, qkv: &String) -> Result<String, ExportError> {
        let cast_to = |element: i32| vec![int("to", i64::from(element))];
        let qkv = self.nodes.unfold(qkv);
        let qkv = self.nodes.value("Cast", &[&qkv], cast_to(code::FLOAT16));
        let attended = format!("attended_{layer}");
        let (past_key, past_value) = (graph::past_key(layer), graph::past_value(layer));
        let lengths = [graph::LAST_POSITION, graph::TOTAL_LENGTH, "rotary_cosine", "rotary_sine"];
        let inputs: Vec<&str> = [&qkv, "", "", &past_key, &past_value].into_iter().chain(lengths).collect();
        let outputs = [attended.as_str(), &graph::present_key(layer), &graph::present_value(layer)];
        let attributes = vec![
            int("num_heads", self.config.heads as i64),
            int("kv_num_heads", self.config.kv_heads as i64),
            int("do_rotary", 1),
            int("rotary_interleaved", 0),
        ];
        self.nodes.node("GroupQueryAttention", MICROSOFT, &inputs, &outputs, attributes);
        let attended = self.nodes.value("Cast", &[&attended], cast_to(code::FLOAT));
        Ok(self.nodes.fold(&attended, self.config.query_width()))
    }

    fn gated_silu(&mut self, gate_up: &String) -> Result<String, ExportError> {
        let (gate, up) = (format!("{gate_up}/gate"), format!("{gate_up}/up"));
        let attributes = vec![int("axis", -1), int("num_outputs", 2)];
        self.nodes.node("Split", "", &[gate_up], &[&gate, &up], attributes);
        let sigmoid = self.nodes.value("Sigmoid", &[&gate], vec![]);
        let silu = self.nodes.value("Mul", &[&gate, &sigmoid], vec![]);
        Ok(self.nodes.value("Mul", &[&silu, &up], vec![]))
    }

    fn add(&mut self, left: &String, right: &String) -> Result<String, ExportError> {
        let (left, right) = (self.read(left), self.read(right));
        let name = format!("sum_{}", self.nodes.list.len());
        self.sums.insert(name.clone(), (left, right));
        Ok(name)
    }

    fn wanted_rows(&mut self, hidden: &String) -> Result<String, ExportError> {
        let hidden = self.read(hidden);
        Ok(self.nodes.last_positions(&hidden, self.config.hidden_size, graph::NUM_LOGITS_TO_KEEP))
    }
}

/// Optional inputs at the end are left out, those before them stay as empty names.
fn without_trailing_gaps<'a>(inputs: &[&'a str]) -> Vec<&'a str> {
    let length = inputs.iter().rposition(|name| !name.is_empty()).map_or(0, |last| last + 1);
    inputs[..length].to_vec()
}

fn element_type(dtype: Dtype) -> i32 {
    match dtype {
        Dtype::U8 => code::UINT8,
        Dtype::I8 => code::INT8,
        _ => code::FLOAT,
    }
}
