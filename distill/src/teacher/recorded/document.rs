//! Files that are one JSON document: the published completion files, and the fine-tune files of open students.

use std::path::Path;

use serde_json::{Map, Value};

use super::recording::Recording;
use super::{Format, RecordedError, texts};
use crate::dataset::{described, id_text};
use crate::teacher::{Completion, Finish};

/// The completions of a document.
pub(super) fn recordings(
    path: &Path,
    format: Format,
    document: Map<String, Value>,
) -> Result<Vec<Recording>, RecordedError> {
    let document = Document { path, format, values: document };
    let recordings = match format {
        Format::Columns => document.columns()?,
        _ => document.completions()?,
    };
    if recordings.is_empty() {
        return Err(RecordedError::Empty { path: path.to_owned() });
    }
    Ok(recordings)
}

struct Document<'a> {
    path: &'a Path,
    format: Format,
    values: Map<String, Value>,
}

impl Document<'_> {
    fn refused(&self, place: &str, expected: &str, found: Option<&Value>) -> RecordedError {
        RecordedError::Document {
            path: self.path.to_owned(),
            format: self.format,
            place: place.to_owned(),
            expected: expected.to_owned(),
            found: described(found),
        }
    }

    /// `data`: by sample index, lists of completions.
    fn completions(&self) -> Result<Vec<Recording>, RecordedError> {
        let metadata = &self.values["metadata"];
        let task = metadata.get("dataset_key").and_then(Value::as_str);
        let task = task.ok_or_else(|| self.refused("`metadata.dataset_key`", "a text", metadata.get("dataset_key")))?;
        let marker = marker(metadata);
        let data = &self.values["data"];
        let data = data.as_object().ok_or_else(|| self.refused("`data`", "an object of lists", Some(data)))?;
        let mut recordings = Vec::new();
        for (sample, list) in data {
            let place = format!("`data.{sample}`");
            if sample.parse::<u64>().is_err() {
                return Err(self.refused(&place, "a whole number from 0 as key", None));
            }
            let list = list.as_array().ok_or_else(|| self.refused(&place, "a list of completions", Some(list)))?;
            for (values, position) in list.iter().zip(0..) {
                let place = format!("`data.{sample}[{position}]`");
                let id = Some(format!("{task}/{sample}"));
                let recording = self.completion(&place, values, position, marker)?;
                recordings.push(Recording { id, ..recording });
            }
        }
        Ok(recordings)
    }

    fn completion(
        &self,
        place: &str,
        values: &Value,
        position: u32,
        marker: Option<&'static str>,
    ) -> Result<Recording, RecordedError> {
        let optional = |key: &str| match values.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            other => Err(self.refused(&format!("{place}, key `{key}`"), "a text or null", other)),
        };
        let text = |key: &str| {
            optional(key)?.ok_or_else(|| self.refused(&format!("{place}, key `{key}`"), "a text", values.get(key)))
        };
        let finish = |key: &str| Ok(optional(key)?.map(Finish::from));
        let completion = match optional("reasoning_completion")? {
            Some(rationale) => Completion {
                prompt: optional("reasoning_prompt")?,
                rationale,
                finish: finish("reasoning_finish_reason")?,
                prediction: Some(text("completion")?),
                answer_finish: finish("finish_reason")?,
                ..Completion::default()
            },
            None => Completion {
                prompt: optional("prompt")?,
                finish: finish("finish_reason")?,
                ..one_step(text("completion")?, marker)
            },
        };
        let index = match values.get("completion_index") {
            None | Some(Value::Null) => position,
            Some(value) => value.as_u64().and_then(|index| u32::try_from(index).ok()).ok_or_else(|| {
                self.refused(&format!("{place}, key `completion_index`"), "a whole number from 0", Some(value))
            })?,
        };
        Ok(Recording {
            place: place.to_owned(),
            index: Some(index),
            question: Some(text("question")?),
            gold: Some(text("answer")?),
            completion,
            ..Recording::default()
        })
    }

    /// Lists of equal length, one target of fine-tuning in each place.
    fn columns(&self) -> Result<Vec<Recording>, RecordedError> {
        let (inputs, labels) = (self.column("input")?, self.column("label")?);
        let samples = if self.values.contains_key("sample_index") { self.column("sample_index")? } else { &[] };
        let is_whole = labels.len() == inputs.len() && (samples.is_empty() || samples.len() == inputs.len());
        if !is_whole {
            let expected = format!("as many as the {} of `input`", inputs.len());
            return Err(self.refused("`label` or `sample_index`", &expected, None));
        }
        let text = |key: &str, place: usize, value: &Value| {
            let refuse = || self.refused(&format!("`{key}[{place}]`"), "a text", Some(value));
            value.as_str().map(str::to_owned).ok_or_else(refuse)
        };
        (0..inputs.len())
            .map(|place| {
                let prompt = text("input", place, &inputs[place])?;
                let sample = samples.get(place).map(|sample| {
                    let refuse =
                        || self.refused(&format!("`sample_index[{place}]`"), "a whole number from 0", Some(sample));
                    id_text(sample).ok_or_else(refuse)
                });
                Ok(Recording {
                    place: format!("`label[{place}]`"),
                    id: sample.transpose()?,
                    completion: texts::target(&prompt, &text("label", place, &labels[place])?),
                    prompt: Some(prompt),
                    ..Recording::default()
                })
            })
            .collect()
    }

    fn column(&self, key: &str) -> Result<&[Value], RecordedError> {
        let list = self.values.get(key).and_then(Value::as_array);
        list.map(Vec::as_slice).ok_or_else(|| self.refused(&format!("`{key}`"), "a list", self.values.get(key)))
    }
}

/// What announces the answer in one-step completions, by the template they were made to be read with.
fn marker(metadata: &Value) -> Option<&'static str> {
    let text = |key: &str| metadata.get(key).and_then(Value::as_str);
    let template = text("prediction_template").or_else(|| text("completion_key"))?;
    [("fs_cot", "The answer is"), ("ft_cot_natural", "Therefore, the answer is"), ("ft_cot", "-->")]
        .into_iter()
        .find(|(prefix, _)| template.starts_with(prefix))
        .map(|(_, marker)| marker)
}

/// A completion that was asked for in one step; without a marker the whole of it is the answer.
fn one_step(text: String, marker: Option<&str>) -> Completion {
    match marker {
        Some(marker) => Completion { rationale: text, marker: Some(marker.to_owned()), ..Completion::default() },
        None => Completion { prediction: Some(text), ..Completion::default() },
    }
}
