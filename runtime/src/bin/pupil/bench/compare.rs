//! Two benches side by side: ratios with intervals, and whether equal work was done.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use serde::Serialize;

use super::figure::ratio;
use super::row::Row;
use super::table::{heading, number, short};
use crate::output::json_line;

/// Exit status when the two did not do the same work.
const DIFFERENT_WORK: u8 = 1;

/// One measurement of both.
#[derive(Debug, Serialize)]
struct Pair<'r> {
    before: &'r Row,
    after: &'r Row,
    /// Median of the second over that of the first; absent where that is 0.
    ratio: Option<f64>,
    /// Its 95 % interval; absent where one of them was measured once.
    interval: Option<(f64, f64)>,
    /// Whether both answered the same; absent where nothing was answered.
    same_answer: Option<bool>,
}

pub(super) fn run(before: &Path, after: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let (before_rows, after_rows) = (read(before)?, read(after)?);
    let pairs: Vec<Pair<'_>> = before_rows.iter().filter_map(|row| Pair::of(row, &after_rows)).collect();
    if pairs.is_empty() {
        bail!("`{}` and `{}` have no measurement in common", before.display(), after.display());
    }
    let mut out = io::stdout().lock();
    if json {
        pairs.iter().try_for_each(|pair| json_line(&mut out, pair))?;
    } else {
        out.write_all(table(&pairs, [&before_rows, &after_rows]).as_bytes())?;
    }
    let differing = pairs.iter().filter(|pair| pair.same_answer == Some(false)).count();
    if differing == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(
        io::stderr(),
        "DIFFERENT WORK: the answers differ in {differing} of {} measurements; their ratios compare different work",
        pairs.len()
    )?;
    Ok(ExitCode::from(DIFFERENT_WORK))
}

fn read(path: &Path) -> anyhow::Result<Vec<Row>> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let rows: Vec<Row> = lines
        .map(|(index, line)| {
            serde_json::from_str(line).with_context(|| {
                format!("`{}`, line {}: expected a row of `pupil bench --json`", path.display(), index + 1)
            })
        })
        .collect::<anyhow::Result<_>>()?;
    if rows.is_empty() {
        bail!("`{}`: expected rows of `pupil bench --json`, found none", path.display());
    }
    Ok(rows)
}

impl<'r> Pair<'r> {
    fn of(before: &'r Row, candidates: &'r [Row]) -> Option<Self> {
        let after = candidates.iter().find(|row| row.same_measurement(before))?;
        let (ratio, interval) = match ratio(&before.figure, &after.figure) {
            Some((ratio, interval)) => (Some(ratio), interval),
            None => (None, None),
        };
        let same_answer = before.answer.zip(after.answer).map(|(before, after)| before == after);
        Some(Self { before, after, ratio, interval, same_answer })
    }

    fn line(&self, width: usize) -> String {
        let interval = self.interval.map_or(String::new(), |(low, high)| format!("({low:.3} to {high:.3})"));
        let answer = match (self.same_answer, self.before.answer, self.after.answer) {
            (Some(true), Some(answer), _) => short(&answer),
            (Some(false), Some(before), Some(after)) => format!("DIFFERENT: {} and {}", short(&before), short(&after)),
            _ => String::new(),
        };
        let (before, after) = (number(self.before.figure.median), number(self.after.figure.median));
        let line = format!(
            "  {:width$}  {before:>10} {after:>10} {:<9} {:>7} {interval:<18} {answer}",
            self.before.label(),
            self.before.unit,
            self.ratio.map_or(String::new(), |ratio| format!("{ratio:.3}")),
        );
        line.trim_end().to_owned()
    }
}

fn table(pairs: &[Pair<'_>], [before, after]: [&[Row]; 2]) -> String {
    let mut text = String::new();
    if let (Some(before), Some(after)) = (before.first(), after.first()) {
        let headings = heading(&before.conditions).into_iter().zip(heading(&after.conditions));
        for ((name, before), (_, after)) in headings {
            if before == after {
                let _ = writeln!(text, "{name:<9}{before}");
            } else {
                let _ = writeln!(text, "{name:<9}A: {before}\n{:<9}B: {after}", "");
            }
        }
    }
    let width = pairs.iter().map(|pair| pair.before.label().chars().count()).max().unwrap_or(0);
    let heading = format!("  {:width$}  {:>10} {:>10} {:<9} {:>7} (95 % interval)", "", "A", "B", "", "B/A");
    let _ = writeln!(text, "\n{heading}");
    for pair in pairs {
        let _ = writeln!(text, "{}", pair.line(width));
    }
    for (name, rows, others) in [("A", before, after), ("B", after, before)] {
        let alone = rows.iter().filter(|row| !others.iter().any(|other| other.same_measurement(row))).count();
        if alone > 0 {
            let _ = writeln!(text, "note: {alone} measurements are in {name} only");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use pupil_models::digest::Digest;

    use super::super::figure::Figure;
    use super::super::row::Measurement;
    use super::super::row::tests::row;
    use super::*;

    #[test]
    fn different_answers_are_said_loudly() {
        let before = row();
        let after = Row { answer: Some(Digest::of(b"something else")), ..row() };
        let candidates = [after];
        let pair = Pair::of(&before, &candidates).unwrap();
        assert_eq!(pair.same_answer, Some(false));
        assert!(pair.line(0).contains("DIFFERENT"), "{}", pair.line(0));
    }

    #[test]
    fn rows_are_paired_by_what_they_measure() {
        let before = row();
        let faster = Row { figure: Figure::of([30.0, 31.0, 29.0]).unwrap(), ..row() };
        let candidates = [Row { measurement: Measurement::Prefill, ..row() }, Row { tokens: Some(1), ..row() }, faster];
        let pair = Pair::of(&before, &candidates).unwrap();
        assert!((pair.ratio.unwrap() - 30.0 / before.figure.median).abs() < 1e-9);
        assert_eq!(pair.same_answer, Some(true));
        assert!(Pair::of(&before, &candidates[..2]).is_none());
    }

    #[test]
    fn rows_survive_their_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.json");
        fs::write(&path, serde_json::to_string(&row()).unwrap() + "\n\n").unwrap();
        assert_eq!(read(&path).unwrap(), [row()]);
        fs::write(&path, "{}\n").unwrap();
        assert!(format!("{:#}", read(&path).unwrap_err()).contains("line 1"));
        fs::write(&path, "").unwrap();
        assert!(read(&path).is_err());
    }
}
