//! The ladder as a table for people.

use pupil_models::bundle::{AnswerFlips, Parity, Rung};

const HEADER: [&str; 8] =
    ["form", "MiB", "max |Δ|", "rms Δ", "KL mean", "KL max", "greedy equal", "answers: points lost or gained (95 %)"];

/// One line for each form that was measured, below a header; the bundle's own is marked.
///
/// Logits are those of the completions. Numbers of answers are `+gained −lost` of the questions asked.
#[must_use]
pub fn table(parity: &Parity) -> String {
    let chosen = parity.gate.as_ref().map(|gate| gate.form.as_str());
    let header = HEADER.map(str::to_owned);
    let rows = parity.ladder.iter().map(|rung| cells(rung, chosen == Some(rung.form.as_str())));
    let rows: Vec<[String; 8]> = std::iter::once(header).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 8] = std::array::from_fn(width);
    let mut lines: Vec<String> = rows.iter().map(|row| line(row, &widths)).collect();
    lines.extend(verdict(parity));
    lines.join("\n")
}

fn cells(rung: &Rung, chosen: bool) -> [String; 8] {
    let logits = &rung.completions;
    [
        format!("{}{}", rung.form, if chosen { " *" } else { "" }),
        format!("{:.2}", rung.bytes as f64 / f64::from(1 << 20)),
        format!("{:.1e}", logits.max),
        format!("{:.1e}", logits.rms),
        format!("{:.1e}", logits.mean_kl),
        format!("{:.1e}", logits.max_kl),
        format!("{} of {}", rung.greedy.equal, rung.greedy.completions),
        rung.answers.as_ref().map_or_else(|| "—".to_owned(), answers),
    ]
}

fn answers(flips: &AnswerFlips) -> String {
    format!(
        "{:+.2} ({:+.2} to {:+.2}); +{} −{} of {}",
        flips.difference_points,
        flips.low_points,
        flips.high_points,
        flips.wrong_to_correct,
        flips.correct_to_wrong,
        flips.questions
    )
}

/// The first column to the left, numbers to the right.
fn line(row: &[String; 8], widths: &[usize; 8]) -> String {
    let [form, numbers @ ..] = row;
    let [first, others @ ..] = widths;
    let numbers: Vec<String> = numbers.iter().zip(others).map(|(number, width)| format!("{number:>width$}")).collect();
    format!("{form:first$}  {}", numbers.join("  "))
}

fn verdict(parity: &Parity) -> Option<String> {
    let gate = parity.gate.as_ref()?;
    let standing = if gate.inside { "inside" } else { "OUTSIDE, forced" };
    Some(format!(
        "* in the bundle: {standing} {}pp of accuracy lost at the low end of the interval",
        gate.within_points
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pupil_models::bundle::{Gate, GreedyAgreement, LogitError};

    fn rung(form: &str, bytes: u64, answers: Option<AnswerFlips>) -> Rung {
        let completions = LogitError { positions: 9, max: 0.25, rms: 0.031, mean_kl: 0.0012, max_kl: 0.5, same_top: 9 };
        let greedy = GreedyAgreement { completions: 200, equal: 187, common_tokens: None };
        Rung { form: form.to_owned(), bytes, prompts: LogitError::default(), completions, greedy, answers }
    }

    #[test]
    fn every_form_has_a_line_and_the_bundles_own_is_marked() {
        let flips = AnswerFlips {
            questions: 1000,
            float32_correct: 900,
            correct_to_wrong: 3,
            wrong_to_correct: 1,
            difference_points: -0.2,
            low_points: -0.84,
            high_points: 0.41,
        };
        let gate = Gate { within_points: 1.0, form: "native-4".to_owned(), inside: true };
        let ladder = vec![rung("float32", 4 << 20, None), rung("native-4", (1 << 20) / 2, Some(flips))];
        let mut parity = Parity { ladder, gate: Some(gate), ..Parity::default() };
        let text = table(&parity);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        let columns =
            |line: &str| line.split("  ").filter(|part| !part.is_empty()).map(str::trim).collect::<Vec<_>>().join("|");
        assert_eq!(columns(lines[0]), HEADER.join("|"));
        assert_eq!(columns(lines[1]), "float32|4.00|2.5e-1|3.1e-2|1.2e-3|5.0e-1|187 of 200|—");
        assert_eq!(
            columns(lines[2]),
            "native-4 *|0.50|2.5e-1|3.1e-2|1.2e-3|5.0e-1|187 of 200|-0.20 (-0.84 to +0.41); +1 −3 of 1000"
        );
        let counts: Vec<usize> = lines[..3].iter().map(|line| line.chars().count()).collect();
        assert!(counts.iter().all(|&count| count == counts[0]), "{text}");
        assert!(lines[3].starts_with("* in the bundle: inside 1pp"), "{text}");
        parity.gate = Some(Gate { within_points: 0.5, form: "native-4".to_owned(), inside: false });
        assert!(table(&parity).ends_with("OUTSIDE, forced 0.5pp of accuracy lost at the low end of the interval"));
    }
}
