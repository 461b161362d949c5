//! Causal grouped-query attention with rotary embedding, over a cache that is appended to in place.
//!
//! Keys and values lie in groups of 16 positions, `[rows, kv_heads, position / 16]`. In a group of keys the elements are
//! `[head_dim, 16]`, so that one load serves 16 scores; in one of values `[16, head_dim]`. Where elements have a scale for
//! each position, scores are multiplied by those of the keys, and weights by those of the values: the loops over elements
//! are the same for every type.

use std::cell::RefCell;

use half::f16;

use super::cache::{self, CacheType, Element};
use super::lanes::{self, LANES, Lanes};
use super::table::Kernels;
use super::workers::{Shared, Workers};

/// Queries that one pass over the keys and values serves.
const TILE: usize = 4;
/// Products below which a second thread costs more than it saves.
const LEAST_SHARED_PRODUCTS: usize = 1 << 16;

/// Sizes of an attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Heads {
    /// Query heads.
    pub(crate) query: usize,
    /// Key and value heads; divides `query`.
    pub(crate) key_value: usize,
    /// Width of a head, a multiple of 16.
    pub(crate) head_dim: usize,
}

impl Heads {
    /// Width of a row of queries, keys and values side by side.
    pub(crate) fn input_width(&self) -> usize {
        (self.query + 2 * self.key_value) * self.head_dim
    }

    /// Width of a row of the output.
    pub(crate) fn output_width(&self) -> usize {
        self.query * self.head_dim
    }

    /// Query heads that share a key head.
    fn group(&self) -> usize {
        self.query / self.key_value
    }
}

/// One attention: new positions are appended to the cache and then attended to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attention<'a> {
    pub(crate) heads: Heads,
    /// `[rows · sequence, (heads + 2 · kv_heads) · head_dim]`
    pub(crate) input: &'a [f32],
    /// Cosines, then sines of every new position, `[rows · sequence, head_dim]`.
    pub(crate) phases: &'a [f32],
    /// Last new position of each row.
    pub(crate) last_positions: &'a [i32],
    /// What keys and values are stored as.
    pub(crate) cache: CacheType,
    /// Keys, as many bytes for every row and head.
    pub(crate) keys: Shared<'a, u8>,
    /// Values, as many bytes as there are of the keys.
    pub(crate) values: Shared<'a, u8>,
    /// `[rows · sequence, heads · head_dim]`
    pub(crate) output: Shared<'a, f32>,
}

/// Queries, and scores of a tile of them, of the thread that computes it.
#[derive(Default)]
struct Scratch {
    queries: Vec<f32>,
    /// A key on its way into the cache.
    elements: Vec<u8>,
    scores: Vec<f32>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

impl Attention<'_> {
    /// Appends and attends.
    ///
    /// # Errors
    /// What does not fit: a slice's length, or a position beyond the capacity.
    pub(crate) fn compute(&self, kernels: &Kernels, workers: &dyn Workers) -> Result<(), String> {
        self.check()?;
        let appends = self.rows() * self.heads.key_value;
        let tasks = appends * self.tiles();
        let longest = self.last_positions.iter().max().map_or(0, |&last| last as usize + 1);
        let products = 2 * self.phases.len() * longest * self.heads.query;
        if workers.count() == 1 || products < LEAST_SHARED_PRODUCTS {
            (0..appends).for_each(|task| kernels.append(self, task));
            (0..tasks).for_each(|task| kernels.attend(self, task));
        } else {
            workers.run(appends, &|task| kernels.append(self, task));
            workers.run(tasks, &|task| kernels.attend(self, task));
        }
        Ok(())
    }

    fn rows(&self) -> usize {
        self.last_positions.len()
    }

    fn sequence(&self) -> usize {
        self.phases.len() / self.heads.head_dim / self.rows()
    }

    /// Tiles of queries of each row and key head.
    fn tiles(&self) -> usize {
        (self.sequence() * self.heads.group()).div_ceil(TILE)
    }

    /// Bytes of the keys, and of the values, of one row and key head: groups, and perhaps a rest that is too short for one.
    fn head_bytes(&self) -> usize {
        self.keys.len() / (self.rows() * self.heads.key_value)
    }

    /// Positions that the cache has room for.
    fn capacity(&self) -> usize {
        self.head_bytes() / self.cache.group_bytes(self.heads.head_dim) * LANES
    }

