//! The bench as a table for people.

use std::fmt::Write;

use pupil_runtime::CacheType;

use super::report::Report;
use super::row::{Conditions, Row};

/// Characters of a digest that are shown: enough to see that two differ.
const DIGEST_CHARACTERS: usize = 8;

/// The whole table.
pub(super) fn text(report: &Report) -> String {
    let mut text = String::new();
    for (name, value) in heading(&report.conditions) {
        let _ = writeln!(text, "{name:<9}{value}");
    }
    let runs = report.rows.iter().map(|row| row.figure.runs.len()).max().unwrap_or(0);
    let _ = writeln!(
        text,
        "{:<9}up to {runs} after {} unmeasured; median (least to most)",
        "runs", report.conditions.warm_up_runs
    );
    let width = report.rows.iter().map(|row| row.label().chars().count()).max().unwrap_or(0);
    let mut section = "";
    for row in &report.rows {
        if row.measurement.section() != section {
            section = row.measurement.section();
            let _ = writeln!(text, "\n{section}");
        }
        let _ = writeln!(text, "{}", line(row, width));
    }
    if !report.notes.is_empty() {
        text.push('\n');
    }
    for note in &report.notes {
        let _ = writeln!(text, "note: {note}");
    }
    text
}

/// What was measured, and by what.
pub(super) fn heading(conditions: &Conditions) -> [(&'static str, String); 3] {
    let switch = |on: bool| if on { "on" } else { "off" };
    let Conditions { bundle, weights, parameters, bundle_digest, cpu, cpu_features, cores, .. } = conditions;
    let prepacked = if conditions.saved_graph { " (saved graph)" } else { "" };
    let tuned = if conditions.tuned { ", as tuned" } else { "" };
    [
        ("bundle", format!("{} ({weights}, {parameters} weights, {})", bundle.display(), short(bundle_digest))),
        ("machine", format!("{cpu}, {cores} cores, {cpu_features}")),
        (
            "settings",
            format!(
                "{}, {} thread{}, spinning {}, affinity {}, pre-packing {}{prepacked}, cache {}, {}{tuned}; pupil {}, ONNX Runtime {}",
                conditions.device,
                conditions.threads,
                if conditions.threads == 1 { "" } else { "s" },
                switch(conditions.spinning),
                switch(conditions.affinity),
                switch(conditions.prepacking),
                conditions.cache.map_or("unknown", CacheType::name),
                conditions.instruction_set,
                conditions.runtime,
                conditions.onnxruntime
            ),
        ),
    ]
}

fn line(row: &Row, width: usize) -> String {
    let figure = &row.figure;
    let spread = if figure.runs.len() > 1 || figure.least < figure.most {
        format!("({} to {})", number(figure.least), number(figure.most))
    } else {
        String::new()
    };
    let answer = row.answer.as_ref().map_or(String::new(), short);
    let line = format!("  {:width$}  {:>10} {:<9} {spread:<24} {answer}", row.label(), number(figure.median), row.unit);
    line.trim_end().to_owned()
}

/// Four digits at least, and no more of the fraction than that.
pub(super) fn number(value: f64) -> String {
    let decimals = match value.abs() {
        value if value >= 1000.0 => 0,
        value if value >= 100.0 => 1,
        value if value >= 10.0 => 2,
        _ => 3,
    };
    format!("{value:.decimals$}")
}

/// The first characters of a digest.
pub(super) fn short(digest: &pupil_models::digest::Digest) -> String {
    let text = digest.to_string();
    text.rsplit(':').next().unwrap_or(&text).chars().take(DIGEST_CHARACTERS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_four_digits() {
        assert_eq!(number(1234.5), "1234");
        assert_eq!(number(123.45), "123.5");
        assert_eq!(number(12.345), "12.35");
        assert_eq!(number(0.012_345), "0.012");
    }
}
