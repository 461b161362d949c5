//! One measurement and the conditions it was taken under: a line of the JSON and of the CSV.

use std::path::PathBuf;

use pupil_models::digest::Digest;
use pupil_runtime::{CacheType, Device};
use serde::{Deserialize, Serialize};

use super::figure::Figure;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Measurement {
    /// Bytes that can be read from memory.
    Bandwidth,
    /// Bytes that a decode step reads: weights, and cache at this depth.
    StepBytes,
    /// Bandwidth over the bytes of a step.
    Ceiling,
    /// Opening the bundle until it is ready, its files not in the page cache.
    ColdLoad,
    /// Opening the bundle until the first token of a prompt, its files not in the page cache.
    ColdFirstToken,
    /// As the cold load, with the files in the page cache.
    WarmLoad,
    /// As the cold first token, with the files in the page cache.
    WarmFirstToken,
    /// From the question to the first token.
    TimeToFirstToken,
    /// From the first token to the last, over the tokens after the first.
    TimePerOutputToken,
    /// From the question to the end of the first step.
    TimeToFirstStep,
    /// From the question to the answer.
    TimeToAnswer,
    /// Tokens of the completion over the whole time.
    AnswerRate,
    /// Reading a prompt.
    Prefill,
    /// Decoding after a context.
    Decode,
    /// Time between tokens, while decoding after a context: half of them are below.
    InterTokenP50,
    /// … nine of ten are below.
    InterTokenP90,
    /// … 99 of 100 are below.
    InterTokenP99,
    /// Decoding over the ceiling.
    CeilingShare,
    /// Energy per decoded token.
    Energy,
    /// From the start of a process to its first token.
    ProcessFirstToken,
    /// Memory of a process alone, after its tokens.
    Anonymous,
    /// Resident pages of mapped files of a process, after its tokens.
    Mapped,
    /// Most resident memory of a process.
    Peak,
    /// Page faults of a process that were served from memory.
    MinorFaults,
    /// Page faults of a process that waited for storage.
    MajorFaults,
    /// Decoding in a window of a soak.
    SoakWindow,
    /// The last window of a soak over the first.
    SoakDrift,
    /// Clock of the cores in a window of a soak.
    Frequency,
    /// Hottest sensor in a window of a soak.
    Temperature,
}

/// How often, on what and by what something was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "switches that do not depend on each other")]
pub(super) struct Conditions {
    pub(super) bundle: PathBuf,
    pub(super) bundle_digest: Digest,
    /// Form of the weights.
    pub(super) weights: String,
    pub(super) parameters: usize,
    /// Absent in files of versions that know the CPU only.
    #[serde(default)]
    pub(super) device: Device,
    pub(super) threads: usize,
    pub(super) spinning: bool,
    /// Absent in files of versions that know one type only.
    #[serde(default)]
    pub(super) cache: Option<CacheType>,
    #[serde(default)]
    pub(super) affinity: bool,
    pub(super) prepacking: bool,
    /// Whether a stored tuning decided what was left open.
    pub(super) tuned: bool,
    /// Whether a saved graph was run, its pre-packed weights mapped.
    #[serde(default)]
    pub(super) saved_graph: bool,
    /// Instructions that the operators of a native bundle are made of.
    pub(super) instruction_set: String,
    pub(super) onnxruntime: String,
    pub(super) runtime: String,
    pub(super) cpu: String,
    pub(super) cpu_features: String,
    pub(super) cores: usize,
    pub(super) warm_up_runs: usize,
}

/// One measurement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) measurement: Measurement,
    /// Tokens of the prompt, or of the context before the first decoded token.
    #[serde(default)]
    pub(super) prompt_tokens: Option<usize>,
    /// Decoded tokens.
    #[serde(default)]
    pub(super) tokens: Option<usize>,
    /// Threads that read, where it is not those that compute.
    #[serde(default)]
    pub(super) readers: Option<usize>,
    /// End of the window of a soak.
    #[serde(default)]
    pub(super) at_seconds: Option<f64>,
    pub(super) unit: String,
    #[serde(flatten)]
    pub(super) figure: Figure,
    /// Digest of the token ids that were answered; absent where nothing was.
    #[serde(default)]
    pub(super) answer: Option<Digest>,
    #[serde(flatten)]
    pub(super) conditions: Conditions,
}

impl Row {
    /// What the row is about, in words.
    pub(super) fn label(&self) -> String {
        let readers = self
            .readers
            .map_or(String::new(), |readers| format!(", {readers} thread{}", if readers == 1 { "" } else { "s" }));
        let tokens = match (self.measurement, self.prompt_tokens, self.tokens) {
            (Measurement::Prefill, Some(prompt), _) => format!(" of {prompt} tokens"),
            (_, Some(prompt), Some(tokens)) => format!(", {prompt} + {tokens} tokens"),
            (_, Some(prompt), None) => format!(", {prompt} tokens"),
            (_, None, _) => String::new(),
        };
        let until = self.at_seconds.map_or(String::new(), |seconds| format!(", until {seconds:.0} s"));
        format!("{}{readers}{tokens}{until}", self.measurement.name())
    }

