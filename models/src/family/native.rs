//! The tensors of a native bundle: what a checkpoint holds, fused as our own operators read it.
//!
//! They follow from the forward pass itself: it is walked once without computing anything, and every product that it asks for
//! is a matrix, every other weight a vector.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;

use super::{Linear, Ops, WeightShape};
use crate::config::StudentConfig;
use crate::packed::{PackedShape, Precision};

/// A matrix of a native bundle, packed as [`PackedShape`] specifies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NativeMatrix {
    /// Name of the tensor.
    pub name: String,
    /// The checkpoint's weights that it is made of, and the rows of each: one below the other, or, where it is
    /// [`gated`](Self::gated), panel by panel in turns.
    pub sources: Vec<(String, usize)>,
    /// Width of the output: the rows of all sources, and half of them where it is gated.
    pub rows: usize,
    /// Width of the input.
    pub columns: usize,
    /// Whether it holds a gate and the values that it lets through.
    pub gated: bool,
}

/// A norm or bias of a native bundle, float32.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NativeVector {
    /// Name of the tensor.
    pub name: String,
    /// The checkpoint's weights that it is made of, one after the other.
    pub sources: Vec<String>,
    /// Number of values.
    pub length: usize,
}

/// A tensor of a native bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NativeTensor {
    /// A matrix, `U8`.
    Matrix(NativeMatrix),
    /// A norm or bias, `F32`.
    Vector(NativeVector),
}

impl NativeTensor {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Matrix(matrix) => &matrix.name,
            Self::Vector(vector) => &vector.name,
        }
    }
}

impl NativeMatrix {
    /// How it is packed with this precision.
    #[must_use]
    pub fn packed(&self, precision: Precision) -> PackedShape {
        if self.gated {
            PackedShape::gated(self.rows, self.columns, precision)
        } else {
            PackedShape::new(self.rows, self.columns, precision)
        }
    }

    /// The precision with which it has so many bytes, if there is one.
    #[must_use]
    pub fn precision_of(&self, bytes: usize) -> Option<Precision> {
        Precision::ALL.into_iter().find(|&precision| self.packed(precision).bytes() == bytes)
    }
}

/// Every tensor of a native bundle of this config, in the order of the forward pass, each tied one once.
#[must_use]
pub fn native_tensors(config: &StudentConfig) -> Vec<NativeTensor> {
    let shapes = super::weights(config).into_iter().map(|WeightShape { name, shape }| (name, shape)).collect();
    let mut recorder = Recorder { shapes, known: HashSet::new(), tensors: Vec::new() };
    let Ok(_) = super::forward(config, &mut recorder);
    recorder.tensors
}

/// Name of the bias of a product, which the checkpoint has in parts.
#[must_use]
pub fn bias_name(linear: &Linear) -> String {
    format!("{}.bias", linear.name.strip_suffix(".weight").unwrap_or(&linear.name))
}

/// `Ops` that compute nothing and note which weights are asked for.
struct Recorder {
    shapes: HashMap<String, Vec<usize>>,
    known: HashSet<String>,
    tensors: Vec<NativeTensor>,
}

impl Recorder {
    fn size(&self, weight: &str, dimension: usize) -> usize {
        // A weight that is not in the table has no rows, and whoever reads the table finds it missing by name.
        self.shapes.get(weight).and_then(|shape| shape.get(dimension)).copied().unwrap_or(0)
    }

    fn vector(&mut self, name: String, sources: Vec<String>) {
        if self.known.insert(name.clone()) {
            let length = sources.iter().map(|source| self.size(source, 0)).sum();
            self.tensors.push(NativeTensor::Vector(NativeVector { name, sources, length }));
        }
    }

    fn matrix(&mut self, name: &str, sources: &[&str]) {
        if self.known.insert(name.to_owned()) {
            let columns = sources.first().map_or(0, |source| self.size(source, 1));
            let sources: Vec<_> = sources.iter().map(|&source| (source.to_owned(), self.size(source, 0))).collect();
            let rows = sources.iter().map(|(_, rows)| rows).sum();
            let matrix = NativeMatrix { name: name.to_owned(), sources, rows, columns, gated: false };
            self.tensors.push(NativeTensor::Matrix(matrix));
        }
    }
}

