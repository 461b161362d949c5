//! The figures of a bench, as JSON and as a table.

use std::path::PathBuf;

use pupil_models::digest::Digest;
use serde::Serialize;

use super::memory::Memory;

/// A figure over all runs.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Figure {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Figure {
    /// The figure over `values`; `None` if there are none.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median =
            if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) };
        Some(Self { median, least, most })
    }

    fn show(figure: Option<Self>, unit: &str) -> String {
        figure.map_or("none".to_owned(), |Self { median, least, most }| {
            format!("{median:.2} {unit} ({least:.2} to {most:.2})")
        })
    }
}

/// Everything that `pupil bench` measures.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) bundle: PathBuf,
    pub(crate) onnxruntime: String,
    pub(crate) threads: usize,
    pub(crate) prepacking: bool,
    pub(crate) runs: usize,
    pub(crate) parameters: usize,
    /// The very first load of the process, ONNX Runtime's library included.
    pub(crate) first_load_ms: f64,
    pub(crate) load_ms: Option<Figure>,
    pub(crate) question: QuestionFigures,
    pub(crate) synthetic: SyntheticFigures,
    pub(crate) memory: MemoryFigures,
}

/// A question, answered greedily.
#[derive(Debug, Serialize)]
pub(crate) struct QuestionFigures {
    pub(crate) prompt_tokens: usize,
    pub(crate) completion_tokens: usize,
    pub(crate) outcome: pupil_runtime::Outcome,
    pub(crate) completion_digest: Digest,
    pub(crate) ttft_ms: Option<Figure>,
    pub(crate) tpot_ms: Option<Figure>,
    pub(crate) time_to_first_step_ms: Option<Figure>,
    pub(crate) time_to_answer_ms: Option<Figure>,
    pub(crate) tokens_per_second: Option<Figure>,
}

/// A prompt and a completion of fixed length.
#[derive(Debug, Serialize)]
pub(crate) struct SyntheticFigures {
    pub(crate) prompt_tokens: usize,
    pub(crate) tokens: usize,
    pub(crate) prefill_tokens_per_second: Option<Figure>,
    pub(crate) decode_tokens_per_second: Option<Figure>,
    pub(crate) completion_digest: Digest,
}

/// Resident memory at three moments.
#[derive(Debug, Serialize)]
pub(crate) struct MemoryFigures {
    pub(crate) empty_process: Option<Memory>,
    pub(crate) after_load: Option<Memory>,
    pub(crate) after_runs: Option<Memory>,
    /// Maps of the weights file after the load.
    pub(crate) weight_maps: Option<usize>,
}

impl Report {
    /// The table.
    pub(crate) fn rows(&self) -> Vec<(&'static str, String)> {
        let question = &self.question;
        let synthetic = &self.synthetic;
        let packing = if self.prepacking { "on" } else { "off" };
        vec![
            ("bundle", format!("{} ({} parameters)", self.bundle.display(), self.parameters)),
            ("onnxruntime", format!("{}, {} threads, pre-packing {packing}", self.onnxruntime, self.threads)),
            ("runs", format!("{}; median (least to most)", self.runs)),
            ("load", format!("{}; first {:.2} ms", Figure::show(self.load_ms, "ms"), self.first_load_ms)),
            ("time to first token", Figure::show(question.ttft_ms, "ms")),
            ("time per output token", Figure::show(question.tpot_ms, "ms")),
            ("time to first step", Figure::show(question.time_to_first_step_ms, "ms")),
            ("time to answer", Figure::show(question.time_to_answer_ms, "ms")),
            ("tokens per second", Figure::show(question.tokens_per_second, "/s")),
            (
                "question",
                format!(
                    "{} prompt and {} completion tokens, {:?}, {}",
                    question.prompt_tokens, question.completion_tokens, question.outcome, question.completion_digest
                ),
            ),
            (
                "prefill",
                format!(
                    "{}, {} tokens",
                    Figure::show(synthetic.prefill_tokens_per_second, "tokens/s"),
                    synthetic.prompt_tokens
                ),
            ),
            (
                "decode",
                format!(
                    "{}, {} tokens",
                    Figure::show(synthetic.decode_tokens_per_second, "tokens/s"),
                    synthetic.tokens
                ),
            ),
            ("memory, empty process", show(self.memory.empty_process)),
            ("memory, after load", show(self.memory.after_load)),
            ("memory, after runs", show(self.memory.after_runs)),
            ("maps of the weights", self.memory.weight_maps.map_or("unknown".to_owned(), |maps| maps.to_string())),
        ]
    }
}

fn show(memory: Option<Memory>) -> String {
    let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    memory.map_or("unknown".to_owned(), |memory| {
        format!(
            "{:.1} MiB anonymous, {:.1} MiB of files",
            mebibytes(memory.anonymous_bytes),
            mebibytes(memory.mapped_bytes)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_even_counts_lies_between() {
        let figure = Figure::of([4.0, 1.0, 3.0, 2.0]).unwrap();
        assert!((figure.median - 2.5).abs() < 1e-12);
        assert!((Figure::of([5.0, 1.0, 2.0]).unwrap().median - 2.0).abs() < 1e-12);
        assert!(Figure::of([]).is_none());
    }
}