    fn check(&self) -> Result<(), String> {
        let Heads { query: heads, key_value: kv_heads, head_dim } = self.heads;
        let equal = |what: &str, expected: usize, found: usize| {
            if expected == found { Ok(()) } else { Err(format!("{what}: expected {expected}, found {found}")) }
        };
        if self.rows() == 0 || kv_heads == 0 || !heads.is_multiple_of(kv_heads) {
            return Err(format!("heads: expected a multiple of the key heads, found {heads} and {kv_heads}"));
        }
        if head_dim == 0 || !head_dim.is_multiple_of(LANES) {
            return Err(format!("width of a head: expected a multiple of {LANES}, found {head_dim}"));
        }
        let tokens = self.rows() * self.sequence();
        equal("phases", tokens * head_dim, self.phases.len())?;
        equal("queries, keys and values", tokens * self.heads.input_width(), self.input.len())?;
        equal("output", tokens * self.heads.output_width(), self.output.len())?;
        equal("bytes of the key cache", self.rows() * kv_heads * self.head_bytes(), self.keys.len())?;
        equal("bytes of the value cache", self.keys.len(), self.values.len())?;
        let (first, capacity) = (self.sequence().saturating_sub(1), self.capacity());
        match self.last_positions.iter().find(|&&last| last < 0 || !(first..capacity).contains(&(last as usize))) {
            Some(last) => Err(format!("last position: expected one from {first} and below {capacity}, found {last}")),
            None => Ok(()),
        }
    }
}

/// Appends the keys and values of one row and key head.
///
/// # Safety
/// The instructions of `L` are available; `attention` is checked; nobody else has this task.
#[inline(always)]
pub(crate) unsafe fn append<L: Lanes>(attention: &Attention<'_>, task: usize) {
    // SAFETY: passed on from the caller.
    unsafe {
        match attention.cache {
            CacheType::Float32 => append_as::<L, f32>(attention, task),
            CacheType::Float16 => append_as::<L, f16>(attention, task),
            CacheType::Int8 => append_as::<L, i8>(attention, task),
        }
    }
}

#[inline(always)]
unsafe fn append_as<L: Lanes, E: Element>(attention: &Attention<'_>, task: usize) {
    let Heads { query: heads, key_value: kv_heads, head_dim } = attention.heads;
    let (row, head) = (task / kv_heads, task % kv_heads);
    let sequence = attention.sequence();
    let start = attention.last_positions[row] as usize + 1 - sequence;
    // SAFETY: keys and values of this row and head belong to this task alone.
    let (keys, values) = unsafe {
        let (start, length) = (task * attention.head_bytes(), attention.head_bytes());
        (attention.keys.part_mut(start, length), attention.values.part_mut(start, length))
    };
    let mut scratch = SCRATCH.take();
    scratch.queries.resize(head_dim, 0.0);
    for index in 0..sequence {
        let (token, position) = (row * sequence + index, start + index);
        let input = &attention.input[token * attention.heads.input_width()..][..attention.heads.input_width()];
        let phases = &attention.phases[token * head_dim..][..head_dim];
        rotate(&input[(heads + head) * head_dim..][..head_dim], phases, 1.0, &mut scratch.queries);
        let value = &input[(heads + kv_heads + head) * head_dim..][..head_dim];
        // SAFETY: the instructions are the caller's promise.
        unsafe {
            cache::append_key::<L, E>(&scratch.queries, position, keys, &mut scratch.elements);
            cache::append_value::<L, E>(value, position, values);
        }
    }
    SCRATCH.set(scratch);
}

/// Attends with one tile of queries.
///
/// # Safety
/// As [`append`], and everything is appended.
#[inline(always)]
pub(crate) unsafe fn attend<L: Lanes>(attention: &Attention<'_>, task: usize) {
    // SAFETY: passed on from the caller.
    unsafe {
        match attention.cache {
            CacheType::Float32 => attend_as::<L, f32>(attention, task),
            CacheType::Float16 => attend_as::<L, f16>(attention, task),
            CacheType::Int8 => attend_as::<L, i8>(attention, task),
        }
    }
}

