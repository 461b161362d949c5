//! `[sweep]`: one experiment file that stands for several.
//!
//! Every key of the table is an axis: a dotted path into the experiment, with a list of values. `*` in a path stands for
//! every element of a list, a number for one. A value that is a table is laid over the table that is there; the tables of
//! `variant` are laid over the whole experiment. Some axes have names of their own: `degree`, `completions`, `seed`, `split`
//! (a split file), `rationale_tokens` (L_r) and `prediction_tokens` (L_p).

mod overlay;

use std::path::Path;

use serde::Serialize;
use toml::{Table, Value};

use super::file::{SWEEP, read};
use super::{ExperimentError, ExperimentFile, require};
use overlay::{overlay, set};

/// The key that says how axes are combined; every other key is an axis.
const COMBINE: &str = "combine";
/// The key that names a value that is a table; it is not part of the value.
const LABEL: &str = "label";
/// The axis over split files: trains on `FILE:train`, evaluates on `FILE:test`.
const SPLIT: &str = "split";
/// The axis whose tables are laid over the whole experiment.
const VARIANT: &str = "variant";

/// A sweep: an experiment and the axes along which it varies.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// Name of the sweep, and of the folder that holds its runs.
    pub name: String,
    base: Table,
    axes: Vec<Axis>,
    is_zip: bool,
}

#[derive(Clone, Debug)]
struct Axis {
    name: String,
    values: Vec<Value>,
}

/// One experiment of a sweep.
#[derive(Clone, Debug)]
pub struct Variant {
    /// Its name, and that of its run: `degree-1_seed-2`.
    pub name: String,
    /// Its value on each axis, in words.
    pub values: Vec<AxisValue>,
    /// The experiment.
    pub file: ExperimentFile,
}

/// A value on an axis.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AxisValue {
    /// The axis as the file names it.
    pub axis: String,
    /// The value; that of a table or path is its label.
    pub value: serde_json::Value,
}

impl Sweep {
    /// Reads an experiment file with a `[sweep]`.
    ///
    /// # Errors
    /// The file cannot be read, or is not valid TOML, or its `[sweep]` is absent or not a table of lists.
    pub fn read(path: &Path) -> Result<Self, ExperimentError> {
        let table: Table = toml::from_str(&read(path)?)
            .map_err(|source| ExperimentError::Parse { path: path.to_owned(), source: Box::new(source) })?;
        Self::new(table)
    }

    fn new(mut base: Table) -> Result<Self, ExperimentError> {
        let table = match base.remove(SWEEP) {
            Some(Value::Table(table)) => table,
            found => {
                return Err(ExperimentError::Value {
                    key: SWEEP.to_owned(),
                    expected: "a table of lists".to_owned(),
                    found: found.map_or("nothing".to_owned(), |value| value.to_string()),
                });
            }
        };
        let name = base.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        super::plan::require_plain(&name)?;
        let combine = table.get(COMBINE).map_or(Ok("product"), |value| value.as_str().ok_or(value));
        let is_zip = match combine {
            Ok("product") => false,
            Ok("zip") => true,
            Ok(other) => return Err(combine_error(other)),
            Err(other) => return Err(combine_error(&other.to_string())),
        };
        let axes =
            table.into_iter().filter(|(name, _)| name != COMBINE).map(Axis::new).collect::<Result<Vec<_>, _>>()?;
        require(SWEEP, !axes.is_empty(), "at least one axis", "none")?;
        let sweep = Self { name, base, axes, is_zip };
        sweep.require_equal_lengths()?;
        Ok(sweep)
    }

    fn require_equal_lengths(&self) -> Result<(), ExperimentError> {
        let lengths: Vec<usize> = self.axes.iter().map(|axis| axis.values.len()).collect();
        let are_equal = lengths.windows(2).all(|pair| pair[0] == pair[1]);
        require(
            SWEEP,
            are_equal || !self.is_zip,
            "lists of one length, because they are zipped",
            format!("{lengths:?}"),
        )
    }

    /// The names of the axes.
    pub fn axes(&self) -> impl Iterator<Item = &str> {
        self.axes.iter().map(|axis| axis.name.as_str())
    }

    /// Every variant: all combinations of the axes' values, the last axis varying fastest; zipped ones side by side.
    ///
    /// # Errors
    /// A path that leads nowhere; a variant that is not an experiment; two variants with one name.
    pub fn variants(&self) -> Result<Vec<Variant>, ExperimentError> {
        let mut variants: Vec<Variant> = Vec::new();
        for choice in self.choices() {
            let variant = self.variant(&choice)?;
            let is_new = variants.iter().all(|earlier| earlier.name != variant.name);
            require(SWEEP, is_new, "values that name different variants", format!("`{}` twice", variant.name))?;
            variants.push(variant);
        }
        Ok(variants)
    }

