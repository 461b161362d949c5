//! The two hash functions and the walk through an open-addressing table.
//!
//! A table is a power of two of slots. A slot is 0 if it is empty, and else one more than the number of the entry. A key is at
//! its home slot or, if others came before it, at one of the slots that follow, around the end.

/// Home of a token's bytes: FNV-1a in 64 bits, its halves joined by exclusive or.
pub(crate) fn home_of_text(text: &[u8]) -> u32 {
    let step = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
    let hash = text.iter().fold(0xCBF2_9CE4_8422_2325, step);
    (hash ^ (hash >> 32)) as u32
}

/// Home of a pair of ids: the upper half of its product with 2^64 divided by the golden ratio.
pub(crate) fn home_of_pair(left: u32, right: u32) -> u32 {
    let key = (u64::from(left) << 32) | u64::from(right);
    (key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as u32
}

/// The slots of a table of `slots` slots (a power of two), from `home` on, at most `longest` of them.
pub(crate) fn walk(home: u32, slots: u32, longest: u32) -> impl Iterator<Item = u32> {
    let mask = slots - 1;
    (0..longest.min(slots)).map(move |step| home.wrapping_add(step) & mask)
}
