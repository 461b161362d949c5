//! The search for the cheapest form inside a tolerance.
//!
//! From the smallest to the largest: all matrices in 4 bits; those of tokens (embedding and head) in 8; the matrices that
//! lose most for what they weigh in 8, as few as possible; all in 8; float32, which is inside because nothing is lost.

use std::collections::BTreeSet;
use std::fmt;

use pupil_models::format::WeightFormat;
use pupil_models::packed::Precision;

use super::ExportError;

/// How a student's matrices are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// All of them alike.
    Uniform(WeightFormat),
    /// In 4 bits but some, which have 8.
    Mixed {
        /// Names of the matrices in 8 bits.
        raised: BTreeSet<String>,
        /// What the form is called.
        name: String,
    },
}

impl Form {
    /// As the student was trained.
    pub const FLOAT32: Self = Self::Uniform(WeightFormat::Float32);
    /// All matrices in 4 bits.
    pub const FOUR: Self = Self::Uniform(WeightFormat::Native(Precision::Four));
    /// All matrices in 8 bits.
    pub const EIGHT: Self = Self::Uniform(WeightFormat::Native(Precision::Eight));

    /// All matrices in 4 bits but those of tokens.
    #[must_use]
    pub fn tokens_raised(tokens: impl IntoIterator<Item = String>) -> Self {
        Self::Mixed { raised: tokens.into_iter().collect(), name: "native-4, tokens in 8 bit".to_owned() }
    }

    /// All matrices in 4 bits but the first `count` of `order`.
    #[must_use]
    fn some_raised(order: &[Matrix], count: usize) -> Self {
        let raised = order[..count].iter().map(|matrix| matrix.name.clone()).collect();
        Self::Mixed { raised, name: format!("native-4, {count} of {} matrices in 8 bit", order.len()) }
    }

    /// The format of a bundle in this form: that of most matrices.
    #[must_use]
    pub fn weights(&self) -> WeightFormat {
        match self {
            Self::Uniform(format) => *format,
            Self::Mixed { .. } => WeightFormat::Native(Precision::Four),
        }
    }

    /// The precision of the matrix `name`; `None` where it is no native form's.
    #[must_use]
    pub fn precision(&self, name: &str) -> Option<Precision> {
        match self {
            Self::Uniform(WeightFormat::Float32 | WeightFormat::Portable(_)) => None,
            Self::Uniform(WeightFormat::Native(precision)) => Some(*precision),
            Self::Mixed { raised, .. } if raised.contains(name) => Some(Precision::Eight),
            Self::Mixed { .. } => Some(Precision::Four),
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uniform(format) => formatter.write_str(format.as_str()),
            Self::Mixed { name, .. } => formatter.write_str(name),
        }
    }
}

/// What a matrix loses in 4 bits, and what it costs to give it 8.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    /// Its name.
    pub name: String,
    /// Mean divergence in nats of a student whose other matrices are float32.
    pub divergence: f64,
    /// Bytes that 8 bits need beyond those of 4.
    pub extra_bytes: u64,
}

/// Measures forms for a search.
pub trait Trials {
    /// Writes the form, measures it, and tells its bytes and whether it is inside the tolerance.
    ///
    /// # Errors
    /// It cannot be written or computed with, or somebody asked to stop.
    fn try_form(&mut self, form: &Form) -> Result<Trial, ExportError>;

    /// Names of the matrices of tokens: the embedding, and the head if it has one of its own.
    fn token_matrices(&self) -> Vec<String>;

    /// What each matrix loses in 4 bits.
    ///
    /// # Errors
    /// As [`Self::try_form`].
    fn matrices(&mut self) -> Result<Vec<Matrix>, ExportError>;
}

/// What a trial found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trial {
    /// Size of graph and weights.
    pub bytes: u64,
    /// Whether the form is inside the tolerance.
    pub inside: bool,
}

/// The cheapest form that `trials` find inside.
///
/// Between 4 and 8 bits there are as many forms as there are sets of matrices. Those that are looked at raise the matrices
/// with the largest divergence for each byte first, and the fewest of them that are inside are found by bisection: a dozen
/// trials for a thousand matrices. Whatever is chosen was itself measured inside.
///
/// # Errors
/// The first error of a trial.
pub fn cheapest(trials: &mut impl Trials) -> Result<Form, ExportError> {
    let smallest = trials.try_form(&Form::FOUR)?;
    if smallest.inside {
        return Ok(Form::FOUR);
    }
    let mut best = None;
    for form in [Form::tokens_raised(trials.token_matrices()), Form::EIGHT] {
        let trial = trials.try_form(&form)?;
        if trial.inside {
            best = Some((form, trial.bytes));
            break;
        }
    }
    let Some((form, bytes)) = best else { return Ok(Form::FLOAT32) };
    let mut order = trials.matrices()?;
    order.sort_by(by_divergence_of_a_byte);
    Ok(fewest_raised(trials, &order, smallest.bytes, bytes)?.unwrap_or(form))
}

/// The form with the fewest matrices of `order` raised that is inside and smaller than `limit_bytes`, if there is one.
fn fewest_raised(
    trials: &mut impl Trials,
    order: &[Matrix],
    bytes_of_none: u64,
    limit_bytes: u64,
) -> Result<Option<Form>, ExportError> {
    let mut bytes = bytes_of_none;
    let smaller = order.iter().take_while(|matrix| {
        bytes += matrix.extra_bytes;
        bytes < limit_bytes
    });
    // Outside with `too_few`; inside with `enough`, of which nothing is known yet where it is beyond the last.
    let (mut too_few, mut enough) = (0, smaller.count() + 1);
    let mut best = None;
    while too_few + 1 < enough {
        let count = usize::midpoint(too_few, enough);
        let form = Form::some_raised(order, count);
        if trials.try_form(&form)?.inside {
            (enough, best) = (count, Some(form));
        } else {
            too_few = count;
        }
    }
    Ok(best)
}

