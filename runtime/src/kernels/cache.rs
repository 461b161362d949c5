//! How keys and values lie in a cache: what an element is, and how positions are grouped.
//!
//! Sixteen positions of a head are a group, in keys and in values alike: their scales, where the type has any, then their
//! elements. So the first positions of a cache are its first bytes, whatever the type, and appending to a position changes no
//! other one.

use std::fmt;
use std::str::FromStr;

use half::f16;
use pupil_models::config::StudentConfig;
use pupil_models::format::WeightFormat;
use serde::{Deserialize, Serialize};

use super::activations::LEAST_MAGNITUDE;
use super::lanes::{LANES, Lanes};

/// What the keys and values of a cache are stored as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum CacheType {
    /// 32-bit floats: as they are computed.
    Float32,
    /// 16-bit floats.
    Float16,
    /// 8-bit integers from −127 to 127, with a float32 scale for the keys of each position and head, and one for the values.
    Int8,
}

impl CacheType {
    /// All of them, the largest first.
    pub const ALL: [Self; 3] = [Self::Float32, Self::Float16, Self::Int8];

    /// Those that a bundle of this format can be run with, the default first.
    #[must_use]
    pub const fn offered_by(format: WeightFormat) -> &'static [Self] {
        match format {
            WeightFormat::Native(_) => &[Self::Float16, Self::Float32, Self::Int8],
            WeightFormat::Portable(_) => &[Self::Float16],
            WeightFormat::Float32 => &[Self::Float32],
        }
    }

    /// Name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Float32 => "float32",
            Self::Float16 => "float16",
            Self::Int8 => "int8",
        }
    }

    /// Bytes that a token takes in a cache of this type, on average over a group of 16.
    #[must_use]
    pub fn bytes_per_token(self, config: &StudentConfig) -> f64 {
        (2 * config.layers * config.kv_heads * self.group_bytes(config.head_dim)) as f64 / LANES as f64
    }

    /// Bytes of the keys, or the values, of a group of positions of a head.
    pub(crate) const fn group_bytes(self, head_dim: usize) -> usize {
        match self {
            Self::Float32 => group_bytes::<f32>(head_dim),
            Self::Float16 => group_bytes::<f16>(head_dim),
            Self::Int8 => group_bytes::<i8>(head_dim),
        }
    }

    /// Bytes of the keys, or the values, of so many positions of a head: whole groups.
    pub(crate) const fn head_bytes(self, head_dim: usize, positions: usize) -> usize {
        positions.div_ceil(LANES) * self.group_bytes(head_dim)
    }
}

/// Bytes of the keys, or the values, of a group of positions of a head.
pub(super) const fn group_bytes<E: Element>(head_dim: usize) -> usize {
    E::SCALE_BYTES + LANES * head_dim * size_of::<E>()
}

impl fmt::Display for CacheType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl FromStr for CacheType {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|cache| cache.name() == name)
            .ok_or_else(|| format!("expected one of {}, found `{name}`", Self::ALL.map(Self::name).join(", ")))
    }
}

/// Bytes of a scale.
const SCALE: usize = size_of::<f32>();

/// An element of a cache.
///
/// # Safety
/// As [`Lanes`]; pointers must be valid for sixteen elements.
pub(super) trait Element: Sized {
    /// Bytes of a group's scales: sixteen float32, or none.
    const SCALE_BYTES: usize;

    /// Reads sixteen elements.
    unsafe fn load<L: Lanes>(elements: *const u8) -> L::Float;
    /// Writes sixteen elements.
    unsafe fn store<L: Lanes>(value: L::Float, elements: *mut u8);
}

impl Element for f32 {
    const SCALE_BYTES: usize = 0;

    #[inline(always)]
    unsafe fn load<L: Lanes>(elements: *const u8) -> L::Float {
        // SAFETY: passed on from the caller.
        unsafe { L::load_floats(elements.cast()) }
    }

