//! Statistics gathered by the student itself, in libtorch.

use std::ops::Range;
use std::sync::Arc;

use pupil_models::family::Anatomy;
use tch::{Kind, TchError, Tensor};

use super::{Calibration, Statistics};
use crate::checkpoint::Checkpoint;
use crate::quantize::compensate::InverseFactor;
use crate::student::{ReferenceStudent, StudentError};

/// Share of the mean diagonal that is added to the Gram matrix's diagonal, as in GPTQ's published code: directions that no
/// sample took must not cost nothing.
const DAMPING: f64 = 0.01;

/// Most memory for statistics at a time; layers beyond it are gathered in further passes over the samples.
const GATHERED_BYTES: usize = 1 << 30;

/// A student that reads samples, and what was gathered about the inputs of some of its linear layers.
#[derive(Debug)]
pub struct Calibrator {
    student: ReferenceStudent,
    calibration: Calibration,
    samples: Vec<Vec<u32>>,
    /// Input channels of every linear layer.
    columns: Vec<usize>,
    /// Layers that `gathered` is about.
    group: Range<usize>,
    gathered: Vec<Gathered>,
}

/// What was gathered about one layer's inputs.
#[derive(Debug)]
struct Gathered {
    /// `XᵀX`, float64 `[columns, columns]`, or its diagonal where nothing else is needed.
    products: Tensor,
    positions: usize,
    /// What follows from it, once somebody has asked.
    statistics: Option<Arc<Statistics>>,
}

impl Calibrator {
    /// Loads the student of `checkpoint`, which will read `samples`; libtorch computes with `threads` threads from then on.
    ///
    /// The same samples and threads give the same statistics, bit for bit.
    ///
    /// # Errors
    /// There is no sample, the weights are refused, or libtorch fails.
    pub fn open(
        checkpoint: &Checkpoint,
        calibration: Calibration,
        samples: &[Vec<u32>],
        threads: usize,
    ) -> Result<Self, StudentError> {
        let context = checkpoint.config().context_tokens;
        let samples: Vec<Vec<u32>> =
            samples.iter().filter(|ids| !ids.is_empty()).map(|ids| ids[..ids.len().min(context)].to_vec()).collect();
        if samples.is_empty() {
            return Err(StudentError::NoSamples);
        }
        let student = ReferenceStudent::open(checkpoint, threads)?;
        let columns = Anatomy::of(checkpoint.config()).sites.iter().map(|site| site.columns).collect();
        Ok(Self { student, calibration, samples, columns, group: 0..0, gathered: Vec::new() })
    }

    /// What the statistics are for.
    #[must_use]
    pub fn calibration(&self) -> Calibration {
        self.calibration
    }

    /// What is known about the inputs of a linear layer, counted in the order of the forward pass.
    ///
    /// # Errors
    /// libtorch fails.
    pub fn statistics(&mut self, site: usize) -> Result<Arc<Statistics>, StudentError> {
        let (columns, grams) = (self.columns[site], self.gathers_grams());
        let gathered = self.gathered(site)?;
        if let Some(statistics) = &gathered.statistics {
            return Ok(Arc::clone(statistics));
        }
        let squares = if grams { gathered.products.f_diagonal(0, 0, 1)? } else { gathered.products.shallow_clone() };
        let mean = squares.f_div_scalar(gathered.positions as f64)?.f_to_kind(Kind::Float)?.f_contiguous()?;
        let factor = grams.then(|| inverse_factor(&gathered.products, columns)).transpose()?;
        let statistics = Arc::new(Statistics { mean_square: Vec::try_from(mean)?, factor });
        gathered.statistics = Some(Arc::clone(&statistics));
        Ok(statistics)
    }

