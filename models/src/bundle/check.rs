//! Whether weights files hold what an architecture and a format ask for.

use std::collections::{BTreeMap, HashMap};

use half::{bf16, f16};
use safetensors::tensor::{Dtype, TensorInfo};

use super::{BundleError, WeightsFile, portable};
use crate::config::StudentConfig;
use crate::family::{self, NativeTensor, WeightShape};
use crate::format::WeightFormat;
use crate::packed::Precision;

/// A tensor as it must be: one of these element types, and one of these shapes.
struct Expected {
    name: String,
    dtypes: &'static [Dtype],
    shapes: Vec<Vec<usize>>,
}

impl WeightsFile {
    /// Checks that the file holds exactly the tensors of a bundle of `config` in `format`.
    pub fn check_against(&self, config: &StudentConfig, format: WeightFormat) -> Result<(), BundleError> {
        let table = match format {
            WeightFormat::Float32 => checkpoint_table(config, &[Dtype::F32]),
            WeightFormat::Native(_) => family::native_tensors(config).iter().map(native_entry).collect(),
            WeightFormat::Portable(_) => {
                let refuse = |misfit: portable::Misfit| self.mismatch(&misfit.tensor, misfit.expected, misfit.found);
                return portable::check(self.metadata(), config).map_err(refuse);
            }
        };
        check(std::slice::from_ref(self), &table)
    }

    /// Bytes of the file's tensors by what they are: the precision of packed matrices, or the element type.
    #[must_use]
    pub fn bytes_by_kind(&self, config: &StudentConfig) -> BTreeMap<String, usize> {
        let native = native_by_name(config);
        let mut kinds = BTreeMap::new();
        for (name, info) in self.metadata().tensors() {
            let bytes = self.bytes_of(info).len();
            let precision = match (info.dtype, native.get(&name)) {
                (Dtype::U8, Some(NativeTensor::Matrix(matrix))) => matrix.precision_of(bytes),
                _ => None,
            };
            let kind = match precision {
                Some(precision) => format!("{}-bit matrices", precision.bits()),
                None => format!("{:?}", info.dtype),
            };
            *kinds.entry(kind).or_default() += bytes;
        }
        kinds
    }

    /// Refuses NaN and infinite weights; reads every byte of them.
    pub fn check_finite(&self, config: &StudentConfig) -> Result<(), BundleError> {
        let native = native_by_name(config);
        for (name, info) in self.metadata().tensors() {
            let bytes = self.bytes_of(info);
            let found = match (info.dtype, native.get(&name)) {
                (Dtype::F32, _) => first_wrong(bytes, f32::from_le_bytes),
                (Dtype::F16, _) => first_wrong(bytes, |half| f16::from_le_bytes(half).to_f32()),
                (Dtype::BF16, _) => first_wrong(bytes, |half| bf16::from_le_bytes(half).to_f32()),
                // The integers of portable formats have more dimensions, and every one of them is a number.
                (_, Some(NativeTensor::Matrix(matrix))) if info.shape.len() == 1 => {
                    let scales = match matrix.precision_of(bytes.len()) {
                        Some(precision @ (Precision::Four | Precision::Eight)) => {
                            matrix.packed(precision).scale_range(0).start
                        }
                        _ => 0,
                    };
                    first_wrong(&bytes[scales..], |half| f16::from_le_bytes(half).to_f32())
                }
                _ => None,
            };
            if let Some((index, value)) = found {
                return Err(BundleError::NonFinite { path: self.path().to_owned(), tensor: name, index, value });
            }
        }
        Ok(())
    }
}

/// Checks that `files` together hold exactly the weights of `config`, each once, in float32, float16 or bfloat16.
///
/// # Errors
/// Names the file, the tensor, what was expected and what was found.
pub fn check_checkpoint(files: &[WeightsFile], config: &StudentConfig) -> Result<(), BundleError> {
    check(files, &checkpoint_table(config, &[Dtype::F32, Dtype::F16, Dtype::BF16]))
}

fn native_by_name(config: &StudentConfig) -> HashMap<String, NativeTensor> {
    family::native_tensors(config).into_iter().map(|tensor| (tensor.name().to_owned(), tensor)).collect()
}

fn checkpoint_table(config: &StudentConfig, dtypes: &'static [Dtype]) -> Vec<Expected> {
    let entry = |WeightShape { name, shape }| Expected { name, dtypes, shapes: vec![shape] };
    family::weights(config).into_iter().map(entry).collect()
}

fn native_entry(tensor: &NativeTensor) -> Expected {
    let name = tensor.name().to_owned();
    match tensor {
        NativeTensor::Matrix(matrix) => {
            let shapes = Precision::ALL.map(|precision| vec![matrix.packed(precision).bytes()]).into();
            Expected { name, dtypes: &[Dtype::U8], shapes }
        }
        NativeTensor::Vector(vector) => Expected { name, dtypes: &[Dtype::F32], shapes: vec![vec![vector.length]] },
    }
}

fn check(files: &[WeightsFile], table: &[Expected]) -> Result<(), BundleError> {
    let Some(first) = files.first() else { return Ok(()) };
    let mut left: HashMap<&str, &Expected> = table.iter().map(|entry| (entry.name.as_str(), entry)).collect();
    for file in files {
        let mut tensors: Vec<(String, &TensorInfo)> = file.metadata().tensors().into_iter().collect();
        tensors.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
        for (name, info) in tensors {
            let found = describe(&[info.dtype], std::slice::from_ref(&info.shape));
            let Some(entry) = left.remove(name.as_str()) else {
                let again = table.iter().any(|entry| entry.name == name);
                let expected = if again { "it in one file alone" } else { "no such tensor" };
                return Err(file.mismatch(&name, expected.to_owned(), found));
            };
            if !entry.dtypes.contains(&info.dtype) || !entry.shapes.contains(&info.shape) {
                return Err(file.mismatch(&name, describe(entry.dtypes, &entry.shapes), found));
            }
        }
    }
    // In the order of the forward pass, so that the message does not depend on a map's order.
    match table.iter().find(|entry| left.contains_key(entry.name.as_str())) {
        Some(missing) => {
            Err(first.mismatch(&missing.name, describe(missing.dtypes, &missing.shapes), "none".to_owned()))
        }
        None => Ok(()),
    }
}

/// The index and value of the first number that is none.
fn first_wrong<const SIZE: usize>(bytes: &[u8], read: impl Fn([u8; SIZE]) -> f32) -> Option<(usize, f32)> {
    let values = bytes.as_chunks::<SIZE>().0.iter().map(|bytes| read(*bytes));
    values.enumerate().find(|(_, value)| !value.is_finite())
}

fn describe(dtypes: &[Dtype], shapes: &[Vec<usize>]) -> String {
    let dtypes: Vec<String> = dtypes.iter().map(|dtype| format!("{dtype:?}")).collect();
    let shapes: Vec<String> = shapes.iter().map(|shape| format!("{shape:?}")).collect();
    format!("{} {}", dtypes.join(" or "), shapes.join(" or "))
}
