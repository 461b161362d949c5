//! Attention of every instruction set over every cache, against textbook attention in double precision.

use half::f16;
use proptest::prelude::*;

use super::super::workers::{Alone, Workers};
use super::super::{Attention, CacheType, Heads, InstructionSet, Kernels, Shared, write_phases};
use super::{Numbers, Threads, sets};

/// A sequence in double precision, its keys rotated, and keys and values rounded as a cache rounds them.
struct Textbook {
    heads: Heads,
    /// `[token][head][dimension]`
    queries: Vec<Vec<Vec<f64>>>,
    keys: Vec<Vec<Vec<f64>>>,
    values: Vec<Vec<Vec<f64>>>,
}

impl Textbook {
    /// `cache` `None` rounds nothing.
    fn new(heads: Heads, inputs: &[f32], phases: &[f32], cache: Option<CacheType>) -> Self {
        let mut textbook = Self { heads, queries: Vec::new(), keys: Vec::new(), values: Vec::new() };
        let tokens = inputs.chunks_exact(heads.input_width()).zip(phases.chunks_exact(heads.head_dim));
        for (input, phases) in tokens {
            let rows: Vec<&[f32]> = input.chunks_exact(heads.head_dim).collect();
            let (queries, rows) = rows.split_at(heads.query);
            let (keys, values) = rows.split_at(heads.key_value);
            let wide = |row: Vec<f32>| row.into_iter().map(f64::from).collect::<Vec<f64>>();
            textbook.queries.push(queries.iter().map(|row| wide(rotated(row, phases))).collect());
            textbook.keys.push(keys.iter().map(|row| stored(&rotated(row, phases), cache)).collect());
            textbook.values.push(values.iter().map(|row| stored(row, cache)).collect());
        }
        textbook
    }

    /// What each head answers at `token`.
    fn output(&self, token: usize) -> Vec<f64> {
        let mut output = Vec::new();
        for head in 0..self.heads.query {
            let kv_head = head / (self.heads.query / self.heads.key_value);
            let scores: Vec<f64> = (0..=token).map(|position| self.score(token, head, position)).collect();
            let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let weights: Vec<f64> = scores.iter().map(|score| (score - largest).exp()).collect();
            let total: f64 = weights.iter().sum();
            for dimension in 0..self.heads.head_dim {
                let sum: f64 = (0..=token).map(|at| weights[at] * self.values[at][kv_head][dimension]).sum();
                output.push(sum / total);
            }
        }
        output
    }

    fn score(&self, token: usize, head: usize, position: usize) -> f64 {
        let key = &self.keys[position][head / (self.heads.query / self.heads.key_value)];
        let products = self.queries[token][head].iter().zip(key).map(|(query, key)| query * key);
        products.sum::<f64>() / (self.heads.head_dim as f64).sqrt()
    }

    /// What outputs at `token` may differ by if keys and values are `other`'s: scores that are off by up to `d` change
    /// weights by factors from exp(−2d) to exp(2d), and with them outputs by at most (exp(2d) − 1) of the largest value.
    fn tolerance(&self, other: &Self, token: usize) -> f64 {
        let heads = (0..self.heads.query).flat_map(|head| (0..=token).map(move |position| (head, position)));
        let score = heads
            .map(|(head, at)| (self.score(token, head, at) - other.score(token, head, at)).abs())
            .fold(0.0, f64::max);
        let values = || self.values[..=token].iter().flatten().flatten();
        let largest = values().fold(0.0, |largest: f64, value| largest.max(value.abs()));
        let others = other.values.iter().flatten().flatten();
        let value = values().zip(others).map(|(left, right)| (left - right).abs()).fold(0.0, f64::max);
        ((2.0 * score).exp() - 1.0) * largest + value
    }
}

/// As the kernels compute it, to the bit: what is rounded afterwards must not fall the other way.
fn rotated(row: &[f32], phases: &[f32]) -> Vec<f32> {
    let half = row.len() / 2;
    let first = (0..half).map(|index| row[index] * phases[index] - row[index + half] * phases[index + half]);
    let second = (0..half).map(|index| row[index + half] * phases[index] + row[index] * phases[index + half]);
    first.chain(second).collect()
}

fn stored(row: &[f32], cache: Option<CacheType>) -> Vec<f64> {
    let largest = row.iter().fold(0.0, |largest: f32, value| largest.max(value.abs()));
    let round = |&value: &f32| match cache {
        None | Some(CacheType::Float32) => f64::from(value),
        Some(CacheType::Float16) => f64::from(f16::from_f32(value)),
        Some(CacheType::Int8) if largest < 1e-30 => 0.0,
        Some(CacheType::Int8) => f64::from((value * (127.0 / largest)).round_ties_even()) * f64::from(largest / 127.0),
    };
    row.iter().map(round).collect()
}

/// Rows of the batch, each a sequence that is appended in portions.
struct Case<'a> {
    heads: Heads,
    cache: CacheType,
    inputs: &'a [Vec<f32>],
    phases: &'a [f32],
    portions: &'a [usize],
}

