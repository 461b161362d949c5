//! What the server's model answers: a pure function of prompt, seed and temperature, so that a run ends in the same data
//! whatever happened on the way. About a quarter of the answers are wrong.

use pupil_distill::keyed::mix;
use serde_json::Value;

/// Announces the answer within a rationale; a prompt that holds it asks for the answer to that rationale.
const CONCLUSION: &str = "So we get ";

/// Which of the two interfaces a request uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Api {
    Chat,
    Completions,
}

/// A request as the model sees it.
pub(crate) struct Asked {
    pub(crate) api: Api,
    pub(crate) prompt: String,
    pub(crate) is_streamed: bool,
    /// Whether the stream's last event is to hold the token counts.
    pub(crate) wants_usage: bool,
    sampling: u64,
}

/// What the model writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) text: String,
    pub(crate) finish: &'static str,
}

/// The question number `number` and its gold answer.
pub(crate) fn question(number: usize) -> (String, String) {
    let key = mix(&[number as u64]);
    let (left, right) = (key % 900 + 12, key / 900 % 900 + 12);
    (format!("Question {number}: what is {left} plus {right}?"), (left + right).to_string())
}

/// One number of a text.
pub(crate) fn fingerprint(bytes: &[u8]) -> u64 {
    let words = bytes.chunks(8).map(|chunk| chunk.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)));
    words.fold(bytes.len() as u64, |state, word| mix(&[state, word]))
}

impl Asked {
    /// Reads the body of a request; `None` where it is no request of the interface.
    pub(crate) fn parse(path: &str, body: &[u8]) -> Option<Self> {
        let request: Value = serde_json::from_slice(body).ok()?;
        let (api, prompt) = if path.ends_with("/chat/completions") {
            let messages = request.get("messages")?.as_array()?;
            let texts: Option<Vec<&str>> = messages.iter().map(|message| message.get("content")?.as_str()).collect();
            (Api::Chat, texts?.join("\n"))
        } else {
            (Api::Completions, request.get("prompt")?.as_str()?.to_owned())
        };
        let seed = request.get("seed").and_then(Value::as_u64).unwrap_or(u64::MAX);
        let temperature = request.get("temperature").and_then(Value::as_f64).unwrap_or(1.0);
        Some(Self {
            api,
            prompt,
            is_streamed: request.get("stream").and_then(Value::as_bool).unwrap_or(false),
            wants_usage: request.pointer("/stream_options/include_usage").and_then(Value::as_bool).unwrap_or(false),
            sampling: mix(&[seed, temperature.to_bits()]),
        })
    }

    /// One number of the prompt and how it is sampled.
    pub(crate) fn key(&self) -> u64 {
        mix(&[fingerprint(self.prompt.as_bytes()), self.sampling])
    }

    /// The model's answer.
    pub(crate) fn answer(&self) -> Answer {
        Answer { text: self.text(), finish: "stop" }
    }

    fn text(&self) -> String {
        if let Some((_, conclusion)) = self.prompt.rsplit_once(CONCLUSION) {
            let digits: String = conclusion.chars().take_while(char::is_ascii_digit).collect();
            return format!(" {digits}.");
        }
        let Some((left, right)) = self.summands() else { return "I see no question — “?”.".to_owned() };
        let key = self.key();
        let sum = left + right + u64::from(key.is_multiple_of(4));
        // Characters of two, three and four bytes, and something that differs from prompt to prompt.
        format!(
            "Let’s see 🙂 ({key:016x}): {left} + {right} — adding naïvely …\n{CONCLUSION}{sum}.\nThe answer is {sum}."
        )
    }

    fn summands(&self) -> Option<(u64, u64)> {
        let (_, rest) = self.prompt.rsplit_once("what is ")?;
        let (left, rest) = rest.split_once(" plus ")?;
        let (right, _) = rest.split_once('?')?;
        Some((left.parse().ok()?, right.parse().ok()?))
    }
}
