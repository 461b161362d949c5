//! A student's architecture: Hugging Face `config.json`, read leniently and validated strictly.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::family::{self, Family};

/// What is wrong with a `config.json`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the student config `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The text is not JSON of the expected shape.
    #[error(
        "student config is not valid: expected the Hugging Face `config.json` of a llama or qwen2 model, found {found}"
    )]
    Parse {
        /// What the parser met.
        found: String,
    },
    /// The architecture asks for something that no family here computes.
    #[error("student config `{key}`: expected {expected}, found {found}")]
    Unsupported {
        /// The key of `config.json`.
        key: &'static str,
        /// What is accepted.
        expected: String,
        /// What the file says.
        found: String,
    },
}

impl ConfigError {
    /// A stable code for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "E_CONFIG_READ",
            Self::Parse { .. } => "E_CONFIG_PARSE",
            Self::Unsupported { .. } => "E_CONFIG_UNSUPPORTED",
        }
    }
}

/// The validated architecture of a student.
///
/// Every field is public because nothing can be changed into an inconsistent state silently: [`StudentConfig::validate`]
/// runs on every way in.
#[derive(Clone, Debug, PartialEq)]
pub struct StudentConfig {
    /// Which forward pass it has.
    pub family: Family,
    /// Rows of the embedding table.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width inside the feed-forward block.
    pub intermediate_size: usize,
    /// Number of decoder layers.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; divides `heads`.
    pub kv_heads: usize,
    /// Width of one head; even, because rotary embedding pairs its halves.
    pub head_dim: usize,
    /// Longest sequence, prompt and completion together, in tokens.
    pub context_tokens: usize,
    /// Added to the mean square in RMS normalisation.
    pub rms_norm_epsilon: f32,
    /// Base of the rotary frequencies.
    pub rope_theta: f64,
    /// Whether the output head is the embedding table.
    pub tied_head: bool,
    /// Tokens that end a completion; never empty.
    pub eos_ids: Vec<u32>,
}

/// The keys of `config.json` that matter here; every other key is ignored, as Hugging Face tools do.
#[derive(Debug, Deserialize, Serialize)]
struct RawConfig {
    model_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    architectures: Option<Vec<String>>,
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    num_key_value_heads: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    head_dim: Option<usize>,
    max_position_embeddings: usize,
    rms_norm_eps: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rope_theta: Option<f64>,
    // transformers 5 writes the rotary settings here instead of at the top level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rope_parameters: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rope_scaling: Option<Value>,
    #[serde(default)]
    tie_word_embeddings: bool,
    // Keys of llama alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    attention_bias: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mlp_bias: Option<bool>,
    // Keys of qwen2 alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    use_sliding_window: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    layer_types: Option<Vec<String>>,
    #[serde(default = "silu")]
    hidden_act: String,
    eos_token_id: EosIds,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bos_token_id: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    torch_dtype: Option<String>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(untagged)]
enum EosIds {
    One(u32),
    Several(Vec<u32>),
}

fn silu() -> String {
    "silu".to_owned()
}

