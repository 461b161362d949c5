//! Replies as servers spell them, read into one form.

use serde_json::Value;

use super::fault::{Class, Fault, ServerError, class_of};
use crate::teacher::Finish;

/// What an endpoint replied.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Reply {
    /// The text of the reply.
    pub(super) text: String,
    /// Reasoning that came apart from the text.
    pub(super) reasoning: String,
    pub(super) finish: Option<Finish>,
    /// The endpoint's id of the reply.
    pub(super) id: Option<String>,
    /// The model, as it names itself.
    pub(super) model: Option<String>,
    pub(super) usage: Option<Usage>,
    logprob_sum: f64,
    logprobs: u32,
}

/// Tokens as the endpoint counts them; not yet checked for sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Usage {
    pub(super) prompt_tokens: u64,
    pub(super) completion_tokens: u64,
}

impl Reply {
    /// Reads a whole reply.
    pub(super) fn read(body: &str) -> Result<Self, Fault> {
        let mut reply = Self::default();
        reply.absorb(body)?;
        Ok(reply)
    }

    /// Adds a reply, or one event of a streamed one.
    pub(super) fn absorb(&mut self, json: &str) -> Result<(), Fault> {
        let mut value: Value = serde_json::from_str(json)
            .map_err(|error| Fault::malformed("malformed", format!("the reply is no JSON: {error}")))?;
        if let Some(error) = ServerError::of(&value) {
            let class = class_of(200, Some(&error));
            let may_cost = class == Class::Malformed;
            return Err(Fault { status: error.status, may_cost, ..Fault::new("error_reply", class, error.message) });
        }
        let Some(fields) = value.as_object_mut() else {
            return Err(expected("an object", &value));
        };
        if let Some(usage) = fields.get("usage").and_then(usage) {
            self.usage = Some(usage);
        }
        for (field, name) in [(&mut self.id, "id"), (&mut self.model, "model")] {
            if let (None, Some(Value::String(text))) = (&field, fields.get_mut(name)) {
                *field = Some(std::mem::take(text));
            }
        }
        match fields.get_mut("choices") {
            Some(Value::Array(choices)) => match choices.as_mut_slice() {
                [] => Ok(()),
                [choice] => self.choice(choice),
                more => Err(Fault::malformed("malformed", format!("expected 1 choice, found {}", more.len()))),
            },
            None | Some(Value::Null) => Ok(()),
            Some(other) => Err(expected("`choices` to be a list", other)),
        }
    }

    fn choice(&mut self, choice: &mut Value) -> Result<(), Fault> {
        if choice.get("index").and_then(Value::as_u64).is_some_and(|index| index != 0) {
            return Err(Fault::malformed("malformed", format!("expected choice 0, found choice {}", choice["index"])));
        }
        self.logprobs_of(choice.get("logprobs"));
        match choice.get("finish_reason") {
            Some(Value::String(reason)) => self.finish = Some(finish(reason)?),
            None | Some(Value::Null) => {}
            Some(other) => return Err(expected("`finish_reason` to be a text", other)),
        }
        if let Some(text) = choice.get_mut("text") {
            append(&mut self.text, &mut self.reasoning, text)?;
        }
        let message = if choice.get("message").is_some() { "message" } else { "delta" };
        let Some(message) = choice.get_mut(message).and_then(Value::as_object_mut) else { return Ok(()) };
        if let Some(content) = message.get_mut("content") {
            append(&mut self.text, &mut self.reasoning, content)?;
        }
        // Servers that send both spellings send the same text twice.
        if let Some(Value::String(text)) = ["reasoning_content", "reasoning"]
            .iter()
            .find_map(|name| message.get(*name).filter(|text| text.as_str().is_some_and(|text| !text.is_empty())))
        {
            self.reasoning.push_str(text);
        }
        if let Some(Value::String(refusal)) = message.get("refusal").filter(|text| !text.is_null()) {
            self.text.push_str(refusal);
            self.finish = Some(Finish::Other("refusal".to_owned()));
        }
        Ok(())
    }

    fn logprobs_of(&mut self, logprobs: Option<&Value>) {
        let Some(logprobs) = logprobs else { return };
        let tokens = logprobs.get("content").or_else(|| logprobs.get("token_logprobs")).and_then(Value::as_array);
        let logprob = |token: &Value| token.get("logprob").unwrap_or(token).as_f64().filter(|value| *value <= 0.0);
        for value in tokens.into_iter().flatten().filter_map(logprob) {
            self.logprob_sum += value;
            self.logprobs += 1;
        }
    }

    /// Mean log-probability of the reply's tokens, where it came with any.
    pub(super) fn mean_logprob(&self) -> Option<f64> {
        (self.logprobs > 0).then(|| self.logprob_sum / f64::from(self.logprobs))
    }

