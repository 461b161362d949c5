//! One switch for everything that decides how weights are rounded.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use pupil_models::config::StudentConfig;
use pupil_models::family::Anatomy;

use super::calibration::{Calibration, Calibrator, Statistics};
use super::{BlockFormat, Fitting, QuantizeError, QuantizedMatrix, compensate};

/// Rounds the weights of one checkpoint; several threads may ask at once.
#[derive(Debug)]
pub struct Quantizer {
    fitting: Fitting,
    calibrated: Option<Calibrated>,
}

/// Statistics of the layers' inputs, gathered when a layer is first asked for.
#[derive(Debug)]
struct Calibrated {
    /// Place in the forward pass of the layer that each weight belongs to.
    sites: HashMap<String, usize>,
    calibrator: Mutex<Calibrator>,
}

impl Quantizer {
    /// Rounds without looking at any input.
    #[must_use]
    pub fn uncalibrated(fitting: Fitting) -> Self {
        Self { fitting, calibrated: None }
    }

    /// Rounds the weights of a student of `config` for the inputs that `calibrator` gathers.
    #[must_use]
    pub fn calibrated(config: &StudentConfig, calibrator: Calibrator) -> Self {
        let mut sites = HashMap::new();
        for (index, site) in Anatomy::of(config).sites.into_iter().enumerate() {
            sites.extend(site.linear.projections.into_iter().map(|projection| (projection.weight, index)));
        }
        let calibrated = (calibrator.calibration() != Calibration::None)
            .then(|| Calibrated { sites, calibrator: Mutex::new(calibrator) });
        Self { fitting: Fitting::LeastError, calibrated }
    }

    /// Quantises some rows of tensor `weight`, `[rows, columns]`.
    ///
    /// # Errors
    /// As [`QuantizedMatrix::quantize`], or the statistics cannot be gathered.
    ///
    /// # Panics
    /// If `rows` is no whole number of rows.
    pub fn quantize(
        &self,
        weight: &str,
        columns: usize,
        format: BlockFormat,
        rows: &[f32],
    ) -> Result<QuantizedMatrix, QuantizeError> {
        let statistics = self.statistics(weight)?;
        if let Some(factor) = statistics.as_ref().and_then(|statistics| statistics.factor.as_ref()) {
            return compensate::quantize(weight, columns, format, factor, rows, 1);
        }
        let importance = statistics.as_ref().map(|statistics| statistics.mean_square.as_slice());
        QuantizedMatrix::quantize(weight, columns, format, self.fitting, importance, rows)
    }

    /// What is known about the inputs of the layer that `weight` belongs to.
    fn statistics(&self, weight: &str) -> Result<Option<Arc<Statistics>>, QuantizeError> {
        let Some(calibrated) = &self.calibrated else { return Ok(None) };
        let Some(&site) = calibrated.sites.get(weight) else { return Ok(None) };
        // A thread that panicked while gathering leaves whole statistics of earlier layers, or none.
        let mut calibrator = calibrated.calibrator.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Some(calibrator.statistics(site)?))
    }
}
