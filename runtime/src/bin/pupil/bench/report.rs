//! All rows of a bench, and what has to be said beside them.

use pupil_models::bundle::Bundle;
use pupil_models::digest::Digest;
use pupil_runtime::backend::onnx::find_library;
use pupil_runtime::machine;

use super::figure::Figure;
use super::plan::BenchPlan;
use super::row::{Conditions, Measurement, Row};

/// Everything that was measured.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) conditions: Conditions,
    pub(super) rows: Vec<Row>,
    /// What could not be measured, and what a number does not say by itself.
    pub(super) notes: Vec<String>,
}

/// What a row is about.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct About {
    pub(super) prompt_tokens: Option<usize>,
    pub(super) tokens: Option<usize>,
    pub(super) readers: Option<usize>,
    pub(super) at_seconds: Option<f64>,
    pub(super) answer: Option<Digest>,
}

impl Report {
    pub(super) fn new(plan: &BenchPlan<'_>, bundle: &Bundle) -> anyhow::Result<Self> {
        let execution = plan.options.resolve(bundle);
        let conditions = Conditions {
            bundle: bundle.folder().to_owned(),
            bundle_digest: bundle.digest(),
            weights: bundle.manifest().weights.to_string(),
            parameters: bundle.config().parameter_count(),
            device: execution.device,
            threads: execution.threads.get(),
            spinning: execution.spinning,
            cache: Some(execution.cache),
            affinity: execution.affinity,
            prepacking: execution.prepacking,
            tuned: execution.tuned,
            saved_graph: execution.saved_graph,
            instruction_set: execution.instruction_set.to_string(),
            onnxruntime: find_library()?.version,
            runtime: env!("CARGO_PKG_VERSION").to_owned(),
            cpu: machine::cpu_model(),
            cpu_features: machine::cpu_features().join(" "),
            cores: machine::cores(),
            warm_up_runs: plan.warm_up,
        };
        Ok(Self { conditions, rows: Vec::new(), notes: Vec::new() })
    }

    /// Adds a row, if there is a figure.
    pub(super) fn add(&mut self, measurement: Measurement, unit: &str, figure: Option<Figure>, about: About) {
        let Some(figure) = figure else { return };
        let About { prompt_tokens, tokens, readers, at_seconds, answer } = about;
        let (unit, conditions) = (unit.to_owned(), self.conditions.clone());
        self.rows.push(Row {
            measurement,
            prompt_tokens,
            tokens,
            readers,
            at_seconds,
            unit,
            figure,
            answer,
            conditions,
        });
    }

    pub(super) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Rows of a kind.
    pub(super) fn of(&self, measurement: Measurement) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.measurement == measurement)
    }

    /// Medians of rows of a kind against the tokens of their prompts.
    pub(super) fn by_depth(&self, measurement: Measurement) -> Vec<(f64, &Figure)> {
        self.of(measurement).filter_map(|row| Some((row.prompt_tokens? as f64, &row.figure))).collect()
    }

    /// The ceiling at a depth, in tokens per second.
    pub(super) fn ceiling(&self, depth: usize) -> Option<f64> {
        self.of(Measurement::Ceiling).find(|row| row.prompt_tokens == Some(depth)).map(|row| row.figure.median)
    }
}