impl StudentConfig {
    /// Reads and validates `config.json`.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        Self::from_json(&text)
    }

    /// Parses and validates the text of a `config.json`.
    pub fn from_json(text: &str) -> Result<Self, ConfigError> {
        let raw: RawConfig =
            serde_json::from_str(text).map_err(|error| ConfigError::Parse { found: error.to_string() })?;
        let family = raw.family()?;
        raw.refuse_unsupported()?;
        let config = Self {
            family,
            vocab_size: raw.vocab_size,
            hidden_size: raw.hidden_size,
            intermediate_size: raw.intermediate_size,
            layers: raw.num_hidden_layers,
            heads: raw.num_attention_heads,
            kv_heads: raw.num_key_value_heads.unwrap_or(raw.num_attention_heads),
            head_dim: raw.head_dim.unwrap_or(raw.hidden_size / raw.num_attention_heads.max(1)),
            context_tokens: raw.max_position_embeddings,
            rms_norm_epsilon: raw.rms_norm_eps as f32,
            rope_theta: raw.rope_theta(),
            tied_head: raw.tie_word_embeddings,
            eos_ids: match raw.eos_token_id {
                EosIds::One(id) => vec![id],
                EosIds::Several(ids) => ids,
            },
        };
        config.validate()?;
        Ok(config)
    }

    /// The Hugging Face `config.json` of this student, as float32, ending in a newline.
    #[must_use]
    pub fn to_json(&self) -> String {
        let absent_bias = (self.family == Family::Llama).then_some(false);
        let raw = RawConfig {
            model_type: self.family.as_str().to_owned(),
            architectures: Some(vec![self.family.architecture().to_owned()]),
            vocab_size: self.vocab_size,
            hidden_size: self.hidden_size,
            intermediate_size: self.intermediate_size,
            num_hidden_layers: self.layers,
            num_attention_heads: self.heads,
            num_key_value_heads: Some(self.kv_heads),
            head_dim: Some(self.head_dim),
            max_position_embeddings: self.context_tokens,
            rms_norm_eps: short_decimal(self.rms_norm_epsilon),
            rope_theta: Some(self.rope_theta),
            rope_parameters: None,
            rope_scaling: None,
            tie_word_embeddings: self.tied_head,
            attention_bias: absent_bias,
            mlp_bias: absent_bias,
            use_sliding_window: (self.family == Family::Qwen2).then_some(false),
            layer_types: None,
            hidden_act: silu(),
            eos_token_id: match self.eos_ids.as_slice() {
                [id] => EosIds::One(*id),
                ids => EosIds::Several(ids.to_vec()),
            },
            bos_token_id: None,
            torch_dtype: Some("float32".to_owned()),
        };
        // A struct of plain fields always serialises.
        let text = serde_json::to_string_pretty(&raw).unwrap_or_default();
        format!("{text}\n")
    }

    /// Refuses sizes that no forward pass could compute with.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let positive = [
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("intermediate_size", self.intermediate_size),
            ("num_hidden_layers", self.layers),
            ("num_attention_heads", self.heads),
            ("num_key_value_heads", self.kv_heads),
            ("max_position_embeddings", self.context_tokens),
        ];
        for (key, value) in positive {
            // 2^24 is far above every published student and keeps each product of sizes inside 64 bits.
            require(key, (1..=1 << 24).contains(&value), "a number from 1 to 2^24", value)?;
        }
        require(
            "num_key_value_heads",
            self.heads.is_multiple_of(self.kv_heads),
            "a divisor of `num_attention_heads`",
            self.kv_heads,
        )?;
        require(
            "head_dim",
            self.head_dim > 0 && self.head_dim.is_multiple_of(2),
            "a positive even number",
            self.head_dim,
        )?;
        require(
            "rms_norm_eps",
            self.rms_norm_epsilon > 0.0 && self.rms_norm_epsilon < 1.0,
            "a number between 0 and 1",
            self.rms_norm_epsilon,
        )?;
        require(
            "rope_theta",
            self.rope_theta > 1.0 && self.rope_theta.is_finite(),
            "a finite number above 1",
            self.rope_theta,
        )?;
        require("eos_token_id", !self.eos_ids.is_empty(), "at least one id", "none")?;
        for &id in &self.eos_ids {
            require("eos_token_id", (id as usize) < self.vocab_size, "an id below `vocab_size`", id)?;
        }
        Ok(())
    }

    /// Number of weights, each tied one counted once.
    #[must_use]
    pub fn parameter_count(&self) -> usize {
        family::weights(self).iter().map(|weight| weight.shape.iter().product::<usize>()).sum()
    }

    /// Bytes that one position adds to a key-value cache with elements of `element_bytes` bytes.
    #[must_use]
    pub fn kv_bytes_per_token(&self, element_bytes: usize) -> usize {
        2 * self.layers * self.kv_heads * self.head_dim * element_bytes
    }

    /// Width of the concatenated query heads.
    #[must_use]
    pub fn query_width(&self) -> usize {
        self.heads * self.head_dim
    }

    /// Width of the concatenated key heads, and of the value heads.
    #[must_use]
    pub fn kv_width(&self) -> usize {
        self.kv_heads * self.head_dim
    }
}

/// The shortest decimal that reads back as the same `f32`, so that 1e-5 is not written as 9.999999747378752e-06.
fn short_decimal(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}

fn require(key: &'static str, holds: bool, expected: &str, found: impl ToString) -> Result<(), ConfigError> {
    if holds {
        return Ok(());
    }
    Err(ConfigError::Unsupported { key, expected: expected.to_owned(), found: found.to_string() })
}

impl RawConfig {
    fn family(&self) -> Result<Family, ConfigError> {
        let known = Family::ALL.into_iter().find(|family| family.as_str() == self.model_type);
        known.ok_or_else(|| ConfigError::Unsupported {
            key: "model_type",
            expected: Family::ALL.map(|family| format!("`{family}`")).join(" or "),
            found: format!("`{}`", self.model_type),
        })
    }

