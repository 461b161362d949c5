//! Confidence intervals of a fraction.

/// The 95 % score interval of Wilson (1927) for `successes` of `trials`; `(0, 1)` without trials.
///
/// Unlike the textbook interval it stays inside [0, 1] and is honest near both ends, where students are often measured.
#[must_use]
pub fn wilson(successes: usize, trials: usize) -> (f64, f64) {
    const Z: f64 = 1.959_963_984_540_054;
    if trials == 0 {
        return (0.0, 1.0);
    }
    let trials = trials as f64;
    let fraction = successes as f64 / trials;
    let spread = Z * Z / trials;
    let centre = (fraction + spread / 2.0) / (1.0 + spread);
    let half = Z / (1.0 + spread) * (fraction * (1.0 - fraction) / trials + spread / (4.0 * trials)).sqrt();
    ((centre - half).max(0.0), (centre + half).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_published_values() {
        // Newcombe 1998, table I: 81 of 263, and 0 of 20.
        let (low, high) = wilson(81, 263);
        assert!((low - 0.2553).abs() < 5e-5 && (high - 0.3662).abs() < 5e-5, "{low} {high}");
        let (low, high) = wilson(0, 20);
        assert!(low.abs() < 1e-12 && (high - 0.1611).abs() < 5e-5, "{low} {high}");
    }
}