impl Case<'_> {
    /// Outputs of every row and token, `[row][token · heads · head_dim]`.
    fn run(&self, kernels: &Kernels, workers: &dyn Workers) -> Vec<Vec<f32>> {
        let Self { heads, cache, .. } = *self;
        let (rows, tokens) = (self.inputs.len(), self.portions.iter().sum::<usize>());
        // Room for more than there is, and a rest that is no whole group; whatever lies there must not matter: here, NaN.
        let head_bytes = cache.head_bytes(heads.head_dim, tokens + 16) + heads.head_dim;
        let mut keys = vec![0xFF; rows * heads.key_value * head_bytes];
        let mut values = keys.clone();
        let mut outputs = vec![Vec::new(); rows];
        let mut done = 0;
        for &portion in self.portions {
            let take = |all: &[f32], width: usize| all[done * width..(done + portion) * width].to_vec();
            let input: Vec<f32> = self.inputs.iter().flat_map(|row| take(row, heads.input_width())).collect();
            let phases: Vec<f32> = (0..rows).flat_map(|_| take(self.phases, heads.head_dim)).collect();
            let mut output = vec![f32::NAN; rows * portion * heads.output_width()];
            let attention = Attention {
                heads,
                input: &input,
                phases: &phases,
                last_positions: &vec![(done + portion - 1) as i32; rows],
                cache,
                keys: Shared::new(&mut keys),
                values: Shared::new(&mut values),
                output: Shared::new(&mut output),
            };
            attention.compute(kernels, workers).unwrap();
            let each = output.chunks_exact(portion * heads.output_width());
            outputs.iter_mut().zip(each).for_each(|(all, output)| all.extend_from_slice(output));
            done += portion;
        }
        outputs
    }
}

