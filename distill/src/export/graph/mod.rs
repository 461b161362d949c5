//! `Ops` over ONNX: every operation becomes nodes, every weight an initializer whose bytes stay in `model.safetensors`.

mod float32;
mod native;
mod nodes;
mod portable;

use pupil_models::bundle::WeightsFile;
use pupil_models::config::StudentConfig;
use pupil_models::format::WeightFormat;
use pupil_models::graph::{self, Dimension, ElementType, GraphValue};

use super::ExportError;
use super::proto::{self, code};
use super::stock::StockFormat;

/// Operator set of ONNX itself: the first with `RMSNormalization`.
const ONNX_OPSET: i64 = 23;
/// The file format version that goes with it.
const IR_VERSION: i64 = 11;
/// Domain of ONNX Runtime's own operators.
const MICROSOFT: &str = "com.microsoft";

/// Attention rotates heads whose width is a multiple of this, in ONNX Runtime's `GroupQueryAttention` and in ours.
pub const HEAD_DIM_UNIT: usize = 16;

/// Constructs the student's graph; its external data points into `weights`, a file of this format.
///
/// # Errors
/// A weight is missing from `weights`, or heads have a width that is no multiple of [`HEAD_DIM_UNIT`].
pub fn build(config: &StudentConfig, format: WeightFormat, weights: &WeightsFile) -> Result<proto::Model, ExportError> {
    if !config.head_dim.is_multiple_of(HEAD_DIM_UNIT) {
        let expected = format!("a multiple of {HEAD_DIM_UNIT}");
        return Err(ExportError::Size { key: "head_dim", expected, found: config.head_dim });
    }
    let (nodes, domain) = match format {
        WeightFormat::Float32 => (float32::emit(config, weights)?, MICROSOFT),
        WeightFormat::Native(_) => (native::emit(config, weights)?, graph::NATIVE_DOMAIN),
        WeightFormat::Portable(kind) => (portable::emit(config, &StockFormat::of(kind), weights)?, MICROSOFT),
    };
    let graph = proto::Graph {
        name: "student".to_owned(),
        node: nodes.list,
        initializer: nodes.initializers,
        input: graph::inputs(config, format).iter().map(value_info).collect(),
        output: graph::outputs(config, format).iter().map(value_info).collect(),
    };
    let opset = |domain: &str, version| proto::OperatorSet { domain: domain.to_owned(), version };
    Ok(proto::Model {
        ir_version: IR_VERSION,
        producer_name: env!("CARGO_PKG_NAME").to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        graph: Some(graph),
        opset_import: vec![opset("", ONNX_OPSET), opset(domain, 1)],
    })
}

fn value_info(value: &GraphValue) -> proto::ValueInfo {
    let elem_type = match value.element {
        ElementType::Float32 => code::FLOAT,
        ElementType::Float16 => code::FLOAT16,
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
