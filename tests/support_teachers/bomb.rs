//! A gzip file that is small and unpacks to 100 MB.

use std::sync::OnceLock;

const UNPACKED: usize = 100 << 20;
/// The longest match of DEFLATE (RFC 1951).
const MATCH: usize = 258;

/// The file. Its checksum is wrong, which a reader learns at the end.
pub(crate) fn gzip() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| {
        let mut bytes = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff".to_vec();
        bytes.extend(deflated());
        bytes.extend_from_slice(&[0; 8]);
        bytes
    })
}

/// One block with fixed codes: a zero, and then again and again the longest match at distance 1.
fn deflated() -> Vec<u8> {
    let mut bits = Bits::default();
    bits.push("1"); // the last block
    bits.push("10"); // of fixed codes, low bit first
    bits.push("00110000"); // the literal 0
    for _ in 0..UNPACKED / MATCH {
        bits.push("11000101"); // length code 285
        bits.push("00000"); // distance code 0
    }
    bits.push("0000000"); // the end of the block
    bits.bytes
}

#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    count: usize,
}

impl Bits {
    fn push(&mut self, bits: &str) {
        for bit in bits.bytes() {
            if self.count.is_multiple_of(8) {
                self.bytes.push(0);
            }
            if let (b'1', Some(last)) = (bit, self.bytes.last_mut()) {
                *last |= 1 << (self.count % 8);
            }
            self.count += 1;
        }
    }
}
