//! From values to places on an axis, and where its labels go.

/// How values are spread along an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::report) enum Kind {
    /// Evenly.
    Linear,
    /// By their logarithm; values are positive.
    Logarithmic,
}

/// Maps values to places.
#[derive(Clone, Debug)]
pub(super) struct Scale {
    kind: Kind,
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Scale {
    /// A scale from the values `low..=high` to the places `from..=to`; a single value gets room around it.
    pub(super) fn new(kind: Kind, (low, high): (f64, f64), (from, to): (f64, f64)) -> Self {
        let (low, high) = match kind {
            _ if high > low => (low, high),
            Kind::Linear => (low - 0.5, low + 0.5),
            Kind::Logarithmic => (low / 2.0, low * 2.0),
        };
        Self { kind, low, high, from, to }
    }

    /// The place of a value, at most a little outside the axis.
    pub(super) fn place(&self, value: f64) -> f64 {
        let share = match self.kind {
            Kind::Linear => (value - self.low) / (self.high - self.low),
            Kind::Logarithmic => (value.max(f64::MIN_POSITIVE) / self.low).ln() / (self.high / self.low).ln(),
        };
        self.from + share.clamp(-0.02, 1.02) * (self.to - self.from)
    }

    /// About `count` round values on the axis, and the least distance between two of them.
    pub(super) fn ticks(&self, count: usize) -> (Vec<f64>, f64) {
        match self.kind {
            Kind::Linear => self.round_values(count),
            Kind::Logarithmic => self.powers(count),
        }
    }

    fn round_values(&self, count: usize) -> (Vec<f64>, f64) {
        let rough = (self.high - self.low) / count.max(1) as f64;
        let unit = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * unit).into_iter().find(|step| *step >= rough * 0.999);
        let step = step.unwrap_or(10.0 * unit);
        let (first, last) = ((self.low / step - 1e-9).ceil() as i64, (self.high / step + 1e-9).floor() as i64);
        ((first..=last).map(|index| index as f64 * step).collect(), step)
    }

    fn powers(&self, count: usize) -> (Vec<f64>, f64) {
        let (first, last) = (self.low.log10().floor() as i32, self.high.log10().ceil() as i32);
        let inside = |factors: &[f64]| -> Vec<f64> {
            let all = (first..=last).flat_map(|power| factors.iter().map(move |factor| factor * 10_f64.powi(power)));
            all.filter(|value| (self.low * 0.999..=self.high * 1.001).contains(value)).collect()
        };
        let candidates = [inside(&[1.0, 2.0, 5.0]), inside(&[1.0, 3.0]), inside(&[1.0])];
        let fitting = candidates.iter().find(|values| values.len() <= count + 1).or(candidates.last());
        let values = fitting.cloned().unwrap_or_default();
        let lowest = values.first().copied().unwrap_or(1.0);
        (values, lowest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        let scale = Scale::new(Kind::Linear, (0.0, 100.0), (0.0, 10.0));
        assert_eq!(scale.ticks(4), (vec![0.0, 50.0, 100.0], 50.0));
        assert_eq!(Scale::new(Kind::Linear, (3.0, 29.0), (0.0, 1.0)).ticks(5).0, [10.0, 20.0]);
        assert_eq!(Scale::new(Kind::Logarithmic, (0.01, 10.0), (0.0, 1.0)).ticks(4).0, [0.01, 0.1, 1.0, 10.0]);
    }

    #[test]
    fn places_run_from_end_to_end_and_do_not_leave_the_drawing() {
        let scale = Scale::new(Kind::Linear, (0.0, 100.0), (200.0, 0.0));
        for (value, place) in [(0.0, 200.0), (50.0, 100.0), (100.0, 0.0)] {
            assert!((scale.place(value) - place).abs() < 1e-12, "{value}");
        }
        assert!(scale.place(1e9) >= -4.01);
        let doubling = Scale::new(Kind::Logarithmic, (1.0, 64.0), (0.0, 6.0));
        assert!((doubling.place(8.0) - 3.0).abs() < 1e-12);
        let single = Scale::new(Kind::Linear, (7.0, 7.0), (0.0, 2.0));
        assert!((single.place(7.0) - 1.0).abs() < 1e-12);
    }
}
