//! Lines of result and error files.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::BatchError;
use crate::rationale::Failure;
use crate::teacher::openai::offline::error_text;

/// What became of one request.
pub(super) struct BatchResult {
    pub(super) custom_id: String,
    /// The body of the reply, or why there is none.
    pub(super) outcome: Result<Value, Failure>,
}

/// Calls `visit` with every line of `files` that is not blank: its place, and the result or what is wrong with it.
pub(super) fn visit(
    files: &[PathBuf],
    mut visit: impl FnMut(&str, Result<BatchResult, String>) -> Result<(), BatchError>,
) -> Result<(), BatchError> {
    for path in files {
        let failed = |source| BatchError::Read { path: path.clone(), source };
        let file = BufReader::new(File::open(path).map_err(failed)?);
        for (line, number) in file.split(b'\n').zip(1_usize..) {
            let line = line.map_err(failed)?;
            let line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&line).trim_ascii();
            if !line.is_empty() {
                visit(&place(path, number), parse(line))?;
            }
        }
    }
    Ok(())
}

fn place(path: &Path, line: usize) -> String {
    format!("`{}`, line {line}", path.display())
}

fn parse(line: &[u8]) -> Result<BatchResult, String> {
    let mut row: Value = serde_json::from_slice(line)
        .map_err(|error| format!("expected a JSON object, found text that is not JSON ({error})"))?;
    let custom_id = row.get("custom_id").and_then(Value::as_str).map(str::to_owned);
    let custom_id = custom_id.ok_or("expected a text as `custom_id`, found none")?;
    let given = |value: Option<&mut Value>| value.map(Value::take).filter(|value| !value.is_null());
    let error = given(row.get_mut("error"));
    let response = given(row.get_mut("response"));
    let outcome = match (response, error) {
        (_, Some(error)) => Err(failure(&error)),
        (Some(response), None) => reply(response)?,
        (None, None) => return Err("expected a `response` or an `error`, found neither".to_owned()),
    };
    Ok(BatchResult { custom_id, outcome })
}

fn reply(mut response: Value) -> Result<Result<Value, Failure>, String> {
    let status = response.get("status_code").and_then(Value::as_u64);
    let status = status.ok_or("expected a number as `response.status_code`, found none")?;
    let body = response.get_mut("body").map(Value::take).ok_or("expected a `response.body`, found none")?;
    if (200..300).contains(&status) {
        return Ok(Ok(body));
    }
    Ok(Err(Failure { code: format!("http_{status}"), detail: error_text(&body) }))
}

/// The service's own word for a request that it did not make, such as `batch_expired`.
fn failure(error: &Value) -> Failure {
    let code = error.get("code").and_then(Value::as_str).filter(|code| !code.is_empty() && code.len() <= 64);
    Failure {
        code: code.unwrap_or("batch_error").to_owned(),
        detail: error.get("message").and_then(Value::as_str).map_or_else(|| error.to_string(), str::to_owned),
    }
}