    fn refuse_unsupported(&self) -> Result<(), ConfigError> {
        require("hidden_act", self.hidden_act == "silu", "`silu`", &self.hidden_act)?;
        let switches = [
            ("attention_bias", self.attention_bias),
            ("mlp_bias", self.mlp_bias),
            ("use_sliding_window", self.use_sliding_window),
        ];
        for (key, switch) in switches {
            require(key, switch != Some(true), "`false`", true)?;
        }
        if let Some(kind) = self.layer_types.iter().flatten().find(|kind| *kind != "full_attention") {
            require("layer_types", false, "`full_attention` in every layer", kind)?;
        }
        if let Some(scaling) = &self.rope_scaling {
            require("rope_scaling", scaling.is_null(), "`null` (plain rotary embedding)", scaling)?;
        }
        if let Some(kind) = self.rope_parameters.as_ref().and_then(|rope| rope.get("rope_type")) {
            require("rope_parameters.rope_type", kind == "default", "`default`", kind)?;
        }
        Ok(())
    }

    fn rope_theta(&self) -> f64 {
        let nested = self.rope_parameters.as_ref().and_then(|rope| rope.get("rope_theta")).and_then(Value::as_f64);
        // 10,000 is what transformers assumes where the key is absent.
        self.rope_theta.or(nested).unwrap_or(10_000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TINY: &str = r#"{"model_type":"llama","vocab_size":300,"hidden_size":64,"intermediate_size":160,
        "num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2,"max_position_embeddings":128,
        "rms_norm_eps":1e-5,"rope_theta":10000.0,"tie_word_embeddings":true,"eos_token_id":0,"unknown_key":[1]}"#;

    #[test]
    fn counts_follow_the_shapes() {
        let config = StudentConfig::from_json(TINY).unwrap();
        let layer = 64 * 64 * 2 + 64 * 32 * 2 + 3 * 64 * 160 + 2 * 64;
        assert_eq!(config.parameter_count(), 300 * 64 + 2 * layer + 64);
        assert_eq!(config.kv_bytes_per_token(4), 2 * 2 * 32 * 4);
    }

    #[test]
    fn writing_and_reading_agree() {
        let config = StudentConfig::from_json(TINY).unwrap();
        assert_eq!(StudentConfig::from_json(&config.to_json()).unwrap(), config);
        assert!(config.to_json().contains("\"rms_norm_eps\": 0.00001"), "{}", config.to_json());
    }

    #[test]
    fn a_qwen2_student_has_three_biases_a_layer_and_keeps_its_family() {
        let llama = StudentConfig::from_json(TINY).unwrap();
        let qwen2 = StudentConfig::from_json(&TINY.replace("\"llama\"", "\"qwen2\"")).unwrap();
        assert_eq!(qwen2.parameter_count() - llama.parameter_count(), 2 * (64 + 32 + 32));
        assert_eq!(StudentConfig::from_json(&qwen2.to_json()).unwrap(), qwen2);
    }

    #[test]
    fn nested_rotary_settings_are_read() {
        let nested =
            TINY.replace("\"rope_theta\":10000.0", r#""rope_parameters":{"rope_type":"default","rope_theta":5e5}"#);
        assert!((StudentConfig::from_json(&nested).unwrap().rope_theta - 5e5).abs() < f64::EPSILON);
    }

    #[test]
    fn each_unsupported_setting_is_named() {
        for (from, to, key) in [
            ("\"llama\"", "\"mamba\"", "model_type"),
            ("\"num_key_value_heads\":2", "\"num_key_value_heads\":3", "num_key_value_heads"),
            ("\"eos_token_id\":0", "\"eos_token_id\":300", "eos_token_id"),
            ("\"vocab_size\":300", "\"vocab_size\":0", "vocab_size"),
            ("\"rms_norm_eps\":1e-5", "\"rms_norm_eps\":0", "rms_norm_eps"),
            ("\"unknown_key\":[1]", "\"rope_scaling\":{\"factor\":2}", "rope_scaling"),
            ("\"unknown_key\":[1]", "\"attention_bias\":true", "attention_bias"),
            ("\"unknown_key\":[1]", "\"use_sliding_window\":true", "use_sliding_window"),
            ("\"unknown_key\":[1]", "\"layer_types\":[\"full_attention\",\"sliding_attention\"]", "layer_types"),
            ("\"unknown_key\":[1]", "\"head_dim\":15", "head_dim"),
        ] {
            let error = StudentConfig::from_json(&TINY.replace(from, to)).unwrap_err();
            assert_eq!(error.code(), "E_CONFIG_UNSUPPORTED");
            assert!(error.to_string().contains(key), "{error}");
        }
    }
}
