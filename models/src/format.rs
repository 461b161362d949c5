//! The forms in which a bundle's weights are stored.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::graph::ElementType;
use crate::packed::Precision;

/// How a bundle stores its weights, and with that which operators its graph is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum WeightFormat {
    /// The float32 weights of a Hugging Face checkpoint, as they are, under ONNX Runtime's own operators.
    #[default]
    Float32,
    /// Fused and packed matrices under our own operators; most of them have this precision.
    Native(Precision),
    /// Fused and quantised matrices under ONNX Runtime's own operators, with the inputs that other runtimes provide.
    Portable(PortableWeights),
}

/// How a portable bundle stores most of its matrices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PortableWeights {
    /// 4-bit integers in blocks that share a scale.
    Four,
    /// 8-bit integers in blocks that share a scale.
    Eight,
    /// 8-bit integers with a scale for each output channel.
    Channels,
}

/// A name that no format has.
#[derive(Debug, thiserror::Error)]
#[error("expected one of {}, found `{found}`", WeightFormat::ALL.map(|format| format!("`{format}`")).join(", "))]
pub struct UnknownFormat {
    found: String,
}

impl WeightFormat {
    /// Every format.
    pub const ALL: [Self; 7] = [
        Self::Float32,
        Self::Native(Precision::Four),
        Self::Native(Precision::Eight),
        Self::Native(Precision::Sixteen),
        Self::Portable(PortableWeights::Four),
        Self::Portable(PortableWeights::Eight),
        Self::Portable(PortableWeights::Channels),
    ];

    /// Its name, in manifests and as typed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Float32 => "float32",
            Self::Native(Precision::Four) => "native-4",
            Self::Native(Precision::Eight) => "native-8",
            Self::Native(Precision::Sixteen) => "native-16",
            Self::Portable(PortableWeights::Four) => "portable-4",
            Self::Portable(PortableWeights::Eight) => "portable-8",
            Self::Portable(PortableWeights::Channels) => "portable-int8",
        }
    }

    /// Whether the graph has the inputs that other runtimes provide.
    #[must_use]
    pub const fn is_portable(self) -> bool {
        matches!(self, Self::Portable(_))
    }

    /// Whether the graph is made of our own operators.
    #[must_use]
    pub const fn is_native(self) -> bool {
        matches!(self, Self::Native(_))
    }

    /// Element type that the graph declares for the key-value cache; the runtime's operators may make other use of the bytes.
    #[must_use]
    pub const fn cache_element(self) -> ElementType {
        match self {
            Self::Float32 => ElementType::Float32,
            Self::Portable(_) | Self::Native(_) => ElementType::Float16,
        }
    }
}

impl fmt::Display for WeightFormat {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl FromStr for WeightFormat {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        let named = Self::ALL.into_iter().find(|format| format.as_str() == text);
        named.ok_or_else(|| UnknownFormat { found: text.to_owned() })
    }
}

impl From<WeightFormat> for String {
    fn from(format: WeightFormat) -> Self {
        format.as_str().to_owned()
    }
}

impl TryFrom<String> for WeightFormat {
    type Error = UnknownFormat;

    fn try_from(text: String) -> Result<Self, UnknownFormat> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_is_read_by_its_name() {
        for format in WeightFormat::ALL {
            assert_eq!(format.to_string().parse::<WeightFormat>().unwrap(), format);
        }
        let error = "native-5".parse::<WeightFormat>().unwrap_err().to_string();
        assert_eq!(
            error,
            "expected one of `float32`, `native-4`, `native-8`, `native-16`, `portable-4`, `portable-8`, `portable-int8`, found `native-5`"
        );
    }
}
