//! `[export]`: how the student is stored, and how much accuracy that may cost.

use std::path::{Path, PathBuf};

use pupil_models::format::WeightFormat;
use serde::{Deserialize, Serialize};

use super::plan::resolve_split;
use super::{ExperimentError, require};
use crate::dataset::SplitReference;
use crate::export::parity::Tolerance;
use crate::quantize::calibration::Calibration;

/// The export.
///
/// With neither `format` nor `within` the bundle is float32. With `within` alone it is the cheapest form that loses no more
/// accuracy than that; with a `format`, that form, if it does not (`1pp` if `within` is absent).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExportTable {
    /// Prompts on which parity is proved.
    pub parity_prompts: usize,
    /// How weights are stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<WeightFormat>,
    /// What rounding may know about the inputs of the layers.
    #[serde(skip_serializing_if = "is_default")]
    pub calibration: Calibration,
    /// Accuracy that may be lost against float32, such as `1pp`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within: Option<Tolerance>,
    /// At most so many questions on which that is measured.
    pub questions: usize,
    /// A dataset of questions for it, none of which is asked in a test; if absent, those are asked that the trainer held out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<PathBuf>,
    /// Which of its examples; all if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<SplitReference>,
}

impl Default for ExportTable {
    fn default() -> Self {
        Self {
            parity_prompts: 200,
            format: None,
            calibration: Calibration::default(),
            within: None,
            questions: 1000,
            data: None,
            split: None,
        }
    }
}

/// Left out where it is the default, so that experiments from before there was a choice are still known by their text.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
fn is_default(calibration: &Calibration) -> bool {
    *calibration == Calibration::default()
}

/// How another form than float32 is chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct GateSettings {
    /// The form; the cheapest one inside the tolerance if absent.
    pub format: Option<WeightFormat>,
    /// What rounding may know about the inputs of the layers.
    pub calibration: Calibration,
    /// Accuracy that may be lost.
    pub within: Tolerance,
    /// At most so many questions are asked.
    pub questions: usize,
    /// The dataset that they are from; the trainer's held-out examples if absent.
    pub data: Option<PathBuf>,
    /// Which of its examples.
    pub split: Option<SplitReference>,
}

impl ExportTable {
    /// What the table asks for, its paths relative to the folder `base`, of a trainer that holds out this share; `None` for
    /// float32.
    pub(super) fn gate(&self, base: &Path, held_out: f64) -> Result<Option<GateSettings>, ExperimentError> {
        require("export.parity_prompts", self.parity_prompts > 0, "a number above 0", 0)?;
        require("export.questions", self.questions > 0, "a number above 0", 0)?;
        require("export.split", self.split.is_none() || self.data.is_some(), "`export.data` beside it", "none")?;
        let is_float32 = self.format.unwrap_or_default() == WeightFormat::Float32;
        if is_float32 && (self.format.is_some() || self.within.is_none()) {
            let reason = "nothing, because float32 loses nothing";
            require("export.within", self.within.is_none(), reason, "a tolerance")?;
            require("export.data", self.data.is_none(), reason, "a dataset")?;
            return Ok(None);
        }
        let has_questions = self.data.is_some() || held_out > 0.0;
        require("export.data", has_questions, "questions, because `train.held_out` is 0", "none")?;
        Ok(Some(GateSettings {
            format: self.format,
            calibration: self.calibration,
            within: self.within.unwrap_or(Tolerance::ONE_POINT),
            questions: self.questions,
            data: self.data.as_ref().map(|path| base.join(path)),
            split: self.split.as_ref().map(|split| resolve_split(split, base)),
        }))
    }
}
