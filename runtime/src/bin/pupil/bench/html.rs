//! The bench as one page that needs nothing else: plots, the table, and what has to be said beside it.

use std::fmt::Write;

use super::chart::{Bar, Series, bars, escape, lines};
use super::report::Report;
use super::row::{Measurement, Row};
use super::table::{heading, number, short};

/// The page.
pub(super) fn page(report: &Report) -> String {
    let title = format!("pupil bench: {}", report.conditions.bundle.display());
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{0}</title>\n<style>\n{1}</style>\n\
         <h1>{0}</h1>\n<dl>\n",
        escape(&title),
        include_str!("style.css")
    );
    for (name, value) in heading(&report.conditions) {
        let _ = writeln!(page, "<dt>{name}</dt><dd>{}</dd>", escape(&value));
    }
    page += "</dl>\n<div class=\"panels\">\n";
    page.extend(panels(report));
    page += "</div>\n";
    page += &table(report);
    if !report.notes.is_empty() {
        page += "<ul class=\"notes\">\n";
        page.extend(report.notes.iter().map(|note| format!("<li>{}</li>\n", escape(note))));
        page += "</ul>\n";
    }
    page
}

fn panels(report: &Report) -> Vec<String> {
    let measured = |label, measurement| Series { label, class: "measured", points: report.by_depth(measurement) };
    let ceiling = Series { label: "ceiling", class: "ceiling", points: report.by_depth(Measurement::Ceiling) };
    let soak: Vec<_> =
        report.of(Measurement::SoakWindow).filter_map(|row| Some((row.at_seconds?, &row.figure))).collect();
    let soak = Series { label: "decoding", class: "measured", points: soak };
    let fits = |ceiling: &Series<'_>| {
        // A ceiling far above what is measured would squeeze the measurement into the axis.
        let most = |series: &[(f64, &super::figure::Figure)]| series.iter().map(|(_, it)| it.most).fold(0.0, f64::max);
        most(&ceiling.points) < 10.0 * most(&report.by_depth(Measurement::Decode))
    };
    let decode = measured("decoding", Measurement::Decode);
    let decode = if fits(&ceiling) { vec![decode, ceiling] } else { vec![decode] };
    let gaps = [Measurement::InterTokenP50, Measurement::InterTokenP90, Measurement::InterTokenP99];
    let loads = [
        Measurement::ColdLoad,
        Measurement::ColdFirstToken,
        Measurement::WarmLoad,
        Measurement::WarmFirstToken,
        Measurement::ProcessFirstToken,
    ];
    let question = [Measurement::TimeToFirstToken, Measurement::TimeToFirstStep, Measurement::TimeToAnswer];
    let memory = [Measurement::Anonymous, Measurement::Mapped, Measurement::Peak];
    [
        line_panel("Reading prompts", "tokens of the prompt", &[measured("prefill", Measurement::Prefill)]),
        line_panel("Decoding", "tokens before the first decoded one", &decode),
        bar_panel(report, "Between two tokens", &gaps),
        bar_panel(report, "Until it is ready", &loads),
        bar_panel(report, "A question", &question),
        bar_panel(report, "Memory of a fresh process", &memory),
        line_panel("Soak", "seconds", &[soak]),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Lines in tokens per second; nothing if there are no points.
fn line_panel(title: &str, x_title: &str, series: &[Series<'_>]) -> Option<String> {
    series.first().filter(|one| !one.points.is_empty())?;
    let legend: Vec<String> =
        series.iter().map(|one| format!("<span class=\"{}\">{}</span>", one.class, escape(one.label))).collect();
    let legend = if series.len() > 1 { legend.join(" · ") } else { "median, least to most".to_owned() };
    Some(format!(
        "<div class=\"panel\">\n<h2>{title}</h2>\n<p class=\"legend\">{legend}</p>\n{}\n</div>\n",
        lines(title, x_title, "tokens/s", series)
    ))
}

/// Bars of all rows of these kinds; nothing if there are none.
fn bar_panel(report: &Report, title: &str, kinds: &[Measurement]) -> Option<String> {
    let rows: Vec<&Row> = report.rows.iter().filter(|row| kinds.contains(&row.measurement)).collect();
    let unit = &rows.first()?.unit;
    let shown: Vec<Bar<'_>> = rows.iter().map(|row| Bar { label: row.label(), figure: &row.figure }).collect();
    Some(format!(
        "<div class=\"panel\">\n<h2>{title}</h2>\n<p class=\"legend\">median, least to most</p>\n{}\n</div>\n",
        bars(title, unit, &shown)
    ))
}

fn table(report: &Report) -> String {
    let mut table = "<div class=\"scroll\" tabindex=\"0\">\n<table>\n<tr><th>measurement</th><th class=\"number\">median</th>\
                     <th>unit</th><th class=\"number\">least</th><th class=\"number\">most</th><th class=\"number\">runs</th>\
                     <th>answer</th></tr>\n"
        .to_owned();
    for row in &report.rows {
        let figure = &row.figure;
        let _ = writeln!(
            table,
            "<tr><td>{}</td><td class=\"number\">{}</td><td>{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td>\
             <td class=\"number\">{}</td><td>{}</td></tr>",
            escape(&row.label()),
            number(figure.median),
            escape(&row.unit),
            number(figure.least),
            number(figure.most),
            figure.runs.len(),
            row.answer.as_ref().map_or(String::new(), short)
        );
    }
    table + "</table>\n</div>\n"
}

#[cfg(test)]
mod tests {
    use super::super::row::tests::row;
    use super::*;

    #[test]
    fn the_page_shows_every_row_and_fetches_nothing() {
        let conditions = row().conditions;
        let prefill = Row { measurement: Measurement::Prefill, tokens: None, ..row() };
        let report = Report { conditions, rows: vec![row(), prefill], notes: vec!["a < b".to_owned()] };
        let page = page(&report);
        assert_eq!(page.matches("<tr>").count(), 3);
        assert_eq!(page.matches("<svg").count(), 2, "one for prefill, one for decoding");
        assert!(page.contains("<li>a &lt; b</li>"));
        assert!(page.contains("a, &quot;quoted&quot; CPU"));
        for foreign in ["http", "<script", "url(", "@import"] {
            assert!(!page.contains(foreign), "{foreign}");
        }
    }
}
