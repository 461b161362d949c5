//! Where a student is computed, and why it cannot be computed there.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use pupil_models::format::WeightFormat;
use serde::{Deserialize, Serialize};

use crate::error::list;

/// Where a student is computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
#[non_exhaustive]
pub enum Device {
    /// This machine's processor.
    #[default]
    Cpu,
    /// A GPU, by ONNX Runtime's CUDA provider: weights, keys and values lie in its memory.
    Cuda {
        /// Which of those that CUDA shows to this process, counted from 0.
        ordinal: u16,
    },
}

impl fmt::Display for Device {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => formatter.pad("cpu"),
            Self::Cuda { ordinal } => formatter.pad(&format!("cuda:{ordinal}")),
        }
    }
}

/// A text that names no device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected `cpu`, `cuda` or `cuda:N` with N from 0 to {}, found `{found}`", u16::MAX)]
pub struct UnknownDevice {
    found: String,
}

impl FromStr for Device {
    type Err = UnknownDevice;

    fn from_str(text: &str) -> Result<Self, UnknownDevice> {
        let unknown = || UnknownDevice { found: text.escape_debug().to_string() };
        match text.split_once(':') {
            None if text == "cpu" => Ok(Self::Cpu),
            None if text == "cuda" => Ok(Self::Cuda { ordinal: 0 }),
            // `parse` alone would take a sign as well.
            Some(("cuda", ordinal)) if ordinal.bytes().all(|byte| byte.is_ascii_digit()) => {
                ordinal.parse().map(|ordinal| Self::Cuda { ordinal }).map_err(|_| unknown())
            }
            _ => Err(unknown()),
        }
    }
}

impl From<Device> for String {
    fn from(device: Device) -> Self {
        device.to_string()
    }
}

impl TryFrom<String> for Device {
    type Error = UnknownDevice;

    fn try_from(text: String) -> Result<Self, UnknownDevice> {
        text.parse()
    }
}

/// Why a student cannot be computed on a device: nothing falls back to another one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// The program lacks what the device needs.
    #[error("device `{device}`: expected a program built with the feature `cuda`, found one built without it")]
    NotBuilt {
        /// What was asked for.
        device: Device,
    },
    /// The bundle's operators have no kernels for the device.
    #[error(
        "device `{device}`: expected a bundle of format `portable-4` or `portable-8`, found format `{format}`, which can be \
         computed on the CPU alone"
    )]
    Format {
        /// What was asked for.
        device: Device,
        /// Form of the bundle.
        format: WeightFormat,
    },
    /// The library was built without the provider.
    #[error(
        "device `{device}`: expected an ONNX Runtime with `CUDAExecutionProvider`, found `{path}`, version {version}, with {}",
        list(providers)
    )]
    Provider {
        /// What was asked for.
        device: Device,
        /// The library.
        path: PathBuf,
        /// Its version.
        version: String,
        /// The providers that it has.
        providers: Vec<String>,
    },
    /// The library has the provider, and it did not start or did not take the graph.
    #[error("device `{device}`: ONNX Runtime `{path}`, version {version}, cannot use it: {reason}")]
    Refused {
        /// What was asked for.
        device: Device,
        /// The library.
        path: PathBuf,
        /// Its version.
        version: String,
        /// What it said.
        reason: String,
    },
    /// ONNX Runtime placed on the CPU what computes.
    #[error(
        "device `{device}`, graph `{path}`: expected all that computes on it, found on the CPU: {}",
        counted(nodes)
    )]
    Placement {
        /// What was asked for.
        device: Device,
        /// The graph.
        path: PathBuf,
        /// Operators, each with the number of its nodes that are on the CPU.
        nodes: Vec<(String, usize)>,
    },
}

impl DeviceError {
    /// A stable code for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        "E_DEVICE"
    }

    /// How the user can mend it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NotBuilt { .. } => "cargo build --release -p pupil-runtime --features cuda",
            Self::Format { .. } | Self::Placement { .. } => {
                "export the student with `--format portable-4` or `--format portable-8`"
            }
            Self::Provider { .. } | Self::Refused { .. } => {
                "set ORT_DYLIB_PATH to the libonnxruntime.so of a wheel `onnxruntime-gpu`, with its \
                 libonnxruntime_providers_cuda.so and _shared.so beside it, and LD_LIBRARY_PATH to the CUDA libraries that \
                 wheel was built for; `On a GPU` in benches/README.md has the commands"
            }
        }
    }
}

fn counted(nodes: &[(String, usize)]) -> String {
    nodes.iter().map(|(operator, count)| format!("`{operator}` ({count})")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_device_is_read_by_its_name() {
        for (text, device) in [
            ("cpu", Device::Cpu),
            ("cuda", Device::Cuda { ordinal: 0 }),
            ("cuda:0", Device::Cuda { ordinal: 0 }),
            ("cuda:12", Device::Cuda { ordinal: 12 }),
        ] {
            assert_eq!(text.parse(), Ok(device));
            assert_eq!(device.to_string().parse(), Ok(device));
            assert_eq!(serde_json::from_str::<Device>(&format!("\"{text}\"")).unwrap(), device);
        }
        assert_eq!(serde_json::to_string(&Device::Cuda { ordinal: 3 }).unwrap(), "\"cuda:3\"");
    }

    #[test]
    fn what_names_no_device_is_refused() {
        for text in
            ["", "gpu", "CUDA", "cpu:0", "cuda:", "cuda:-1", "cuda:+1", "cuda:1.0", "cuda:65536", "cuda:0:1", " cpu"]
        {
            let error = text.parse::<Device>().unwrap_err().to_string();
            assert_eq!(error, format!("expected `cpu`, `cuda` or `cuda:N` with N from 0 to 65535, found `{text}`"));
        }
    }
}
