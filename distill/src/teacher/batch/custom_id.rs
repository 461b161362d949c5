//! `custom_id`: how a request is found again in a result file.

use std::fmt;
use std::str::FromStr;

use pupil_models::digest::Digest;

/// Hexadecimal digits of the digest in a `custom_id`: 48 bits.
const DIGEST_DIGITS: usize = 12;

/// Which of a completion's requests this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// The only one, or the one that asks for the rationale.
    Rationale,
    /// The one that asks for the answer to a rationale.
    Answer,
}

impl Step {
    /// The name in ids and file names.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rationale => "rationale",
            Self::Answer => "answer",
        }
    }
}

/// The identity of a request: `<source>.<position>.<index>.<step>.<digest>`, such as `0.17.3.rationale.0b3c9d17f2aa`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CustomId {
    /// Number of the source in the experiment, from 0.
    pub source: u32,
    /// Position of the example in the source, from 0.
    pub position: u64,
    /// Which of the example's completions.
    pub index: u32,
    /// Which of the completion's requests.
    pub step: Step,
    /// The first digits of the SHA-256 of interface and body: prompt and all parameters.
    pub digest: String,
}

/// A text that is no identity of a request of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected `<source>.<position>.<index>.<step>.<digest>`, found `{found}`")]
pub struct BadCustomId {
    found: String,
}

/// The digest of a request as it stands in its `custom_id`.
pub(super) fn digest(path: &str, body: &[u8]) -> String {
    let digest = Digest::of(&[path.as_bytes(), b"\n", body].concat()).to_string();
    let digits = digest.strip_prefix("sha256:").unwrap_or(&digest);
    digits.chars().take(DIGEST_DIGITS).collect()
}

impl fmt::Display for CustomId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, position, index, step, digest } = self;
        write!(formatter, "{source}.{position}.{index}.{}.{digest}", step.as_str())
    }
}

impl FromStr for CustomId {
    type Err = BadCustomId;

    fn from_str(text: &str) -> Result<Self, BadCustomId> {
        let refuse = || BadCustomId { found: text.chars().take(80).collect() };
        let parts: Vec<&str> = text.split('.').collect();
        let [source, position, index, step, digest] = parts.as_slice() else { return Err(refuse()) };
        let step = [Step::Rationale, Step::Answer].into_iter().find(|known| known.as_str() == *step);
        let is_digest = digest.len() == DIGEST_DIGITS && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
        let id = Self {
            source: source.parse().map_err(|_| refuse())?,
            position: position.parse().map_err(|_| refuse())?,
            index: index.parse().map_err(|_| refuse())?,
            step: step.filter(|_| is_digest).ok_or_else(refuse)?,
            digest: (*digest).to_owned(),
        };
        // `+1` and `01` are numbers too, but no id of ours.
        if id.to_string() == text { Ok(id) } else { Err(refuse()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_back_and_nothing_else_is_one() {
        let id = CustomId { source: 2, position: 1 << 20, index: 63, step: Step::Answer, digest: digest("/v1", b"{}") };
        assert_eq!(id.to_string().parse(), Ok(id.clone()));
        assert_ne!(digest("/v1", b"{}"), digest("/v1", b"{ }"));
        let text = id.to_string();
        for bad in [
            "",
            "request-7",
            "0.1.2.answer",
            &text.replace("answer", "Answer"),
            &format!("+{text}"),
            &text[..text.len() - 1],
        ] {
            assert!(bad.parse::<CustomId>().is_err(), "{bad}");
        }
    }
}