impl Ops for Recorder {
    /// Name of the matrix whose product the activation is, if it is one.
    type Tensor = Option<String>;
    type Error = Infallible;

    fn embedding(&mut self, weight: &str) -> Result<Option<String>, Infallible> {
        self.matrix(weight, &[weight]);
        Ok(None)
    }

    fn linear(&mut self, _input: &Option<String>, linear: &Linear) -> Result<Option<String>, Infallible> {
        let sources: Vec<&str> = linear.projections.iter().map(|projection| projection.weight.as_str()).collect();
        self.matrix(&linear.name, &sources);
        let biases: Vec<String> = linear.projections.iter().filter_map(|projection| projection.bias.clone()).collect();
        if !biases.is_empty() {
            self.vector(bias_name(linear), biases);
        }
        Ok(Some(linear.name.clone()))
    }

    fn rms_norm(&mut self, _: &Option<String>, weight: &str, _epsilon: f32) -> Result<Option<String>, Infallible> {
        self.vector(weight.to_owned(), vec![weight.to_owned()]);
        Ok(None)
    }

    fn attention(&mut self, _layer: usize, _qkv: &Option<String>) -> Result<Option<String>, Infallible> {
        Ok(None)
    }

    fn gated_silu(&mut self, gate_up: &Option<String>) -> Result<Option<String>, Infallible> {
        for tensor in &mut self.tensors {
            if let NativeTensor::Matrix(matrix) = tensor
                && gate_up.as_ref() == Some(&matrix.name)
            {
                matrix.gated = true;
                matrix.rows /= 2;
            }
        }
        Ok(None)
    }

    fn add(&mut self, _: &Option<String>, _: &Option<String>) -> Result<Option<String>, Infallible> {
        Ok(None)
    }

    fn wanted_rows(&mut self, _hidden: &Option<String>) -> Result<Option<String>, Infallible> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preset::Preset;

    #[test]
    fn a_layer_has_four_matrices_and_every_weight_of_the_checkpoint_is_in_one_tensor() {
        for preset in Preset::ALL {
            let config = preset.config().unwrap();
            let tensors = native_tensors(&config);
            let mut sources: Vec<&str> = tensors
                .iter()
                .flat_map(|tensor| match tensor {
                    NativeTensor::Matrix(matrix) => matrix.sources.iter().map(|(name, _)| name.as_str()).collect(),
                    NativeTensor::Vector(vector) => vector.sources.iter().map(String::as_str).collect::<Vec<_>>(),
                })
                .collect();
            let weights = crate::family::weights(&config);
            let mut expected: Vec<&str> = weights.iter().map(|weight| weight.name.as_str()).collect();
            sources.sort_unstable();
            expected.sort_unstable();
            assert_eq!(sources, expected, "{preset}");
            let matrices = tensors.iter().filter(|tensor| matches!(tensor, NativeTensor::Matrix(_))).count();
            assert_eq!(matrices, 4 * config.layers + 1, "{preset}");
        }
    }

    #[test]
    fn query_key_and_value_are_stacked_and_gate_and_up_take_turns() {
        let config = Preset::Qwen25With500M.config().unwrap();
        let tensors = native_tensors(&config);
        let matrix = |name: &str| {
            tensors.iter().find_map(|tensor| match tensor {
                NativeTensor::Matrix(matrix) if matrix.name == name => Some(matrix),
                _ => None,
            })
        };
        let qkv = matrix("model.layers.3.self_attn.qkv_proj.weight").unwrap();
        assert_eq!((qkv.rows, qkv.columns, qkv.gated), (896 + 128 + 128, 896, false));
        let gate_up = matrix("model.layers.3.mlp.gate_up_proj.weight").unwrap();
        assert_eq!((gate_up.rows, gate_up.columns, gate_up.gated), (4864, 896, true));
        assert_eq!(gate_up.packed(Precision::Four).rows, 2 * 4864);
        assert_eq!(gate_up.precision_of(gate_up.packed(Precision::Eight).bytes()), Some(Precision::Eight));
        assert_eq!(gate_up.precision_of(7), None);
        let bias = tensors.iter().find(|tensor| tensor.name() == "model.layers.3.self_attn.qkv_proj.bias");
        assert!(matches!(bias, Some(NativeTensor::Vector(vector)) if vector.length == 1152));
    }
}