#[inline(always)]
unsafe fn attend_as<L: Lanes, E: Element>(attention: &Attention<'_>, task: usize) {
    let tiles = attention.tiles();
    let (pair, tile) = (task / tiles, task % tiles);
    let queries = attention.sequence() * attention.heads.group();
    let first = tile * TILE;
    // Taken out, not borrowed in a closure: a closure would not be compiled for the instructions of its caller.
    let mut scratch = SCRATCH.take();
    // SAFETY: passed on from the caller.
    unsafe {
        match queries - first {
            1 => attend_tile::<L, E, 1>(attention, pair, first, &mut scratch),
            2 => attend_tile::<L, E, 2>(attention, pair, first, &mut scratch),
            3 => attend_tile::<L, E, 3>(attention, pair, first, &mut scratch),
            _ => attend_tile::<L, E, TILE>(attention, pair, first, &mut scratch),
        }
    }
    SCRATCH.set(scratch);
}

#[inline(always)]
unsafe fn attend_tile<L: Lanes, E: Element, const QUERIES: usize>(
    attention: &Attention<'_>,
    pair: usize,
    first: usize,
    scratch: &mut Scratch,
) {
    let Heads { key_value: kv_heads, head_dim, .. } = attention.heads;
    let (row, kv_head) = (pair / kv_heads, pair % kv_heads);
    let (sequence, group) = (attention.sequence(), attention.heads.group());
    let start = attention.last_positions[row] as usize + 1 - sequence;
    let query: [(usize, usize); QUERIES] =
        std::array::from_fn(|index| ((first + index) / group, kv_head * group + (first + index) % group));
    let visible = query.map(|(index, _)| start + index + 1);
    // Queries are in order of position: the last one sees most.
    let positions = visible[QUERIES - 1];
    let padded = positions.next_multiple_of(LANES);
    scratch.queries.resize(QUERIES * head_dim, 0.0);
    scratch.scores.resize(QUERIES * padded, 0.0);
    for ((index, head), rotated) in query.into_iter().zip(scratch.queries.chunks_exact_mut(head_dim)) {
        let token = row * sequence + index;
        let input = &attention.input[token * attention.heads.input_width() + head * head_dim..][..head_dim];
        let phases = &attention.phases[token * head_dim..][..head_dim];
        rotate(input, phases, 1.0 / (head_dim as f32).sqrt(), rotated);
    }
    // SAFETY: nobody writes keys and values now; the outputs of these queries and heads belong to this task alone; the rest
    // is passed on from the caller.
    unsafe {
        let keys = attention.keys.part(pair * attention.head_bytes(), attention.head_bytes());
        let values = attention.values.part(pair * attention.head_bytes(), attention.head_bytes());
        scores::<L, E, QUERIES>(&scratch.queries, keys, &mut scratch.scores, head_dim);
        let mut totals = [0.0; QUERIES];
        for (index, scores) in scratch.scores.chunks_exact_mut(padded).enumerate() {
            totals[index] = weights::<L>(scores, visible[index]);
            cache::scale::<L, E>(scores, values, head_dim);
        }
        let width = attention.heads.output_width();
        let output = query.map(|(index, head)| {
            attention.output.part_mut((row * sequence + index) * width + head * head_dim, head_dim).as_mut_ptr()
        });
        mix::<L, E, QUERIES>(&scratch.scores, padded, positions, values, head_dim, totals, output);
    }
}

/// Rotates the pairs `(i, i + head_dim / 2)` by their phases (Su et al. 2021, paired as Hugging Face does), and scales.
#[inline(always)]
fn rotate(input: &[f32], phases: &[f32], scale: f32, output: &mut [f32]) {
    let half = input.len() / 2;
    let (first, second) = input.split_at(half);
    let (cosines, sines) = phases.split_at(half);
    let (rotated_first, rotated_second) = output.split_at_mut(half);
    for index in 0..half {
        let (cosine, sine) = (cosines[index] * scale, sines[index] * scale);
        rotated_first[index] = first[index] * cosine - second[index] * sine;
        rotated_second[index] = second[index] * cosine + first[index] * sine;
    }
}

