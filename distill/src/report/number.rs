//! How numbers are written: the same everywhere on the page.

/// A count with a comma between thousands: `12,345`.
pub(super) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number with `decimals` decimals, a true minus sign, and no negative nought.
pub(super) fn fixed(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    match text.strip_prefix('-') {
        Some(rest) if rest.chars().all(|digit| digit == '0' || digit == '.') => rest.to_owned(),
        Some(rest) => format!("\u{2212}{rest}"),
        None => text,
    }
}

/// A number for programs: up to nine decimals, or more digits for what is smaller than that.
pub(super) fn exact(value: f64) -> String {
    if value != 0.0 && value.abs() < 1e-3 {
        return format!("{value:e}");
    }
    let text = format!("{value:.9}");
    let short = text.trim_end_matches('0').trim_end_matches('.');
    if short == "-0" { "0".to_owned() } else { short.to_owned() }
}

/// A label of an axis: as few digits as tell it apart from its neighbours, which are `step` away.
pub(super) fn tick(value: f64, step: f64) -> String {
    let decimals = if step >= 1.0 { 0 } else { (-step.log10()).ceil() as usize };
    if decimals == 0 && value >= 10_000.0 {
        let (number, unit) = if value >= 1e6 { (value / 1e6, "M") } else { (value / 1e3, "k") };
        return format!("{}{unit}", exact((number * 100.0).round() / 100.0));
    }
    fixed(value, decimals)
}

/// A *p* value: three decimals, or `< 0.001`.
pub(super) fn probability(p: f64) -> String {
    if p < 0.001 { "< 0.001".to_owned() } else { fixed(p, 3) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_alike_everywhere() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([fixed(-0.001, 2), fixed(-1.5, 1), fixed(53.333, 2)], ["0.00", "\u{2212}1.5", "53.33"]);
        assert_eq!([exact(100.0), exact(53.5), exact(1e-7), exact(-0.0)], ["100", "53.5", "1e-7", "0"]);
        assert_eq!([tick(20_000.0, 5000.0), tick(905_600.0, 1.0), tick(0.5, 0.25)], ["20k", "905.6k", "0.5"]);
        assert_eq!([probability(0.0004), probability(0.25)], ["< 0.001", "0.250"]);
    }
}