    #[inline(always)]
    unsafe fn store<L: Lanes>(value: L::Float, elements: *mut u8) {
        // SAFETY: passed on from the caller.
        unsafe { L::store_floats(value, elements.cast()) }
    }
}

impl Element for f16 {
    const SCALE_BYTES: usize = 0;

    #[inline(always)]
    unsafe fn load<L: Lanes>(elements: *const u8) -> L::Float {
        // SAFETY: passed on from the caller.
        unsafe { L::load_halves(elements) }
    }

    #[inline(always)]
    unsafe fn store<L: Lanes>(value: L::Float, elements: *mut u8) {
        // SAFETY: passed on from the caller.
        unsafe { L::store_halves(value, elements) }
    }
}

impl Element for i8 {
    const SCALE_BYTES: usize = LANES * SCALE;

    #[inline(always)]
    unsafe fn load<L: Lanes>(elements: *const u8) -> L::Float {
        // SAFETY: passed on from the caller.
        unsafe { L::load_bytes(elements.cast()) }
    }

    #[inline(always)]
    unsafe fn store<L: Lanes>(value: L::Float, elements: *mut u8) {
        // SAFETY: passed on from the caller.
        unsafe { L::store_bytes(value, elements.cast()) }
    }
}

/// A position's place in a cache of one head: where its group begins, and its lane there.
#[derive(Clone, Copy, Debug)]
struct Place {
    group: usize,
    lane: usize,
}

impl Place {
    fn of<E: Element>(position: usize, head_dim: usize) -> Self {
        Self { group: position / LANES * group_bytes::<E>(head_dim), lane: position % LANES }
    }

    /// Keeps the scale of this position, if the elements have one.
    fn set_scale<E: Element>(self, scale: f32, bytes: &mut [u8]) {
        if E::SCALE_BYTES > 0 {
            bytes[self.group + self.lane * SCALE..][..SCALE].copy_from_slice(&scale.to_ne_bytes());
        }
    }
}

/// Puts a key into its lane of its group, `[head_dim, 16]`, by way of `scratch`.
///
/// # Safety
/// The instructions of `L` are available.
#[inline(always)]
pub(super) unsafe fn append_key<L: Lanes, E: Element>(
    key: &[f32],
    position: usize,
    keys: &mut [u8],
    scratch: &mut Vec<u8>,
) {
    let place = Place::of::<E>(position, key.len());
    let group = &mut keys[place.group..][..group_bytes::<E>(key.len())];
    if place.lane == 0 {
        // Scores of all sixteen positions are computed, those behind the last from whatever lies here.
        group.fill(0);
    }
    scratch.resize(key.len() * size_of::<E>(), 0);
    // SAFETY: passed on from the caller.
    let scale = unsafe { encode::<L, E>(key, scratch) };
    let lanes = group[E::SCALE_BYTES..].chunks_exact_mut(LANES * size_of::<E>());
    for (lanes, element) in lanes.zip(scratch.chunks_exact(size_of::<E>())) {
        lanes[place.lane * size_of::<E>()..][..size_of::<E>()].copy_from_slice(element);
    }
    place.set_scale::<E>(scale, keys);
}

/// Puts a value into its row of its group, `[16, head_dim]`.
///
/// # Safety
/// The instructions of `L` are available.
#[inline(always)]
pub(super) unsafe fn append_value<L: Lanes, E: Element>(value: &[f32], position: usize, values: &mut [u8]) {
    let place = Place::of::<E>(position, value.len());
    let row_bytes = value.len() * size_of::<E>();
    let row = &mut values[place.group + E::SCALE_BYTES + place.lane * row_bytes..][..row_bytes];
    // SAFETY: passed on from the caller.
    let scale = unsafe { encode::<L, E>(value, row) };
    place.set_scale::<E>(scale, values);
}