/// Scores of every group of positions that `scores [QUERIES, padded]` has room for.
#[inline(always)]
unsafe fn scores<L: Lanes, E: Element, const QUERIES: usize>(
    queries: &[f32],
    keys: &[u8],
    scores: &mut [f32],
    head_dim: usize,
) {
    let (padded, group_bytes) = (scores.len() / QUERIES, cache::group_bytes::<E>(head_dim));
    assert!(
        queries.len() == QUERIES * head_dim && keys.len() >= padded / LANES * group_bytes,
        "keys of every position"
    );
    // SAFETY: a group is its scales and 16 elements for each of `head_dim` dimensions, and there are `padded / 16` groups
    // (checked above); the instructions are the caller's promise.
    unsafe {
        for group in 0..padded / LANES {
            let elements = keys.as_ptr().add(group * group_bytes + E::SCALE_BYTES);
            let mut sums = [L::splat(0.0); QUERIES];
            for dimension in 0..head_dim {
                let key = E::load::<L>(elements.add(dimension * LANES * size_of::<E>()));
                for query in 0..QUERIES {
                    let value = L::splat(*queries.as_ptr().add(query * head_dim + dimension));
                    sums[query] = L::multiply_add(key, value, sums[query]);
                }
            }
            for query in 0..QUERIES {
                L::store_floats(sums[query], scores.as_mut_ptr().add(query * padded + group * LANES));
            }
        }
        for scores in scores.chunks_exact_mut(padded) {
            cache::scale::<L, E>(scores, keys, head_dim);
        }
    }
}

/// Turns scores into weights, `exp(score − largest)`, zero from `visible` on; their sum.
#[inline(always)]
unsafe fn weights<L: Lanes>(scores: &mut [f32], visible: usize) -> f32 {
    // Behind the last visible position lie scores of positions that this query must not see.
    scores[visible..].fill(f32::NEG_INFINITY);
    let padded = scores.len();
    // SAFETY: the scores are whole groups of sixteen; the instructions are the caller's promise.
    let sum = unsafe {
        let mut largest = L::splat(f32::NEG_INFINITY);
        for position in (0..padded).step_by(LANES) {
            largest = L::maximum(L::load_floats(scores.as_ptr().add(position)), largest);
        }
        let largest = L::splat(L::largest(largest));
        let mut sum = L::splat(0.0);
        for position in (0..padded).step_by(LANES) {
            let place = scores.as_mut_ptr().add(position);
            let weight = lanes::exponential::<L>(L::subtract(L::load_floats(place), largest));
            L::store_floats(weight, place);
            sum = L::add(sum, weight);
        }
        L::total(sum)
    };
    // The exponential of minus infinity is tiny, not zero, which is nothing in a sum of at least 1.
    scores[visible..].fill(0.0);
    sum
}

/// The values of `positions`, weighted by `weights [QUERIES, padded]` and divided by their totals.
#[inline(always)]
unsafe fn mix<L: Lanes, E: Element, const QUERIES: usize>(
    weights: &[f32],
    padded: usize,
    positions: usize,
    values: &[u8],
    head_dim: usize,
    totals: [f32; QUERIES],
    output: [*mut f32; QUERIES],
) {
    let group_bytes = cache::group_bytes::<E>(head_dim);
    // Without scales between them all values follow each other, and one loop is faster than a loop of loops.
    let run = if E::SCALE_BYTES == 0 { positions } else { LANES };
    assert!(weights.len() == QUERIES * padded && positions <= padded);
    assert!(values.len() >= padded / LANES * group_bytes, "values of every position");
    // SAFETY: there are `positions` weights of each query, and groups of as many values (checked above), each `head_dim` wide;
    // `output` points to as many floats (promise of the caller), as are the instructions.
    unsafe {
        for column in (0..head_dim).step_by(LANES) {
            let mut sums = [L::splat(0.0); QUERIES];
            for first in (0..positions).step_by(run) {
                let elements = values.as_ptr().add(first / LANES * group_bytes + E::SCALE_BYTES);
                let elements = elements.add(column * size_of::<E>());
                let weights = weights.as_ptr().add(first);
                for index in 0..run.min(positions - first) {
                    let value = E::load::<L>(elements.add(index * head_dim * size_of::<E>()));
                    for query in 0..QUERIES {
                        let weight = L::splat(*weights.add(query * padded + index));
                        sums[query] = L::multiply_add(value, weight, sums[query]);
                    }
                }
            }
            for query in 0..QUERIES {
                let sum = L::divide(sums[query], L::splat(totals[query]));
                L::store_floats(sum, output[query].add(column));
            }
        }
    }
}