    /// Moves reasoning that stands between `<think>` and `</think>` in the text out of it. The opening tag may be missing:
    /// chat templates write it into the prompt. Without a closing one, a reply that was cut is all reasoning.
    pub(super) fn separate_reasoning(&mut self) {
        const OPEN: &str = "<think>";
        const CLOSE: &str = "</think>";
        if !self.reasoning.trim().is_empty() {
            return;
        }
        let body = self.text.trim_start();
        let opened = body.strip_prefix(OPEN);
        let (reasoning, rest) = match (opened.unwrap_or(body).split_once(CLOSE), opened) {
            (Some((reasoning, rest)), _) => (reasoning.to_owned(), rest.to_owned()),
            (None, Some(reasoning)) => (reasoning.to_owned(), String::new()),
            (None, None) => return,
        };
        self.reasoning = reasoning;
        self.text = rest;
    }

    /// Refuses a reply without any text, unless the endpoint says that it was cut or filtered: that is data.
    ///
    /// `with_reasoning`: whether reasoning counts as text.
    pub(super) fn require_text(&self, with_reasoning: bool) -> Result<(), Fault> {
        let is_empty = self.text.trim().is_empty() && (!with_reasoning || self.reasoning.trim().is_empty());
        let is_natural = matches!(self.finish, None | Some(Finish::Stop));
        if is_empty && is_natural {
            return Err(Fault::malformed("empty", "expected a reply with a text, found none"));
        }
        Ok(())
    }
}

