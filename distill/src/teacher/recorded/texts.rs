//! Fine-tuning data: prompts with completions, and conversations. Reasoning and answer stand in one text.

use serde_json::Value;

use super::recording::{Recording, marks};
use crate::dataset::{Row, RowError};
use crate::teacher::{Completion, Finish};

/// Ends the targets of the published fine-tune files.
const END: &str = " END";
/// Sets the question off in the prompts of the published fine-tune files.
const SEPARATOR: &str = "###";
/// Texts that announce an answer: the published ones, and gsm8k's.
const MARKERS: [&str; 5] = ["-->", "####", "Therefore, the answer is", "Therefore the answer is", "The answer is"];

/// A row `{"prompt", "completion"}`, each a text or a list of messages.
pub(super) fn pair(row: &Row) -> Result<Recording, RowError> {
    let prompt = said(row, "prompt", row.value("prompt"), "user")?.content;
    let reply = said(row, "completion", row.value("completion"), "assistant")?;
    recording(row, prompt, reply)
}

/// A row `{"messages"}`: the last message of the user, and what the assistant answered to it.
pub(super) fn conversation(row: &Row) -> Result<Recording, RowError> {
    let prompt = said(row, "messages", row.value("messages"), "user")?.content;
    let reply = said(row, "messages", row.value("messages"), "assistant")?;
    recording(row, prompt, reply)
}

/// A target of fine-tuning as a completion; `prompt` tells the published form from others.
pub(super) fn target(prompt: &str, target: &str) -> Completion {
    let is_published = prompt.trim_end().ends_with(SEPARATOR);
    let trimmed = target.trim_end();
    let text = trimmed.strip_suffix(END).unwrap_or(target);
    if let Some((reasoning, answer)) = thought(text) {
        return Completion { rationale: reasoning, prediction: Some(answer), ..Completion::default() };
    }
    let marker = MARKERS.into_iter().find(|marker| text.contains(marker)).map(str::to_owned);
    if is_published && marker.is_none() {
        // Vanilla fine-tuning: an answer alone.
        return Completion { prediction: Some(text.to_owned()), ..Completion::default() };
    }
    Completion { rationale: text.to_owned(), marker, ..Completion::default() }
}

/// Reasoning between tags, and the answer after them.
fn thought(text: &str) -> Option<(String, String)> {
    let (reasoning, answer) = text.trim_start().strip_prefix("<think>")?.split_once("</think>")?;
    Some((reasoning.to_owned(), answer.to_owned()))
}

/// What one side said.
struct Said {
    content: String,
    reasoning: Option<String>,
}

/// The last message of `role`, or the text itself.
fn said(row: &Row, key: &str, value: &Value, role: &str) -> Result<Said, RowError> {
    if let Value::String(text) = value {
        return Ok(Said { content: text.clone(), reasoning: None });
    }
    let refuse = |expected: String, found: &str| row.refused(key, expected, found);
    let messages = value.as_array().ok_or_else(|| refuse("a text or a list of messages".to_owned(), "neither"))?;
    let of_role = |message: &&Value| message.get("role").and_then(Value::as_str) == Some(role);
    let last = messages.iter().rev().find(of_role);
    let last = last.ok_or_else(|| refuse(format!("a message of the {role}"), "none"))?;
    let text = |name: &str| last.get(name).and_then(Value::as_str).map(str::to_owned);
    let content = text("content").ok_or_else(|| refuse(format!("a text as `content` of the {role}"), "none"))?;
    let reasoning = text("reasoning_content").or_else(|| text("reasoning")).filter(|text| !text.trim().is_empty());
    Ok(Said { content, reasoning })
}

fn recording(row: &Row, prompt: String, reply: Said) -> Result<Recording, RowError> {
    let completion = match reply.reasoning {
        Some(reasoning) => {
            Completion { rationale: reasoning, prediction: Some(reply.content), ..Completion::default() }
        }
        None => target(&prompt, &reply.content),
    };
    if marks(&prompt).is_empty() {
        return Err(row.refused("prompt", "a text with something in it", "white space"));
    }
    let finish = row.optional_text("finish_reason")?.map(|reason| Finish::from(reason.to_owned()));
    let has = |key: &str| !row.value(key).is_null();
    Ok(Recording {
        place: format!("line {}", row.line()),
        id: ["id", "sample_index"].into_iter().find(|key| has(key)).map(|key| row.id(key)).transpose()?,
        index: has("completion_index").then(|| row.index("completion_index")).transpose()?,
        question: row.optional_text("question")?.map(str::to_owned),
        gold: row.optional_text("answer")?.map(str::to_owned),
        prompt: Some(prompt),
        completion: Completion { finish, ..completion },
    })
}