/// The largest divergence for a byte first; equal ones by name, so that the order is always the same.
fn by_divergence_of_a_byte(one: &Matrix, other: &Matrix) -> std::cmp::Ordering {
    let worth = |matrix: &Matrix| matrix.divergence / matrix.extra_bytes.max(1) as f64;
    worth(other).total_cmp(&worth(one)).then_with(|| one.name.cmp(&other.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A student whose forms are inside if the matrices that are left in 4 bits lose no more than `budget` together.
    struct Fake {
        matrices: Vec<Matrix>,
        budget: f64,
        eight_is_inside: bool,
        tried: Vec<String>,
    }

    impl Trials for Fake {
        fn try_form(&mut self, form: &Form) -> Result<Trial, ExportError> {
            self.tried.push(form.to_string());
            if *form == Form::EIGHT {
                return Ok(Trial { bytes: 2000, inside: self.eight_is_inside });
            }
            let is_raised = |matrix: &&Matrix| form.precision(&matrix.name) == Some(Precision::Eight);
            let bytes = 1000 + self.matrices.iter().filter(is_raised).map(|matrix| matrix.extra_bytes).sum::<u64>();
            let lost: f64 =
                self.matrices.iter().filter(|matrix| !is_raised(matrix)).map(|matrix| matrix.divergence).sum();
            Ok(Trial { bytes, inside: lost <= self.budget })
        }

        fn token_matrices(&self) -> Vec<String> {
            vec!["tokens".to_owned()]
        }

        fn matrices(&mut self) -> Result<Vec<Matrix>, ExportError> {
            Ok(self.matrices.clone())
        }
    }

    fn fake(budget: f64, eight_is_inside: bool) -> Fake {
        let layer = |index: u32| Matrix {
            name: format!("layer {index:02}"),
            divergence: f64::from(index) / 100.0,
            extra_bytes: 50,
        };
        let tokens = Matrix { name: "tokens".to_owned(), divergence: 0.5, extra_bytes: 400 };
        let matrices = (1..=12).map(layer).chain([tokens]).collect();
        Fake { matrices, budget, eight_is_inside, tried: Vec::new() }
    }

    #[test]
    fn the_smallest_form_is_taken_if_it_is_inside() {
        let mut fake = fake(2.0, true);
        assert_eq!(cheapest(&mut fake).unwrap(), Form::FOUR);
        assert_eq!(fake.tried, ["native-4"]);
    }

    /// Divergences of the layers are 0.01 to 0.12, together 0.78; that of the tokens is 0.5.
    #[test]
    fn as_few_matrices_are_raised_as_the_tolerance_needs() {
        // 1.28 together, of which 1.1 may be left: two layers (0.12 and 0.11) are the fewest.
        let mut few = fake(1.1, true);
        let form = cheapest(&mut few).unwrap();
        assert_eq!(form.to_string(), "native-4, 2 of 13 matrices in 8 bit");
        let Form::Mixed { raised, .. } = form else { panic!("{form:?}") };
        assert_eq!(raised.into_iter().collect::<Vec<_>>(), ["layer 11", "layer 12"]);
        assert!(few.tried[..2] == ["native-4", "native-4, tokens in 8 bit"] && few.tried.len() <= 6, "{:?}", few.tried);
    }

    #[test]
    fn what_is_chosen_is_inside_and_no_tried_form_inside_is_smaller() {
        for hundredths in 0..=128 {
            let mut fake = fake(f64::from(hundredths) / 100.0 + 1e-9, true);
            let form = cheapest(&mut fake).unwrap();
            let chosen = fake.try_form(&form).unwrap();
            assert!(chosen.inside, "{hundredths}: {form}");
            let tokens = fake.try_form(&Form::tokens_raised(fake.token_matrices())).unwrap();
            assert!(!tokens.inside || chosen.bytes <= tokens.bytes, "{hundredths}: {form}");
            assert!(chosen.bytes <= 2000, "{hundredths}: {form}");
        }
    }

    #[test]
    fn eight_bits_are_taken_if_no_mixture_is_inside_and_float32_if_they_are_not() {
        assert_eq!(cheapest(&mut fake(-1.0, true)).unwrap(), Form::EIGHT);
        let mut none = fake(-1.0, false);
        assert_eq!(cheapest(&mut none).unwrap(), Form::FLOAT32);
        assert_eq!(none.tried, ["native-4", "native-4, tokens in 8 bit", "native-8"]);
    }

    #[test]
    fn an_error_ends_the_search() {
        struct Broken;
        impl Trials for Broken {
            fn try_form(&mut self, _: &Form) -> Result<Trial, ExportError> {
                Err(ExportError::Interrupted)
            }
            fn token_matrices(&self) -> Vec<String> {
                Vec::new()
            }
            fn matrices(&mut self) -> Result<Vec<Matrix>, ExportError> {
                Ok(Vec::new())
            }
        }
        assert!(matches!(cheapest(&mut Broken), Err(ExportError::Interrupted)));
    }
}
