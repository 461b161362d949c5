//! The kernels of one instruction set, compiled for it, behind plain function pointers.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;
use std::sync::OnceLock;

use pupil_models::packed::Precision;
use serde::{Serialize, Serializer};

#[cfg(target_arch = "aarch64")]
use super::aarch64::Neon;
use super::activations::{self, Norm, RowMut};
use super::attention::{self, Attention};
use super::check;
use super::linear::{self, Prepared};
use super::plain::Plain;
#[cfg(target_arch = "x86_64")]
use super::x86::{Avx2, Avx512, AvxVnni};

/// Instructions that kernels can be made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InstructionSet {
    /// What every machine of its architecture has.
    Plain,
    /// AVX2, FMA and F16C on x86-64.
    Avx2,
    /// The same with AVX-VNNI.
    AvxVnni,
    /// AVX-512 F and BW with VNNI.
    Avx512,
    /// NEON with dot products on 64-bit Arm.
    Neon,
}

impl InstructionSet {
    /// All of them, the slowest first.
    pub const ALL: [Self; 5] = [Self::Plain, Self::Neon, Self::Avx2, Self::AvxVnni, Self::Avx512];

    /// Name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Avx2 => "avx2",
            Self::AvxVnni => "avx-vnni",
            Self::Avx512 => "avx-512",
            Self::Neon => "neon",
        }
    }

    /// Whether this machine has the instructions, and they compute what the plain kernels compute.
    #[must_use]
    pub fn is_available(self) -> bool {
        Kernels::of(self).is_some()
    }

    /// Whether this machine says that it has the instructions.
    #[must_use]
    pub fn is_present(self) -> bool {
        Kernels::present(self).is_some()
    }

    /// The fastest that this machine has.
    #[must_use]
    pub fn best() -> Self {
        Self::ALL.into_iter().rev().find(|set| set.is_available()).unwrap_or(Self::Plain)
    }
}

impl fmt::Display for InstructionSet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl Serialize for InstructionSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl FromStr for InstructionSet {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|set| set.name() == name)
            .ok_or_else(|| format!("expected one of {}, found `{name}`", Self::ALL.map(Self::name).join(", ")))
    }
}

/// The kernels of one instruction set.
#[derive(Debug)]
pub(crate) struct Kernels {
    write_row: unsafe fn(&[f32], Option<Norm<'_>>, Precision, &mut RowMut<'_>),
    linear: unsafe fn(&Prepared<'_>, Range<usize>),
    append: unsafe fn(&Attention<'_>, usize),
    attend: unsafe fn(&Attention<'_>, usize),
}

/// The kernels over one implementation of `Lanes`, compiled with the features that its instructions need.
macro_rules! kernels {
    ($lanes:ty $(, $features:literal)?) => {{
        $(#[target_feature(enable = $features)])?
        unsafe fn write_row(input: &[f32], norm: Option<Norm<'_>>, precision: Precision, row: &mut RowMut<'_>) {
            // SAFETY: passed on from the caller.
            unsafe { activations::write_row::<$lanes>(input, norm, precision, row) }
        }

        $(#[target_feature(enable = $features)])?
        unsafe fn linear(prepared: &Prepared<'_>, units: Range<usize>) {
            // SAFETY: passed on from the caller.
            unsafe { linear::compute_units::<$lanes>(prepared, units) }
        }

        $(#[target_feature(enable = $features)])?
        unsafe fn append(attention: &Attention<'_>, task: usize) {
            // SAFETY: passed on from the caller.
            unsafe { attention::append::<$lanes>(attention, task) }
        }

        $(#[target_feature(enable = $features)])?
        unsafe fn attend(attention: &Attention<'_>, task: usize) {
            // SAFETY: passed on from the caller.
            unsafe { attention::attend::<$lanes>(attention, task) }
        }

        Kernels { write_row, linear, append, attend }
    }};
}

static PLAIN: Kernels = kernels!(Plain);
#[cfg(target_arch = "x86_64")]
static AVX2: Kernels = kernels!(Avx2, "avx2,fma,f16c");
#[cfg(target_arch = "x86_64")]
static AVX_VNNI: Kernels = {
    // Attention adds up no bytes, which is all that differs.
    let Kernels { write_row, linear, .. } = kernels!(AvxVnni, "avx2,fma,f16c,avxvnni");
    Kernels { write_row, linear, ..AVX2 }
};
#[cfg(target_arch = "x86_64")]
static AVX_512: Kernels = kernels!(Avx512, "avx2,fma,f16c,avx512f,avx512bw,avx512vnni");
#[cfg(target_arch = "aarch64")]
static NEON: Kernels = kernels!(Neon, "neon,dotprod");

impl Kernels {
    /// The kernels of `set`, if this machine has its instructions and they agree with the plain ones.
    pub(crate) fn of(set: InstructionSet) -> Option<&'static Self> {
        static AGREE: [OnceLock<bool>; InstructionSet::ALL.len()] =
            [const { OnceLock::new() }; InstructionSet::ALL.len()];
        let kernels = Self::present(set)?;
        let agree = AGREE[set as usize].get_or_init(|| set == InstructionSet::Plain || check::agree(kernels, &PLAIN));
        agree.then_some(kernels)
    }

    /// The kernels of `set`, if this machine says that it has its instructions.
    #[cfg(target_arch = "x86_64")]
    fn present(set: InstructionSet) -> Option<&'static Self> {
        let avx2 =
            is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c");
        let avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vnni");
        match set {
            InstructionSet::Plain => Some(&PLAIN),
            InstructionSet::Avx2 if avx2 => Some(&AVX2),
            InstructionSet::AvxVnni if avx2 && is_x86_feature_detected!("avxvnni") => Some(&AVX_VNNI),
            InstructionSet::Avx512 if avx2 && avx512 => Some(&AVX_512),
            _ => None,
        }
    }

    /// The kernels of `set`, if this machine says that it has its instructions.
    #[cfg(target_arch = "aarch64")]
    fn present(set: InstructionSet) -> Option<&'static Self> {
        match set {
            InstructionSet::Plain => Some(&PLAIN),
            InstructionSet::Neon if std::arch::is_aarch64_feature_detected!("dotprod") => Some(&NEON),
            _ => None,
        }
    }

    /// The kernels of `set`, if this machine says that it has its instructions.
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    fn present(set: InstructionSet) -> Option<&'static Self> {
        (set == InstructionSet::Plain).then_some(&PLAIN)
    }

    /// See [`activations::write_row`].
    pub(crate) fn write_row(&self, input: &[f32], norm: Option<Norm<'_>>, precision: Precision, row: &mut RowMut<'_>) {
        // SAFETY: `of` hands kernels out only where their instructions are available.
        unsafe { (self.write_row)(input, norm, precision, row) }
    }

    /// Computes panels of a linear layer's output, which nobody else may compute.
    pub(super) fn linear(&self, prepared: &Prepared<'_>, units: Range<usize>) {
        // SAFETY: as above; `Linear::compute`, the only caller, gives every panel to one task.
        unsafe { (self.linear)(prepared, units) }
    }

    /// Appends one row and head to the cache.
    pub(super) fn append(&self, attention: &Attention<'_>, task: usize) {
        // SAFETY: as above; `Attention::compute`, the only caller, checks, and gives every head to one task.
        unsafe { (self.append)(attention, task) }
    }

    /// Attends with one tile of queries.
    pub(super) fn attend(&self, attention: &Attention<'_>, task: usize) {
        // SAFETY: as above, and `Attention::compute` has appended everything before.
        unsafe { (self.attend)(attention, task) }
    }
}
