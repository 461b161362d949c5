//! Published student sizes, `models/presets/*.json`: the `config.json` of each, without any weights.

use std::fmt;
use std::str::FromStr;

use crate::config::{ConfigError, StudentConfig};

/// A student whose sizes are published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// A student for tests, of 0.9 million weights.
    Micro,
    /// SmolLM2-135M (Ben Allal et al. 2025).
    SmolLm2With135M,
    /// Qwen2.5-0.5B (Qwen Team 2024).
    Qwen25With500M,
    /// Qwen2.5-1.5B (Qwen Team 2024).
    Qwen25With1500M,
}

/// A name that no preset has.
#[derive(Debug, thiserror::Error)]
#[error("expected one of {}, found `{found}`", Preset::ALL.map(|preset| format!("`{preset}`")).join(", "))]
pub struct UnknownPreset {
    found: String,
}

impl Preset {
    /// Every preset, the smallest first.
    pub const ALL: [Self; 4] = [Self::Micro, Self::SmolLm2With135M, Self::Qwen25With500M, Self::Qwen25With1500M];

    /// Its name, as typed.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Micro => "micro",
            Self::SmolLm2With135M => "smollm2-135m",
            Self::Qwen25With500M => "qwen2.5-0.5b",
            Self::Qwen25With1500M => "qwen2.5-1.5b",
        }
    }

    /// Its architecture.
    ///
    /// # Errors
    /// The committed file is refused, which a test rules out.
    pub fn config(self) -> Result<StudentConfig, ConfigError> {
        StudentConfig::from_json(match self {
            Self::Micro => include_str!("../presets/micro.json"),
            Self::SmolLm2With135M => include_str!("../presets/smollm2-135m.json"),
            Self::Qwen25With500M => include_str!("../presets/qwen2.5-0.5b.json"),
            Self::Qwen25With1500M => include_str!("../presets/qwen2.5-1.5b.json"),
        })
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for Preset {
    type Err = UnknownPreset;

    fn from_str(text: &str) -> Result<Self, UnknownPreset> {
        let named = Self::ALL.into_iter().find(|preset| preset.as_str() == text);
        named.ok_or_else(|| UnknownPreset { found: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_preset_has_the_published_number_of_weights() {
        let published = [869_504, 134_515_008, 494_032_768, 1_543_714_304];
        for (preset, parameters) in Preset::ALL.into_iter().zip(published) {
            assert_eq!(preset.config().unwrap().parameter_count(), parameters, "{preset}");
            assert_eq!(preset.as_str().parse::<Preset>().unwrap(), preset);
        }
        assert!("llama".parse::<Preset>().unwrap_err().to_string().contains("`smollm2-135m`"));
    }
}
