//! The bench as comma-separated values (RFC 4180): a row a measurement, the runs side by side in one field.

use super::report::Report;
use super::row::Row;

const COLUMNS: &str = "measurement,prompt_tokens,tokens,readers,at_seconds,unit,median,least,most,runs,warm_up_runs,answer,\
                       bundle,bundle_digest,weights,parameters,device,threads,spinning,cache,affinity,prepacking,tuned,saved_graph,\
                       instruction_set,onnxruntime,runtime,cpu,cpu_features,cores";

/// Heading and rows.
pub(super) fn text(report: &Report) -> String {
    let mut text = COLUMNS.to_owned() + "\n";
    for row in &report.rows {
        let fields: Vec<String> = fields(row).iter().map(|field| quoted(field)).collect();
        text += &(fields.join(",") + "\n");
    }
    text
}

fn fields(row: &Row) -> [String; 30] {
    let conditions = &row.conditions;
    let runs: Vec<String> = row.figure.runs.iter().map(f64::to_string).collect();
    [
        row.measurement.key(),
        optional(row.prompt_tokens),
        optional(row.tokens),
        optional(row.readers),
        optional(row.at_seconds),
        row.unit.clone(),
        row.figure.median.to_string(),
        row.figure.least.to_string(),
        row.figure.most.to_string(),
        runs.join(" "),
        conditions.warm_up_runs.to_string(),
        optional(row.answer),
        conditions.bundle.display().to_string(),
        conditions.bundle_digest.to_string(),
        conditions.weights.clone(),
        conditions.parameters.to_string(),
        conditions.device.to_string(),
        conditions.threads.to_string(),
        conditions.spinning.to_string(),
        optional(conditions.cache),
        conditions.affinity.to_string(),
        conditions.prepacking.to_string(),
        conditions.tuned.to_string(),
        conditions.saved_graph.to_string(),
        conditions.instruction_set.clone(),
        conditions.onnxruntime.clone(),
        conditions.runtime.clone(),
        conditions.cpu.clone(),
        conditions.cpu_features.clone(),
        conditions.cores.to_string(),
    ]
}

fn optional(value: Option<impl ToString>) -> String {
    value.map_or(String::new(), |value| value.to_string())
}

fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_with_commas_and_quotes_are_quoted() {
        assert_eq!(quoted("plain text"), "plain text");
        assert_eq!(quoted("a,b"), "\"a,b\"");
        assert_eq!(quoted("say \"a\""), "\"say \"\"a\"\"\"");
    }

    #[test]
    fn there_are_as_many_names_as_fields() {
        let row = super::super::row::tests::row();
        assert_eq!(COLUMNS.split(',').count(), fields(&row).len());
    }
}
