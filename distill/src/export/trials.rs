//! Forms on trial: each is written, opened, measured, and sealed if it is the one.

use pupil_models::bundle::Manifest;
use pupil_models::config::StudentConfig;
use pupil_models::family::{NativeMatrix, NativeTensor, native_tensors};

use super::search::{Form, Matrix, Trial, Trials, cheapest};
use super::staged::Staged;
use super::{ExportError, ExportPlan, Ladder, QuantisedPlan, sensitivity};
use crate::checkpoint::Checkpoint;
use crate::student::ReferenceStudent;

/// Exports the form that `quantised` asks for; `staged` is the float32 bundle that `ladder` began with.
pub(super) fn export(
    plan: &ExportPlan<'_>,
    quantised: &QuantisedPlan<'_>,
    checkpoint: &Checkpoint,
    staged: Staged,
    ladder: Ladder<'_, ReferenceStudent>,
) -> Result<Manifest, ExportError> {
    let staged = Some((Form::FLOAT32, staged));
    let mut bench = Bench { plan, checkpoint, ladder, staged };
    let (form, inside) = match &quantised.form {
        None => (cheapest(&mut bench)?, true),
        Some(form) if *form == Form::FLOAT32 => (Form::FLOAT32, true),
        Some(form) => (form.clone(), bench.try_form(form)?.inside),
    };
    let staged = bench.take_staged(&form)?;
    staged.seal(Some(bench.ladder.seal(&form.to_string(), inside)?))
}

struct Bench<'a> {
    plan: &'a ExportPlan<'a>,
    checkpoint: &'a Checkpoint,
    ladder: Ladder<'a, ReferenceStudent>,
    /// The form that is written at the moment.
    staged: Option<(Form, Staged)>,
}

impl Bench<'_> {
    /// The bundle of `form`, written unless it is the one that is.
    fn take_staged(&mut self, form: &Form) -> Result<Staged, ExportError> {
        match self.staged.take().filter(|(staged, _)| staged == form) {
            Some((_, staged)) => Ok(staged),
            // There is room for one beside the target: any other is gone by now.
            None => Staged::write(self.plan, self.checkpoint, form, self.ladder.interrupt()),
        }
    }
}

impl Trials for Bench<'_> {
    fn try_form(&mut self, form: &Form) -> Result<Trial, ExportError> {
        let staged = self.take_staged(form)?;
        let (mut engine, bytes) = (staged.open()?, staged.bytes());
        self.staged = Some((form.clone(), staged));
        let inside = self.ladder.measure(&mut engine, &form.to_string(), bytes)?;
        Ok(Trial { bytes, inside })
    }

    fn token_matrices(&self) -> Vec<String> {
        let matrices = native_matrices(self.checkpoint.config());
        let of_tokens = |matrix: &NativeMatrix| !matrix.name.starts_with("model.layers.");
        matrices.into_iter().filter(of_tokens).map(|matrix| matrix.name).collect()
    }

    fn matrices(&mut self) -> Result<Vec<Matrix>, ExportError> {
        let matrices = native_matrices(self.checkpoint.config());
        sensitivity::measure(self.checkpoint, &matrices, &self.ladder)
    }
}

fn native_matrices(config: &StudentConfig) -> Vec<NativeMatrix> {
    let matrix = |tensor| if let NativeTensor::Matrix(matrix) = tensor { Some(matrix) } else { None };
    native_tensors(config).into_iter().filter_map(matrix).collect()
}
