//! One panel of a matrix times a few rows of activations: the inner loop of every linear layer.

use std::ptr;

use pupil_models::packed::{BLOCK_COLUMNS, GROUP_BYTES, Precision};

use super::activations::Activations;
use super::lanes::{LANES, Lanes};

/// Rows of activations that one pass over a panel serves.
pub(crate) const TILE: usize = 4;

/// Products of a panel with a tile of activations: a row for each of them, a lane for each row of the panel.
pub(crate) type Tile = [[f32; LANES]; TILE];

/// One panel of a packed matrix.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Panel<'a> {
    /// Values of all its blocks.
    pub(crate) values: &'a [u8],
    /// float16 scales of all its blocks.
    pub(crate) scales: &'a [u8],
    /// How values are stored.
    pub(crate) precision: Precision,
}

/// Multiplies `panel` with `count` rows of `activations` from `first` on; rows of `tile` from `count` on are not written.
///
/// # Safety
/// The instructions of `L` are available; the panel is as wide as the activations; `count` is from 1 to [`TILE`], and there
/// are so many rows.
#[inline(always)]
pub(crate) unsafe fn multiply<L: Lanes>(
    panel: &Panel<'_>,
    activations: &Activations,
    first: usize,
    count: usize,
    tile: &mut Tile,
) {
    // SAFETY: passed on from the caller.
    unsafe {
        match (panel.precision, count) {
            (Precision::Four, 1) => four::<L, 1>(panel, activations, first, tile),
            (Precision::Four, 2) => four::<L, 2>(panel, activations, first, tile),
            (Precision::Four, 3) => four::<L, 3>(panel, activations, first, tile),
            (Precision::Four, _) => four::<L, 4>(panel, activations, first, tile),
            (Precision::Eight, 1) => eight::<L, 1>(panel, activations, first, tile),
            (Precision::Eight, 2) => eight::<L, 2>(panel, activations, first, tile),
            (Precision::Eight, 3) => eight::<L, 3>(panel, activations, first, tile),
            (Precision::Eight, _) => eight::<L, 4>(panel, activations, first, tile),
            (Precision::Sixteen, 1) => sixteen::<L, 1>(panel, activations, first, tile),
            (Precision::Sixteen, 2) => sixteen::<L, 2>(panel, activations, first, tile),
            (Precision::Sixteen, 3) => sixteen::<L, 3>(panel, activations, first, tile),
            (Precision::Sixteen, _) => sixteen::<L, 4>(panel, activations, first, tile),
        }
    }
}

/// The count of the loop over a block's groups. With several rows it must stay a loop: unrolled, the weights of all groups
/// do not fit the registers and go through memory (0.75 times as fast with AVX2).
#[inline(always)]
fn group_count<const ROWS: usize>(count: usize) -> usize {
    if ROWS > 1 { std::hint::black_box(count) } else { count }
}

/// How far ahead of its use a single row's pass asks for the matrix: such a pass waits for memory, and the hardware's own
/// prefetching ends at every page.
const PREFETCH_BYTES: usize = 4096;

/// Asks for the block that lies [`PREFETCH_BYTES`] behind the one at `values`, where a pass serves one row.
#[inline(always)]
unsafe fn prefetch<L: Lanes, const ROWS: usize>(values: *const u8, block_bytes: usize) {
    if ROWS == 1 {
        for line in (0..block_bytes).step_by(GROUP_BYTES) {
            // SAFETY: the instructions are the caller's promise; nothing is read.
            unsafe { L::prefetch(values.wrapping_add(PREFETCH_BYTES + line)) };
        }
    }
}

/// Adds `products` of a block, scaled, to the running totals of `ROWS` rows.
#[inline(always)]
unsafe fn add_block<L: Lanes, const ROWS: usize>(
    totals: &mut [L::Float; ROWS],
    products: [L::Float; ROWS],
    weight_scales: *const u8,
    scales: &[*const f32; ROWS],
    block: usize,
) {
    // SAFETY: the caller's pointers hold a scale for this block.
    unsafe {
        let weight_scale = L::load_halves(weight_scales.add(block * 2 * LANES));
        for row in 0..ROWS {
            let scale = L::multiply(weight_scale, L::splat(*scales[row].add(block)));
            totals[row] = L::multiply_add(products[row], scale, totals[row]);
        }
    }
}