    /// Whether two rows measure the same thing the same way.
    pub(super) fn same_measurement(&self, other: &Self) -> bool {
        let key = |row: &Self| {
            (row.measurement, row.prompt_tokens, row.tokens, row.readers, row.at_seconds.map(f64::to_bits))
        };
        key(self) == key(other) && self.unit == other.unit
    }
}

impl Measurement {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Bandwidth => "read bandwidth",
            Self::StepBytes => "bytes of a decode step",
            Self::Ceiling => "ceiling of decoding",
            Self::ColdLoad => "cold load",
            Self::ColdFirstToken => "cold load to first token",
            Self::WarmLoad => "warm load",
            Self::WarmFirstToken => "warm load to first token",
            Self::TimeToFirstToken => "time to first token",
            Self::TimePerOutputToken => "time per output token",
            Self::TimeToFirstStep => "time to first step",
            Self::TimeToAnswer => "time to answer",
            Self::AnswerRate => "whole answer",
            Self::Prefill => "prefill",
            Self::Decode => "decode",
            Self::InterTokenP50 => "between tokens, p50",
            Self::InterTokenP90 => "between tokens, p90",
            Self::InterTokenP99 => "between tokens, p99",
            Self::CeilingShare => "share of the ceiling",
            Self::Energy => "energy",
            Self::ProcessFirstToken => "process start to first token",
            Self::Anonymous => "anonymous memory",
            Self::Mapped => "mapped memory",
            Self::Peak => "peak memory",
            Self::MinorFaults => "minor page faults",
            Self::MajorFaults => "major page faults",
            Self::SoakWindow => "soak",
            Self::SoakDrift => "soak, last window over first",
            Self::Frequency => "clock",
            Self::Temperature => "temperature",
        }
    }

    /// Its name in files.
    pub(super) fn key(self) -> String {
        serde_json::to_value(self).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
    }

    /// The heading it stands under.
    pub(super) fn section(self) -> &'static str {
        match self {
            Self::Bandwidth | Self::StepBytes | Self::Ceiling => "ceiling",
            Self::ColdLoad | Self::ColdFirstToken | Self::WarmLoad | Self::WarmFirstToken => "load",
            Self::TimeToFirstToken
            | Self::TimePerOutputToken
            | Self::TimeToFirstStep
            | Self::TimeToAnswer
            | Self::AnswerRate => "question",
            Self::Prefill => "prefill",
            Self::Decode
            | Self::InterTokenP50
            | Self::InterTokenP90
            | Self::InterTokenP99
            | Self::CeilingShare
            | Self::Energy => "decode",
            Self::ProcessFirstToken
            | Self::Anonymous
            | Self::Mapped
            | Self::Peak
            | Self::MinorFaults
            | Self::MajorFaults => "fresh process",
            Self::SoakWindow | Self::SoakDrift | Self::Frequency | Self::Temperature => "soak",
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A row like any.
    pub(in super::super) fn row() -> Row {
        Row {
            measurement: Measurement::Decode,
            prompt_tokens: Some(64),
            tokens: Some(32),
            readers: None,
            at_seconds: None,
            unit: "tokens/s".to_owned(),
            figure: Figure { median: 20.0, least: 10.0, most: 30.0, runs: vec![10.0, 20.0, 30.0] },
            answer: Some(Digest::of(b"answer")),
            conditions: Conditions {
                bundle: PathBuf::from("student"),
                bundle_digest: Digest::of(b"bundle"),
                weights: "float32".to_owned(),
                parameters: 1000,
                device: Device::Cpu,
                threads: 2,
                spinning: true,
                cache: Some(CacheType::Float32),
                affinity: false,
                prepacking: false,
                tuned: false,
                saved_graph: false,
                instruction_set: "plain".to_owned(),
                onnxruntime: "1.2.3".to_owned(),
                runtime: "0.1.0".to_owned(),
                cpu: "a, \"quoted\" CPU".to_owned(),
                cpu_features: "avx2".to_owned(),
                cores: 2,
                warm_up_runs: 1,
            },
        }
    }

    #[test]
    fn labels_say_what_was_measured_on_what() {
        assert_eq!(row().label(), "decode, 64 + 32 tokens");
        let prefill = Row { measurement: Measurement::Prefill, tokens: None, ..row() };
        assert_eq!(prefill.label(), "prefill of 64 tokens");
        let window = Row { measurement: Measurement::SoakWindow, prompt_tokens: None, at_seconds: Some(10.0), ..row() };
        assert_eq!(window.label(), "soak, until 10 s");
    }

    #[test]
    fn names_in_files_are_those_of_the_json() {
        assert_eq!(Measurement::InterTokenP90.key(), "inter-token-p90");
        let json = serde_json::to_value(row()).unwrap();
        assert_eq!(json["measurement"], "decode");
        assert_eq!(json["threads"], 2, "conditions stand beside the figures");
        assert_eq!(json["median"], 20.0);
    }
}
