//! A reply in the words of the interface: one JSON object, or a stream of events.

use serde_json::{Value, json};

use crate::answers::{Answer, Api, Asked};

/// A reply whose parts can be spoilt one by one.
pub(crate) struct Reply {
    api: Api,
    wants_usage: bool,
    id: String,
    pub(crate) text: Value,
    pub(crate) finish: Value,
    pub(crate) usage: Value,
}

impl Reply {
    pub(crate) fn new(asked: &Asked, answer: &Answer) -> Self {
        let (prompt, completion) = (asked.prompt.len() / 4 + 1, answer.text.len() / 4 + 1);
        Self {
            api: asked.api,
            wants_usage: asked.wants_usage,
            id: format!("reply-{:016x}", asked.key()),
            text: json!(answer.text),
            finish: json!(answer.finish),
            usage: json!({
                "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion,
            }),
        }
    }

    /// The reply as one JSON object.
    pub(crate) fn json(&self) -> String {
        let mut choice = json!({"index": 0, "finish_reason": self.finish});
        match self.api {
            Api::Chat => choice["message"] = json!({"role": "assistant", "content": self.text}),
            Api::Completions => choice["text"] = self.text.clone(),
        }
        let mut reply = self.envelope(&json!([choice]));
        reply["usage"] = self.usage.clone();
        reply.to_string()
    }

    /// The reply as events, the last one being `[DONE]`.
    pub(crate) fn events(&self) -> Vec<String> {
        let text = self.text.as_str().unwrap_or_default();
        let mut events = Vec::new();
        if self.api == Api::Chat {
            events.push(self.event(&json!({"role": "assistant", "content": ""}), &Value::Null));
        }
        let characters: Vec<char> = text.chars().collect();
        for piece in characters.chunks(12) {
            let piece: String = piece.iter().collect();
            events.push(self.event(&json!({"content": piece}), &Value::Null));
        }
        if !self.finish.is_null() {
            events.push(self.event(&json!({}), &self.finish));
        }
        if self.wants_usage {
            let mut last = self.envelope(&json!([]));
            last["usage"] = self.usage.clone();
            events.push(format!("data: {last}\n\n"));
        }
        events.push("data: [DONE]\n\n".to_owned());
        events
    }

    fn event(&self, delta: &Value, finish: &Value) -> String {
        let choice = match self.api {
            Api::Chat => json!({"index": 0, "delta": delta, "finish_reason": finish}),
            Api::Completions => {
                json!({"index": 0, "text": delta.get("content").unwrap_or(&json!("")), "finish_reason": finish})
            }
        };
        format!("data: {}\n\n", self.envelope(&json!([choice])))
    }

    fn envelope(&self, choices: &Value) -> Value {
        json!({"id": self.id, "object": "completion", "created": 1, "model": "sums-1", "choices": choices})
    }
}