#[inline(always)]
unsafe fn four<L: Lanes, const ROWS: usize>(
    panel: &Panel<'_>,
    activations: &Activations,
    first: usize,
    tile: &mut Tile,
) {
    let (mut integers, mut scales, mut offsets) = ([ptr::null(); ROWS], [ptr::null(); ROWS], [ptr::null(); ROWS]);
    for row in 0..ROWS {
        integers[row] = activations.integers(first + row).as_ptr();
        scales[row] = activations.scales(first + row).as_ptr();
        offsets[row] = activations.offsets(first + row).as_ptr();
    }
    // SAFETY: a panel holds 256 bytes of values and 32 of scales for each block of 32 columns, a row of activations 32
    // integers, a scale and an offset; the instructions are the caller's promise.
    unsafe {
        let groups = group_count::<ROWS>(4);
        let mut totals = [L::splat(0.0); ROWS];
        for block in 0..activations.blocks() {
            let values = panel.values.as_ptr().add(block * LANES * BLOCK_COLUMNS / 2);
            prefetch::<L, ROWS>(values, LANES * BLOCK_COLUMNS / 2);
            let mut products = [L::no_sums(); ROWS];
            for group in 0..groups {
                let (low, high) = L::nibbles(L::load(values.add(group * GROUP_BYTES)));
                for row in 0..ROWS {
                    let columns = integers[row].add(block * BLOCK_COLUMNS + group * 8);
                    products[row] = L::add_nibbles(products[row], low, L::repeat(columns));
                    products[row] = L::add_nibbles(products[row], high, L::repeat(columns.add(4)));
                }
            }
            let mut floats = [L::splat(0.0); ROWS];
            for row in 0..ROWS {
                floats[row] = L::finish_nibbles(products[row], *offsets[row].add(block));
            }
            add_block::<L, ROWS>(&mut totals, floats, panel.scales.as_ptr(), &scales, block);
        }
        for row in 0..ROWS {
            L::store_floats(totals[row], tile[row].as_mut_ptr());
        }
    }
}

#[inline(always)]
unsafe fn eight<L: Lanes, const ROWS: usize>(
    panel: &Panel<'_>,
    activations: &Activations,
    first: usize,
    tile: &mut Tile,
) {
    let (mut integers, mut scales, mut offsets) = ([ptr::null(); ROWS], [ptr::null(); ROWS], [ptr::null(); ROWS]);
    for row in 0..ROWS {
        integers[row] = activations.integers(first + row).as_ptr();
        scales[row] = activations.scales(first + row).as_ptr();
        offsets[row] = activations.offsets(first + row).as_ptr();
    }
    // SAFETY: as in `four`, with 512 bytes of values for each block.
    unsafe {
        let groups = group_count::<ROWS>(8);
        let mut totals = [L::splat(0.0); ROWS];
        for block in 0..activations.blocks() {
            let values = panel.values.as_ptr().add(block * LANES * BLOCK_COLUMNS);
            prefetch::<L, ROWS>(values, LANES * BLOCK_COLUMNS);
            let mut products = [L::no_sums(); ROWS];
            for group in 0..groups {
                let weights = L::load(values.add(group * GROUP_BYTES));
                for row in 0..ROWS {
                    let columns = integers[row].add(block * BLOCK_COLUMNS + group * 4);
                    products[row] = L::add_bytes(products[row], weights, L::repeat(columns));
                }
            }
            let mut floats = [L::splat(0.0); ROWS];
            for row in 0..ROWS {
                floats[row] = L::finish_bytes(products[row], *offsets[row].add(block));
            }
            add_block::<L, ROWS>(&mut totals, floats, panel.scales.as_ptr(), &scales, block);
        }
        for row in 0..ROWS {
            L::store_floats(totals[row], tile[row].as_mut_ptr());
        }
    }
}

#[inline(always)]
unsafe fn sixteen<L: Lanes, const ROWS: usize>(
    panel: &Panel<'_>,
    activations: &Activations,
    first: usize,
    tile: &mut Tile,
) {
    let mut floats = [ptr::null(); ROWS];
    for row in 0..ROWS {
        floats[row] = activations.floats(first + row).as_ptr();
    }
    // SAFETY: a panel holds 32 bytes for each column, a row of activations a float; the instructions are the caller's promise.
    unsafe {
        let mut totals = [L::splat(0.0); ROWS];
        for column in 0..activations.blocks() * BLOCK_COLUMNS {
            let weights = L::load_halves(panel.values.as_ptr().add(column * 2 * LANES));
            for row in 0..ROWS {
                totals[row] = L::multiply_add(weights, L::splat(*floats[row].add(column)), totals[row]);
            }
        }
        for row in 0..ROWS {
            L::store_floats(totals[row], tile[row].as_mut_ptr());
        }
    }
}
