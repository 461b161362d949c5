//! How fast this machine reads memory.

use std::fs;
use std::hint::black_box;
use std::sync::Barrier;
use std::time::Instant;

/// The buffer is so many times larger than the last cache, so that little of it is still there on the next pass.
const CACHES: usize = 8;
/// Bounds of the buffer's size.
const LEAST_BYTES: usize = 256 << 20;
const MOST_BYTES: usize = 2 << 30;
/// Words that are added up side by side: enough independent sums to keep wide vector units busy.
const LANES: usize = 32;

/// Memory to read.
pub(super) struct Buffer {
    words: Vec<u64>,
}

impl Buffer {
    /// A buffer well above the processor's caches, every page touched.
    pub(super) fn new() -> Self {
        let bytes = largest_cache_bytes().unwrap_or(0).saturating_mul(CACHES).clamp(LEAST_BYTES, MOST_BYTES);
        // Not zero: pages of zeros may be one page in truth.
        Self { words: (0..(bytes / size_of::<u64>()) as u64).collect() }
    }

    /// Bandwidth of `readers` threads that read the buffer together, each a part of it: a value for every pass that counts.
    pub(super) fn gigabytes_per_second(&self, readers: usize, warm_up: usize, passes: usize) -> Vec<f64> {
        let part = self.words.len().div_ceil(readers).next_multiple_of(LANES);
        let parts: Vec<&[u64]> = self.words.chunks(part).collect();
        let start = Barrier::new(parts.len() + 1);
        let end = Barrier::new(parts.len() + 1);
        let bytes = size_of_val(self.words.as_slice()) as f64;
        let mut seconds = Vec::new();
        std::thread::scope(|scope| {
            for part in &parts {
                scope.spawn(|| {
                    for _ in 0..warm_up + passes {
                        start.wait();
                        black_box(sum(black_box(part)));
                        end.wait();
                    }
                });
            }
            for _ in 0..warm_up + passes {
                start.wait();
                let started = Instant::now();
                end.wait();
                seconds.push(started.elapsed().as_secs_f64());
            }
        });
        seconds.into_iter().skip(warm_up).map(|seconds| bytes / seconds / 1e9).collect()
    }
}

/// Sum of all words, modulo 2^64.
fn sum(words: &[u64]) -> u64 {
    let (blocks, rest) = words.as_chunks::<LANES>();
    let mut sums = [0_u64; LANES];
    for block in blocks {
        for (sum, word) in sums.iter_mut().zip(block) {
            *sum = sum.wrapping_add(*word);
        }
    }
    sums.iter().chain(rest).fold(0, |total, &word| total.wrapping_add(word))
}

/// Size of the largest cache of the first core; `None` where the system does not tell.
pub(super) fn largest_cache_bytes() -> Option<usize> {
    let caches = fs::read_dir("/sys/devices/system/cpu/cpu0/cache").ok()?;
    let sizes = caches.filter_map(|cache| size(&fs::read_to_string(cache.ok()?.path().join("size")).ok()?));
    sizes.max()
}

/// A size such as `32768K`.
fn size(text: &str) -> Option<usize> {
    let text = text.trim();
    let (number, unit) = match text.as_bytes().last()? {
        b'K' => (&text[..text.len() - 1], 1 << 10),
        b'M' => (&text[..text.len() - 1], 1 << 20),
        b'G' => (&text[..text.len() - 1], 1 << 30),
        _ => (text, 1),
    };
    number.parse::<usize>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_by_any_number_of_threads() {
        for length in [0, 1, LANES, 5 * LANES + 7] {
            let words: Vec<u64> = (1..=length as u64).collect();
            assert_eq!(sum(&words), words.iter().sum::<u64>());
        }
        let buffer = Buffer { words: (0..1000).collect() };
        for readers in [1, 2, 3, 64] {
            let passes = buffer.gigabytes_per_second(readers, 1, 2);
            assert_eq!(passes.len(), 2, "{readers}");
            assert!(passes.iter().all(|pass| *pass > 0.0), "{readers}: {passes:?}");
        }
    }

    #[test]
    fn sizes_are_read_with_their_unit() {
        assert_eq!(size("32768K\n"), Some(32 << 20));
        assert_eq!(size("32M"), Some(32 << 20));
        assert_eq!(size("12"), Some(12));
        assert_eq!(size("xK"), None);
        assert_eq!(size(""), None);
    }
}