fn expected(what: &str, found: &Value) -> Fault {
    let kind = match found {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    Fault::malformed("malformed", format!("expected {what}, found {kind}"))
}

/// Appends a content: a text, or a list of parts, some of which may be reasoning.
fn append(text: &mut String, reasoning: &mut String, content: &mut Value) -> Result<(), Fault> {
    match content {
        Value::Null => {}
        Value::String(part) if text.is_empty() => *text = std::mem::take(part),
        Value::String(part) => text.push_str(part),
        Value::Array(parts) => {
            for part in parts {
                append_part(text, reasoning, part)?;
            }
        }
        other => return Err(expected("the content to be a text", other)),
    }
    Ok(())
}

fn append_part(text: &mut String, reasoning: &mut String, part: &mut Value) -> Result<(), Fault> {
    if let Value::String(part) = part {
        text.push_str(part);
        return Ok(());
    }
    let is_reasoning = matches!(part.get("type").and_then(Value::as_str), Some("thinking" | "reasoning"));
    let Some(name) = ["text", "thinking", "reasoning", "content"].into_iter().find(|name| part.get(*name).is_some())
    else {
        return Err(expected("a part with a text", part));
    };
    let inner = &mut part[name];
    if is_reasoning {
        let mut nothing = String::new();
        append(reasoning, &mut nothing, inner)
    } else {
        append(text, reasoning, inner)
    }
}

/// The finish reason in our words; an endpoint that gave up has not finished.
fn finish(reason: &str) -> Result<Finish, Fault> {
    let lower = reason.to_lowercase();
    let lower = lower.strip_prefix("finish_reason_").unwrap_or(&lower);
    Ok(match lower {
        "stop" | "eos" | "eos_token" | "end_turn" | "end" | "stop_sequence" | "stop_token" | "complete"
        | "completed" | "finished" => Finish::Stop,
        "length" | "max_tokens" | "max_length" | "max_output_tokens" | "model_length" | "incomplete" => Finish::Length,
        "content_filter" | "content-filter" | "contentfilter" | "safety" | "sensitive" | "blocked" => {
            Finish::Other("content_filter".to_owned())
        }
        "error" | "abort" | "aborted" | "cancelled" | "canceled" => {
            return Err(Fault::malformed("aborted", format!("the endpoint gave up with finish reason `{reason}`")));
        }
        _ => Finish::Other(super::fault::clip(reason)),
    })
}

fn usage(value: &Value) -> Option<Usage> {
    let count = |names: [&str; 2]| names.iter().find_map(|name| value.get(*name)?.as_u64());
    Some(Usage {
        prompt_tokens: count(["prompt_tokens", "input_tokens"])?,
        completion_tokens: count(["completion_tokens", "output_tokens"])?,
    })
}

impl Usage {
    /// The counts, unless they cannot be: more prompt tokens than bytes were sent (and some for a chat template), more reply
    /// tokens than were allowed and bytes came.
    pub(super) fn credible(self, prompt_bytes: usize, reply_bytes: usize, max_tokens: u32) -> Option<Self> {
        const SLACK: u64 = 4096;
        let most_prompt = 2 * prompt_bytes as u64 + SLACK;
        let most_reply = u64::from(max_tokens).max(reply_bytes as u64) + 64;
        (self.prompt_tokens <= most_prompt && self.completion_tokens <= most_reply).then_some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<(String, String, Option<String>), String> {
        let mut reply = Reply::read(body).map_err(|fault| fault.code)?;
        reply.separate_reasoning();
        reply.require_text(true).map_err(|fault| fault.code)?;
        Ok((reply.text, reply.reasoning, reply.finish.map(String::from)))
    }

    #[test]
    fn every_dialect_is_read() {
        for (body, text, reasoning, finish) in [
            (r#"{"choices":[{"message":{"content":"a"},"finish_reason":"stop"}]}"#, "a", "", Some("stop")),
            (r#"{"choices":[{"index":0,"text":"a","finish_reason":"eos"}]}"#, "a", "", Some("stop")),
            (r#"{"choices":[{"message":{"content":"a"},"finish_reason":"MAX_TOKENS"}]}"#, "a", "", Some("length")),
            (r#"{"choices":[{"message":{"content":"a"}}],"error":null}"#, "a", "", None),
            (
                r#"{"choices":[{"message":{"content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},"finish_reason":"end_turn"}]}"#,
                "ab",
                "",
                Some("stop"),
            ),
            (
                r#"{"choices":[{"message":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"r"}]},{"type":"text","text":"b"}]}}]}"#,
                "b",
                "r",
                None,
            ),
            (r#"{"choices":[{"message":{"content":"a","reasoning_content":"r","reasoning":"r"}}]}"#, "a", "r", None),
            (r#"{"choices":[{"message":{"content":"<think>\nr</think>\n\na"}}]}"#, "\n\na", "\nr", None),
            (r#"{"choices":[{"message":{"content":"r</think>a"}}]}"#, "a", "r", None),
            (r#"{"choices":[{"message":{"content":"<think>r"},"finish_reason":"length"}]}"#, "", "r", Some("length")),
            (
                r#"{"choices":[{"message":{"content":null},"finish_reason":"content_filter"}]}"#,
                "",
                "",
                Some("content_filter"),
            ),
            (
                r#"{"choices":[{"message":{"content":null,"refusal":"no"},"finish_reason":"stop"}]}"#,
                "no",
                "",
                Some("refusal"),
            ),
            (r#"{"choices":[{"message":{"content":"\ud83d\ude00"},"finish_reason":"stop"}]}"#, "😀", "", Some("stop")),
        ] {
            let expected = (text.to_owned(), reasoning.to_owned(), finish.map(str::to_owned));
            assert_eq!(read(body), Ok(expected), "{body}");
        }
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        for (body, code) in [
            (r#"{"choices":[]}"#, "empty"),
            (r"{}", "empty"),
            (r#"{"choices":[{"message":{"content":""},"finish_reason":"stop"}]}"#, "empty"),
            (r#"{"choices":[{"message":{"content":null}}]}"#, "empty"),
            (r#"{"choices":[{"message":{"content":7}}]}"#, "malformed"),
            (r#"{"choices":{"message":{}}}"#, "malformed"),
            (r#"{"choices":[{"text":"a"},{"text":"b"}]}"#, "malformed"),
            (r#"{"choices":[{"index":1,"text":"a"}]}"#, "malformed"),
            (r#"{"choices":[{"text":"a","finish_reason":3}]}"#, "malformed"),
            (r#"{"choices":[{"text":"a","finish_reason":"abort"}]}"#, "aborted"),
            (r#"{"choices":[{"text":"\ud800"}]}"#, "malformed"),
            (r#"{"choices":[{"text":"a"#, "malformed"),
            ("<html>busy</html>", "malformed"),
            (r#"{"error":{"message":"m"}}"#, "error_reply"),
            ("[]", "malformed"),
            ("null", "malformed"),
        ] {
            assert_eq!(read(body), Err(code.to_owned()), "{body}");
        }
    }

    #[test]
    fn absurd_usage_is_not_trusted() {
        let usage = |prompt_tokens, completion_tokens| Usage { prompt_tokens, completion_tokens };
        assert!(usage(30, 128).credible(100, 400, 128).is_some());
        assert!(usage(1_000_000_000, 10).credible(100, 400, 128).is_none());
        assert!(usage(30, 1_000_000).credible(100, 400, 128).is_none());
        for body in [
            r#"{"usage":{"prompt_tokens":-1,"completion_tokens":2},"choices":[{"text":"a"}]}"#,
            r#"{"usage":{"prompt_tokens":1.5,"completion_tokens":2},"choices":[{"text":"a"}]}"#,
            r#"{"usage":"many","choices":[{"text":"a"}]}"#,
        ] {
            assert_eq!(Reply::read(body).unwrap().usage, None, "{body}");
        }
    }

    #[test]
    fn log_probabilities_are_averaged() {
        let body = r#"{"choices":[{"text":"ab","logprobs":{"token_logprobs":[null,-1.0,-3.0]}}]}"#;
        assert_eq!(Reply::read(body).unwrap().mean_logprob(), Some(-2.0));
        let body = r#"{"choices":[{"message":{"content":"ab"},"logprobs":{"content":[{"logprob":-0.5}]}}]}"#;
        assert_eq!(Reply::read(body).unwrap().mean_logprob(), Some(-0.5));
    }
}
