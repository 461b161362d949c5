//! Randomness that is a function of its key, so that a resumed run needs no generator state.

/// `SplitMix64` (Steele, Lea and Flood 2014) of a key: one well-mixed number per key.
#[must_use]
pub fn mix(parts: &[u64]) -> u64 {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    for &part in parts {
        state = finish(state ^ part.wrapping_add(0x9E37_79B9_7F4A_7C15));
    }
    state
}

fn finish(mut value: u64) -> u64 {
    value = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

/// The permutation of `0..count` that belongs to a key.
#[must_use]
pub fn permutation(key: &[u64], count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    let seed = mix(key);
    // The index breaks the (improbable) tie, so the order never depends on the sorting algorithm.
    order.sort_unstable_by_key(|&index| (mix(&[seed, index as u64]), index));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permutation_holds_every_index_and_depends_on_its_key() {
        let mut order = permutation(&[1, 2], 1000);
        assert_eq!(order, permutation(&[1, 2], 1000));
        assert_ne!(order, permutation(&[1, 3], 1000));
        order.sort_unstable();
        assert!(order.iter().copied().eq(0..1000));
    }
}