fn phases(tokens: usize, head_dim: usize) -> Vec<f32> {
    let frequencies: Vec<f64> = (0..head_dim / 2).map(|index| 0.7f64.powi(index as i32)).collect();
    let mut phases = vec![0.0; tokens * head_dim];
    let each = phases.chunks_exact_mut(head_dim).enumerate();
    each.for_each(|(position, phases)| write_phases(position, &frequencies, phases));
    phases
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn attention_in_any_portions_is_textbook_attention(
        kv_heads in 1usize..3, group in 1usize..8, wide in 1usize..5, rows in 1usize..3,
        portions in proptest::collection::vec(1usize..23, 1..4), seed: u64,
    ) {
        let heads = Heads { query: kv_heads * group, key_value: kv_heads, head_dim: 16 * wide };
        let tokens: usize = portions.iter().sum();
        let mut numbers = Numbers(seed);
        let inputs: Vec<Vec<f32>> = (0..rows)
            .map(|_| numbers.floats(tokens * heads.input_width()).into_iter().map(|value| 2.0 * value).collect())
            .collect();
        let phases = phases(tokens, heads.head_dim);
        for cache in CacheType::ALL {
            let textbook = |cache| -> Vec<Textbook> {
                inputs.iter().map(|inputs| Textbook::new(heads, inputs, &phases, cache)).collect()
            };
            let (rounded, exact) = (textbook(Some(cache)), textbook(None));
            let case = Case { heads, cache, inputs: &inputs, phases: &phases, portions: &portions };
            for (set, kernels) in sets() {
                for workers in [&Alone as &dyn Workers, &Threads(2)] {
                    let found = case.run(kernels, workers);
                    for (row, found) in found.iter().enumerate() {
                        for (token, found) in found.chunks_exact(heads.output_width()).enumerate() {
                            let (rounded_output, exact_output) = (rounded[row].output(token), exact[row].output(token));
                            let rounding = exact[row].tolerance(&rounded[row], token);
                            for (index, &found) in found.iter().enumerate() {
                                let found = f64::from(found);
                                let (near, far) = (found - rounded_output[index], found - exact_output[index]);
                                // Sums of up to 64 products, and weights of up to 66 positions, in float32.
                                prop_assert!(near.abs() < 1e-4, "{set}, {cache}, token {token}, {index}: off by {near}");
                                prop_assert!(far.abs() < rounding + 1e-4, "{set}, {cache}, token {token}, {index}: off by {far}");
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Outputs of one head over `tokens` tokens of ones, once `change` has changed token 3.
fn with_a_change(kernels: &Kernels, cache: CacheType, change: impl Fn(&mut [f32])) -> Vec<f32> {
    let heads = Heads { query: 1, key_value: 1, head_dim: 16 };
    let mut input = vec![1.0; 20 * heads.input_width()];
    change(&mut input[3 * heads.input_width()..][..heads.input_width()]);
    let phases = phases(20, heads.head_dim);
    let case = Case { heads, cache, inputs: &[input], phases: &phases, portions: &[3, 17] };
    case.run(kernels, &Alone).remove(0)
}

#[test]
fn what_is_not_finite_is_seen_from_its_token_on() {
    for (set, kernels) in sets() {
        for cache in CacheType::ALL {
            // In the first column of the query, the key and the value; a key may be infinitely unlike a query.
            for (bad, column) in
                [(f32::NAN, 0), (f32::NAN, 16), (f32::NAN, 32), (f32::INFINITY, 0), (f32::INFINITY, 32)]
            {
                let output = with_a_change(kernels, cache, |token| token[column] = bad);
                let finite = |token: usize| output[token * 16..][..16].iter().all(|value| value.is_finite());
                assert!((0..3).all(finite), "{set}, {cache}, {bad} in column {column}");
                assert!(!finite(3), "{set}, {cache}, {bad} in column {column}");
                assert_eq!(finite(4), column == 0, "{set}, {cache}, {bad} in column {column}");
            }
        }
    }
}

#[test]
fn zeros_and_denormals_count_as_nothing_and_large_numbers_as_what_the_type_holds() {
    for (set, kernels) in sets() {
        for cache in CacheType::ALL {
            for tiny in [0.0, -0.0, 1e-45, -f32::MIN_POSITIVE, 3e-8] {
                let output = with_a_change(kernels, cache, |token| token[16..].fill(tiny));
                assert!(output[..48].iter().all(|value| (value - 1.0).abs() < 0.01), "{set}, {cache}, {tiny}");
                assert!(output[48..].iter().all(|value| (0.0..1.01).contains(value)), "{set}, {cache}, {tiny}");
            }
            // A row of its own scale: other positions keep theirs.
            let output = with_a_change(kernels, cache, |token| token[32..].fill(1e30));
            assert!(output[..48].iter().all(|value| (value - 1.0).abs() < 0.01), "{set}, {cache}");
            assert_eq!(
                output[48..].iter().all(|value| value.is_finite()),
                cache != CacheType::Float16,
                "{set}, {cache}"
            );
        }
    }
}

#[test]
fn a_position_that_is_written_again_leaves_nothing_behind() {
    let heads = Heads { query: 2, key_value: 1, head_dim: 32 };
    let mut numbers = Numbers(3);
    let (input, phases) = (numbers.floats(heads.input_width()), phases(1, heads.head_dim));
    for (set, kernels) in sets() {
        for cache in CacheType::ALL {
            let [mut keys, mut values] = [vec![0; cache.head_bytes(32, 1)], vec![0; cache.head_bytes(32, 1)]];
            let outputs = [100.0, 1.0].map(|factor| {
                let input: Vec<f32> = input.iter().map(|value| value * factor).collect();
                let mut output = vec![0.0; heads.output_width()];
                let attention = Attention {
                    heads,
                    input: &input,
                    phases: &phases,
                    last_positions: &[0],
                    cache,
                    keys: Shared::new(&mut keys),
                    values: Shared::new(&mut values),
                    output: Shared::new(&mut output),
                };
                attention.compute(kernels, &Alone).unwrap();
                output
            });
            // One position is its own answer.
            let value = stored(&input[3 * 32..], Some(cache));
            for (found, expected) in outputs[1].iter().zip(value.iter().chain(&value)) {
                assert!((f64::from(*found) - expected).abs() < 1e-6, "{set}, {cache}");
            }
        }
    }
}

#[test]
fn an_attention_that_does_not_fit_is_refused_with_both_numbers() {
    let heads = Heads { query: 1, key_value: 1, head_dim: 16 };
    let (input, phases) = (vec![0.0; 48], vec![0.0; 16]);
    let refuse = |cache: CacheType, last: i32, keys: usize, values: usize, wide: usize| {
        let (mut keys, mut values, mut output) = (vec![0; keys], vec![0; values], vec![0.0; wide]);
        let attention = Attention {
            heads,
            input: &input,
            phases: &phases,
            last_positions: &[last],
            cache,
            keys: Shared::new(&mut keys),
            values: Shared::new(&mut values),
            output: Shared::new(&mut output),
        };
        attention.compute(Kernels::of(InstructionSet::Plain).unwrap(), &Alone).unwrap_err()
    };
    let half = CacheType::Float16;
    assert_eq!(refuse(half, 16, 512, 512, 16), "last position: expected one from 0 and below 16, found 16");
    assert_eq!(refuse(half, -1, 512, 512, 16), "last position: expected one from 0 and below 16, found -1");
    assert_eq!(refuse(half, 0, 511, 511, 16), "last position: expected one from 0 and below 0, found 0");
    assert_eq!(
        refuse(CacheType::Float32, 16, 1024, 1024, 16),
        "last position: expected one from 0 and below 16, found 16"
    );
    assert_eq!(refuse(CacheType::Int8, 16, 320, 320, 16), "last position: expected one from 0 and below 16, found 16");
    assert_eq!(refuse(half, 0, 512, 500, 16), "bytes of the value cache: expected 512, found 500");
    assert_eq!(refuse(half, 0, 512, 512, 15), "output: expected 16, found 15");
}
