//! The learning rate: linear warm-up, then half a cosine (Loshchilov and Hutter 2017) down to a fraction of the peak.

use super::TrainSettings;

/// Learning rate as a function of the step.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    peak: f64,
    floor: f64,
    warmup_steps: f64,
    total_steps: f64,
}

impl Schedule {
    /// The schedule of `settings` over `total_steps` optimizer steps.
    #[must_use]
    pub fn new(settings: &TrainSettings, total_steps: u32) -> Self {
        Self {
            peak: settings.learning_rate,
            floor: settings.learning_rate * settings.final_learning_rate,
            warmup_steps: f64::from(settings.warmup_steps.min(total_steps)),
            total_steps: f64::from(total_steps),
        }
    }

    /// Learning rate of optimizer step `step`, counted from 1.
    #[must_use]
    pub fn learning_rate(&self, step: u32) -> f64 {
        let step = f64::from(step);
        if step <= self.warmup_steps {
            return self.peak * step / self.warmup_steps;
        }
        let progress = (step - self.warmup_steps) / (self.total_steps - self.warmup_steps).max(1.0);
        let cosine = 0.5 * (1.0 + (std::f64::consts::PI * progress.min(1.0)).cos());
        self.floor + (self.peak - self.floor) * cosine
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rises_to_the_peak_and_falls_to_the_floor() {
        let schedule = Schedule { peak: 1.0, floor: 0.1, warmup_steps: 10.0, total_steps: 110.0 };
        let close = |left: f64, right: f64| (left - right).abs() < 1e-12;
        assert!(close(schedule.learning_rate(1), 0.1));
        assert!(close(schedule.learning_rate(10), 1.0));
        assert!(close(schedule.learning_rate(60), 0.55));
        assert!(close(schedule.learning_rate(110), 0.1));
    }
}