/// Multiplies `numbers`, one for each position of whole groups, by the scales of these, if the elements have any.
///
/// # Safety
/// The instructions of `L` are available.
///
/// # Panics
/// There are fewer groups in `cache`.
#[inline(always)]
pub(super) unsafe fn scale<L: Lanes, E: Element>(numbers: &mut [f32], cache: &[u8], head_dim: usize) {
    if E::SCALE_BYTES == 0 {
        return;
    }
    let group_bytes = group_bytes::<E>(head_dim);
    assert!(cache.len() >= numbers.len() / LANES * group_bytes, "a group for all numbers");
    for (group, numbers) in numbers.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
        // SAFETY: the group lies in the cache (checked above) and begins with sixteen scales; the instructions are the
        // caller's promise.
        unsafe {
            let scales = L::load_floats(cache.as_ptr().add(group * group_bytes).cast());
            L::store_floats(L::multiply(L::load_floats(numbers.as_ptr()), scales), numbers.as_mut_ptr());
        }
    }
}

/// Writes `row` as elements; their scale, 1 where the type has none.
///
/// A row of bytes with a value that is not finite has the scale NaN, and one without a value that counts the scale 0.
///
/// # Panics
/// `elements` has another length, or the row is no multiple of sixteen wide.
#[inline(always)]
unsafe fn encode<L: Lanes, E: Element>(row: &[f32], elements: &mut [u8]) -> f32 {
    assert!(row.len().is_multiple_of(LANES) && elements.len() == row.len() * size_of::<E>(), "an element each");
    let scaled = E::SCALE_BYTES > 0;
    let (mut inverse, mut scale) = (1.0, 1.0);
    if scaled {
        // SAFETY: the instructions are the caller's promise.
        let largest = unsafe { largest::<L>(row) };
        if !(largest >= LEAST_MAGNITUDE && largest.is_finite()) {
            elements.fill(0);
            return if largest.is_finite() { 0.0 } else { f32::NAN };
        }
        (inverse, scale) = (127.0 / largest, largest / 127.0);
    }
    for column in (0..row.len()).step_by(LANES) {
        // SAFETY: sixteen floats and elements from here on lie in both slices (checked above); the instructions are the
        // caller's promise. Quantised, the largest is 127, and store_bytes is given whole numbers.
        unsafe {
            let mut value = L::load_floats(row.as_ptr().add(column));
            if scaled {
                value = L::round(L::multiply(value, L::splat(inverse)));
            }
            E::store::<L>(value, elements.as_mut_ptr().add(column * size_of::<E>()));
        }
    }
    scale
}

/// The largest magnitude of a row that is a multiple of sixteen wide; infinite if a value is not finite.
#[inline(always)]
unsafe fn largest<L: Lanes>(row: &[f32]) -> f32 {
    // SAFETY: sixteen floats from every multiple of sixteen on lie in the row; the instructions are the caller's promise.
    unsafe {
        let mut largest = L::splat(0.0);
        for column in (0..row.len()).step_by(LANES) {
            largest = L::maximum(L::magnitude(L::load_floats(row.as_ptr().add(column))), largest);
        }
        L::largest(largest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_is_read_by_its_name() {
        for cache in CacheType::ALL {
            assert_eq!(cache.to_string().parse(), Ok(cache));
            assert_eq!(serde_json::to_value(cache).unwrap(), cache.name());
        }
        assert_eq!("int4".parse::<CacheType>().unwrap_err(), "expected one of float32, float16, int8, found `int4`");
    }

    #[test]
    fn bytes_are_those_of_whole_groups() {
        let bytes = |positions| CacheType::ALL.map(|cache| cache.head_bytes(64, positions));
        assert_eq!(bytes(0), [0, 0, 0]);
        assert_eq!(bytes(1), [16 * 64 * 4, 16 * 64 * 2, 16 * (64 + 4)]);
        assert_eq!(bytes(16), bytes(1));
        assert_eq!(bytes(17), bytes(1).map(|group| 2 * group));
    }
}