    /// `‖E Xᵀ‖²` for an error `E`, `[rows, columns]`, of a layer's weights: what rounding does to the outputs of the samples.
    ///
    /// # Errors
    /// libtorch fails.
    ///
    /// # Panics
    /// The calibration is not [`Calibration::Compensation`], and no products were gathered.
    pub fn output_error(&mut self, site: usize, error: &[f32]) -> Result<f64, StudentError> {
        assert!(self.gathers_grams(), "products of the channels");
        let columns = self.columns[site] as i64;
        let gram = &self.gathered(site)?.products;
        let error = Tensor::f_from_slice(error)?.f_view([-1, columns])?.f_to_kind(Kind::Double)?;
        Ok(error.f_matmul(gram)?.f_mul(&error)?.f_sum(Kind::Double)?.f_double_value(&[])?)
    }

    fn gathers_grams(&self) -> bool {
        self.calibration == Calibration::Compensation
    }

    fn gathered(&mut self, site: usize) -> Result<&mut Gathered, StudentError> {
        if !self.group.contains(&site) {
            self.gather(site)?;
        }
        Ok(&mut self.gathered[site - self.group.start])
    }

    /// Layers from `first` on whose statistics fit into memory together; one at least.
    fn group_from(&self, first: usize) -> Range<usize> {
        // Products, factor, and what libtorch needs on the way to it.
        let bytes =
            |site: usize| 32 * if self.gathers_grams() { self.columns[site].pow(2) } else { self.columns[site] };
        let (mut end, mut total) = (first + 1, bytes(first));
        while end < self.columns.len() && total + bytes(end) <= GATHERED_BYTES {
            total += bytes(end);
            end += 1;
        }
        first..end
    }

    /// Reads all samples for some layers from `first` on.
    fn gather(&mut self, first: usize) -> Result<(), StudentError> {
        let (group, grams) = (self.group_from(first), self.gathers_grams());
        self.gathered.clear();
        let mut sums: Vec<Option<Tensor>> = group.clone().map(|_| None).collect();
        for ids in &self.samples {
            self.student.observe(ids, &mut |site, input| {
                let slot = site.checked_sub(group.start).and_then(|index| sums.get_mut(index));
                let Some(sum) = slot else { return Ok(()) };
                let products = products(input, grams)?;
                *sum = Some(match sum.take() {
                    Some(mut sum) => sum.f_add_(&products)?,
                    None => products,
                });
                Ok(())
            })?;
        }
        let positions = self.samples.iter().map(Vec::len).sum();
        let unread = || StudentError::Torch("the forward pass passed over a linear layer".to_owned());
        let gathered = |sum: Option<Tensor>| {
            sum.map(|products| Gathered { products, positions, statistics: None }).ok_or_else(unread)
        };
        self.gathered = sums.into_iter().map(gathered).collect::<Result<_, _>>()?;
        self.group = group;
        Ok(())
    }
}

/// `xᵀx` of an input `[.., columns]`, or its diagonal, in float64.
fn products(input: &Tensor, gram: bool) -> Result<Tensor, TchError> {
    let columns = input.size().last().copied().unwrap_or(0);
    let rows = input.f_reshape([-1, columns])?;
    if gram {
        return rows.f_transpose(0, 1)?.f_matmul(&rows)?.f_to_kind(Kind::Double);
    }
    rows.f_square()?.f_sum_dim_intlist(0, false, Kind::Double)
}

/// The upper Cholesky factor of the inverse of the damped matrix.
fn inverse_factor(gram: &Tensor, columns: usize) -> Result<InverseFactor, TchError> {
    let mean = gram.f_diagonal(0, 0, 1)?.f_mean(Kind::Double)?.f_double_value(&[])?;
    // Inputs that are all zero constrain nothing: any damping serves.
    let damping = if mean > 0.0 { DAMPING * mean } else { 1.0 };
    let damped = gram.f_add(&Tensor::f_eye(columns as i64, (Kind::Double, gram.device()))?.f_mul_scalar(damping)?)?;
    let upper = damped.f_linalg_cholesky(false)?.f_cholesky_inverse(false)?.f_linalg_cholesky(true)?;
    let upper = upper.f_to_kind(Kind::Float)?.f_contiguous()?.f_view([-1])?;
    Ok(InverseFactor::new(columns, Vec::try_from(upper)?))
}
