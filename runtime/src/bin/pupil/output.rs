//! What is printed where: data on the standard output, everything else on the standard error.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use pupil_models::bundle::BundleError;
use pupil_models::tokenizer::TokenizerError;
use pupil_runtime::{GenerateError, LibraryError, LoadError};
use serde::Serialize;

use crate::plan::PlanError;

/// Exit status of an error.
const ERROR: u8 = 2;

/// Prints `value` as one line of JSON.
pub(crate) fn json_line(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    writeln!(out)?;
    out.flush()
}

/// Prints `value` as indented JSON on the standard output.
pub(crate) fn json(value: &impl Serialize) -> io::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, value)?;
    writeln!(out)
}

/// Prints rows of a name and a value, the values under each other.
pub(crate) fn table(rows: &[(&str, String)]) -> io::Result<()> {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut out = io::stdout().lock();
    rows.iter().try_for_each(|(name, value)| writeln!(out, "{name:width$}  {value}"))
}

/// Text that a student wrote, made harmless for a terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|character| if character.is_control() && character != '\t' { '\u{FFFD}' } else { character })
        .collect()
}

/// `text` in the style with this number, if the standard output is a terminal.
pub(crate) fn styled(text: &str, style: u8) -> String {
    if io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        format!("\u{1b}[{style}m{text}\u{1b}[0m")
    } else {
        text.to_owned()
    }
}

/// Reports an error on the standard error; a reader that went away is no error.
pub(crate) fn failure(error: &anyhow::Error) -> ExitCode {
    if error.chain().any(is_broken_pipe) {
        return ExitCode::SUCCESS;
    }
    let mut out = io::stderr().lock();
    // If not even the standard error can be written, the exit status has to do.
    let _ = writeln!(out, "error: {error}");
    for cause in error.chain().skip(1) {
        let _ = writeln!(out, "  because: {cause}");
    }
    if let Some(hint) = error.chain().find_map(hint) {
        let _ = writeln!(out, "hint: {hint}");
    }
    ExitCode::from(ERROR)
}

fn is_broken_pipe(error: &(dyn std::error::Error + 'static)) -> bool {
    if let Some(error) = error.downcast_ref::<serde_json::Error>() {
        return error.io_error_kind() == Some(io::ErrorKind::BrokenPipe);
    }
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn hint(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    if let Some(error) = error.downcast_ref::<PlanError>() {
        return Some(error.hint().to_owned());
    }
    if let Some(error) = error.downcast_ref::<LibraryError>() {
        return Some(error.hint().to_owned());
    }
    if let Some(error) = error.downcast_ref::<LoadError>() {
        return match error {
            LoadError::Bundle(error) => bundle_hint(error),
            _ => error.hint().map(str::to_owned),
        };
    }
    if let Some(GenerateError::ContextExceeded { .. }) = error.downcast_ref::<GenerateError>() {
        return Some("ask a shorter question; nothing is ever cut off silently".to_owned());
    }
    error.downcast_ref::<BundleError>().and_then(bundle_hint)
}

fn bundle_hint(error: &BundleError) -> Option<String> {
    let hint = match error {
        BundleError::NotABundle { .. } => {
            "a bundle is a folder that holds `pupil.json`, as written by `distill export`"
        }
        BundleError::Size { .. }
        | BundleError::Digest { .. }
        | BundleError::Tables { .. }
        | BundleError::Tokenizer(TokenizerError::Tables { .. }) => {
            "the bundle was damaged or changed; copy or export it again"
        }
        BundleError::Tokenizer(_) => "use the tokenizer that the student was trained with; export the bundle again",
        _ => return None,
    };
    Some(hint.to_owned())
}
