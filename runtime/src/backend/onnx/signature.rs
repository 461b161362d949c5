//! The graph's inputs and outputs against what the config says they must be.

use std::path::Path;

use ort::session::Session;
use ort::value::{Outlet, TensorElementType, ValueType};
use pupil_models::config::StudentConfig;
use pupil_models::format::WeightFormat;
use pupil_models::graph::{self, Dimension, ElementType, GraphValue};

use crate::error::LoadError;

/// Refuses a graph whose inputs and outputs are not those of a student with this config.
pub(super) fn check(
    path: &Path,
    session: &Session,
    config: &StudentConfig,
    format: WeightFormat,
) -> Result<(), LoadError> {
    compare(path, &graph::inputs(config, format), session.inputs())?;
    compare(path, &graph::outputs(config, format), session.outputs())
}

fn compare(path: &Path, expected: &[GraphValue], found: &[Outlet]) -> Result<(), LoadError> {
    let refuse = |value: &str, expected: String, found: String| {
        Err(LoadError::Signature { path: path.to_owned(), value: value.to_owned(), expected, found })
    };
    for value in expected {
        match found.iter().find(|outlet| outlet.name() == value.name) {
            None => return refuse(&value.name, describe(value), "none".to_owned()),
            Some(outlet) if !fits(value, outlet.dtype()) => {
                return refuse(&value.name, describe(value), outlet.dtype().to_string());
            }
            Some(_) => {}
        }
    }
    match found.iter().find(|outlet| !expected.iter().any(|value| value.name == outlet.name())) {
        Some(extra) => refuse(extra.name(), "no such value".to_owned(), extra.dtype().to_string()),
        None => Ok(()),
    }
}

fn fits(expected: &GraphValue, found: &ValueType) -> bool {
    let ValueType::Tensor { ty, shape, .. } = found else { return false };
    let element = match expected.element {
        ElementType::Float32 => TensorElementType::Float32,
        ElementType::Float16 => TensorElementType::Float16,
        ElementType::Int32 => TensorElementType::Int32,
        ElementType::Int64 => TensorElementType::Int64,
    };
    let dimension_fits = |(expected, &found): (&Dimension, &i64)| match expected {
        Dimension::Fixed(size) => found == *size as i64,
        Dimension::Symbolic(_) => found < 0,
    };
    *ty == element && shape.len() == expected.shape.len() && expected.shape.iter().zip(shape.iter()).all(dimension_fits)
}

fn describe(value: &GraphValue) -> String {
    let dimension = |dimension: &Dimension| match dimension {
        Dimension::Fixed(size) => size.to_string(),
        Dimension::Symbolic(name) => (*name).to_owned(),
    };
    let shape: Vec<String> = value.shape.iter().map(dimension).collect();
    format!("{:?} [{}]", value.element, shape.join(", "))
}
