//! The kernels of native bundles, on one thread: a layer whose matrix is in the cache, one that comes from memory, one that
//! serves a prompt, and attention over every type of cache. Throughput of the first two is in bytes of the matrix, to be held against the ceiling of
//! `pupil bench`; of the others in products.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use pupil_models::packed::Precision;
use pupil_runtime::kernels::{AttentionWorkload, LayerWorkload};
use pupil_runtime::{CacheType, InstructionSet};

/// The feed-forward shape of SmolLM2-135M.
const SHAPE: [usize; 2] = [1536, 576];
/// Matrices that together are far larger than a last-level cache.
const COPIES: usize = 200;
/// Tokens of a prompt.
const PROMPT: usize = 64;
/// Rows of a vote.
const BATCH: usize = 8;
/// Query heads, key heads and width of a head of SmolLM2-135M.
const HEADS: [usize; 3] = [9, 3, 64];

fn layers(criterion: &mut Criterion) {
    let cases = [
        ("row, cached", 1, 1),
        ("row, from memory", 1, COPIES),
        ("batch, from memory", BATCH, COPIES),
        ("prompt", PROMPT, 1),
    ];
    for (name, tokens, copies) in cases {
        let mut group = criterion.benchmark_group(name);
        group.sample_size(20);
        for set in InstructionSet::ALL {
            for precision in Precision::ALL {
                let Some(mut layer) = LayerWorkload::new(set, SHAPE, precision, tokens, copies) else { continue };
                group.throughput(if tokens == 1 {
                    Throughput::Bytes(layer.bytes() as u64)
                } else {
                    Throughput::Elements(layer.products() as u64)
                });
                let id = BenchmarkId::new(set.name(), format!("{} bit", precision.bits()));
                group.bench_function(id, |bencher| bencher.iter(|| black_box(layer.run().len())));
            }
        }
        group.finish();
    }
}

fn attention(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("attention");
    group.sample_size(20);
    for set in InstructionSet::ALL {
        for (sequence, past) in [(1, 64), (1, 512), (1, 1536), (256, 0)] {
            for cache in CacheType::ALL {
                let Some(mut attention) = AttentionWorkload::new(set, HEADS, cache, sequence, past) else { continue };
                let products = 2 * HEADS[0] * HEADS[2] * sequence * (past + sequence.div_ceil(2));
                group.throughput(Throughput::Elements(products as u64));
                let id = BenchmarkId::new(set.name(), format!("{cache}, {sequence} new after {past}"));
                group.bench_function(id, |bencher| {
                    bencher.iter(|| attention.run().map(|output| black_box(output.len())));
                });
            }
        }
    }
    group.finish();
}

criterion_group!(benches, layers, attention);
criterion_main!(benches);