    /// Positions in the lists of the axes, one row a variant.
    fn choices(&self) -> Vec<Vec<usize>> {
        if self.is_zip {
            let length = self.axes.first().map_or(0, |axis| axis.values.len());
            return (0..length).map(|place| vec![place; self.axes.len()]).collect();
        }
        self.axes.iter().fold(vec![Vec::new()], |rows, axis| {
            let longer = |row: &Vec<usize>, place| row.iter().copied().chain([place]).collect::<Vec<usize>>();
            rows.iter().flat_map(|row| (0..axis.values.len()).map(move |place| longer(row, place))).collect()
        })
    }

    fn variant(&self, choice: &[usize]) -> Result<Variant, ExperimentError> {
        let mut table = self.base.clone();
        let (mut parts, mut values) = (Vec::new(), Vec::new());
        for (axis, &place) in self.axes.iter().zip(choice) {
            axis.apply(place, &mut table)?;
            let value = axis.shown(place);
            parts.push(match axis.name.as_str() {
                VARIANT => plain(&value),
                _ => format!("{}-{}", axis.short_name(), plain(&value)),
            });
            values.push(AxisValue { axis: axis.name.clone(), value });
        }
        let name = parts.join("_");
        let failed = |found| ExperimentError::Variant { variant: name.clone(), found };
        let mut file = ExperimentFile::from_table(table).map_err(failed)?;
        file.rename(&name);
        Ok(Variant { name, values, file })
    }
}

fn combine_error(found: &str) -> ExperimentError {
    ExperimentError::Value {
        key: format!("{SWEEP}.{COMBINE}"),
        expected: "`product` or `zip`".to_owned(),
        found: format!("`{found}`"),
    }
}

impl Axis {
    fn new((name, value): (String, Value)) -> Result<Self, ExperimentError> {
        let key = format!("{SWEEP}.{name}");
        let Value::Array(values) = value else {
            return Err(ExperimentError::Value {
                key,
                expected: "a list of values".to_owned(),
                found: value.to_string(),
            });
        };
        require(&key, !values.is_empty(), "a list of at least one value", "an empty one")?;
        Ok(Self { name, values })
    }

    fn apply(&self, place: usize, table: &mut Table) -> Result<(), ExperimentError> {
        let mut value = self.values[place].clone();
        if let Value::Table(fields) = &mut value {
            fields.remove(LABEL);
        }
        let failed = |found| ExperimentError::Value {
            key: format!("{SWEEP}.{}", self.name),
            expected: "a path into the experiment".to_owned(),
            found,
        };
        if let (VARIANT, Value::Table(fields)) = (self.name.as_str(), &value) {
            fields.iter().for_each(|(key, value)| overlay(table, key, value));
            return Ok(());
        }
        if self.name != SPLIT {
            return set(table, path(&self.name), &value).map_err(failed);
        }
        let Value::String(file) = value else { return Err(failed(format!("`{value}` instead of a split file"))) };
        for (path, name) in [("source.*.split", "train"), ("eval.*.split", "test")] {
            set(table, path, &Value::String(format!("{file}:{name}"))).map_err(failed)?;
        }
        Ok(())
    }

    /// A value in words: of a table its label or else its place in the list, of a path the name of the file.
    fn shown(&self, place: usize) -> serde_json::Value {
        match &self.values[place] {
            Value::Table(fields) => match fields.get(LABEL).and_then(Value::as_str) {
                Some(label) => label.into(),
                None => place.into(),
            },
            Value::String(text) if text.contains('/') => {
                Path::new(text).file_stem().unwrap_or_default().to_string_lossy().into()
            }
            value => serde_json::to_value(value).unwrap_or_default(),
        }
    }

    fn short_name(&self) -> &str {
        self.name.rsplit('.').next().unwrap_or(&self.name)
    }
}

/// A value as part of a folder's name.
fn plain(value: &serde_json::Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let legal = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
    let parts: Vec<&str> = text.split(|character| !legal(character)).filter(|part| !part.is_empty()).collect();
    parts.join("-")
}

/// The path that an axis stands for.
fn path(axis: &str) -> &str {
    match axis {
        "degree" => "source.*.degree",
        "completions" => "source.*.completions",
        "rationale_tokens" => "source.*.generation.max_tokens",
        "prediction_tokens" => "contract.budgets.rationale_tokens",
        "seed" => "train.seed",
        path => path,
    }
}

#[cfg(test)]
mod tests;
