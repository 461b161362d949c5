//! Byte-pair encoding (Sennrich et al. 2016) of one piece: the earliest merge first, the leftmost of equal ones.

use super::queue::MergeQueue;
use super::tables::Tables;

/// In place of the id of a byte that has no token: the library leaves such bytes out.
pub(crate) const NO_BYTE: u32 = u32::MAX;
/// Up to this many symbols, looking at all pairs for each merge is faster than keeping them ordered.
const SHORT: usize = 48;
/// No merge, no neighbour.
const NONE: u32 = u32::MAX;
/// In place of the next neighbour of a symbol that was merged into the one on its left.
const GONE: u32 = u32::MAX - 1;

/// Working memory that is used again for every piece of a text.
#[derive(Default)]
pub(crate) struct Merger {
    symbols: Vec<u32>,
    /// Merge of each symbol with the next one.
    ranks: Vec<u32>,
    links: Vec<Link>,
    queue: MergeQueue,
}

/// Neighbours of a symbol, by position of their first byte.
#[derive(Clone, Copy)]
struct Link {
    previous: u32,
    next: u32,
}

impl Merger {
    /// Appends the ids of `piece` to `ids`. A piece has fewer than 2^32 - 2 bytes.
    pub(super) fn append(&mut self, tables: &Tables, byte_ids: &[u32; 256], piece: &[u8], ids: &mut Vec<u32>) {
        let symbols = piece.iter().map(|&byte| byte_ids[usize::from(byte)]);
        self.symbols.clear();
        self.symbols.extend(symbols.filter(|&id| id != NO_BYTE));
        if self.symbols.len() <= SHORT {
            self.merge_short(tables);
            ids.extend_from_slice(&self.symbols);
        } else {
            self.merge_long(tables);
            let kept = self.symbols.iter().zip(&self.links).filter(|(_, link)| link.next != GONE);
            ids.extend(kept.map(|(&symbol, _)| symbol));
        }
    }

    fn merge_short(&mut self, tables: &Tables) {
        let (symbols, ranks) = (&mut self.symbols, &mut self.ranks);
        let rank = |left, right| tables.rank_of(left, right).unwrap_or(NONE);
        ranks.clear();
        ranks.extend(symbols.windows(2).map(|pair| rank(pair[0], pair[1])));
        while let Some((position, &best)) = ranks.iter().enumerate().min_by_key(|&(_, rank)| rank) {
            let Some([_, _, merged]) = tables.merge(best) else { return };
            symbols[position] = merged;
            symbols.remove(position + 1);
            ranks.remove(position);
            if position > 0 {
                ranks[position - 1] = rank(symbols[position - 1], merged);
            }
            if position < ranks.len() {
                ranks[position] = rank(merged, symbols[position + 1]);
            }
        }
    }

    fn merge_long(&mut self, tables: &Tables) {
        let count = self.symbols.len() as u32;
        let link = |position: u32| Link {
            previous: position.checked_sub(1).unwrap_or(NONE),
            next: if position + 1 < count { position + 1 } else { NONE },
        };
        self.links.clear();
        self.links.extend((0..count).map(link));
        self.queue.clear();
        for next in 1..count {
            self.offer(tables, next - 1, next);
        }
        while let Some((rank, position)) = self.queue.pop() {
            self.merge_at(tables, rank, position);
        }
    }

    /// Merges the symbol at `position` with its neighbour, unless an earlier merge changed one of them.
    fn merge_at(&mut self, tables: &Tables, rank: u32, position: u32) {
        let Link { previous, next } = self.links[position as usize];
        let Some([left, right, merged]) = tables.merge(rank) else { return };
        let has_next = next != NONE && next != GONE;
        if !has_next || self.symbols[position as usize] != left || self.symbols[next as usize] != right {
            return;
        }
        let after = self.links[next as usize].next;
        self.links[next as usize].next = GONE;
        self.links[position as usize].next = after;
        self.symbols[position as usize] = merged;
        // From left to right, as the queue likes it.
        if previous != NONE {
            self.offer(tables, previous, position);
        }
        if after != NONE {
            self.links[after as usize].previous = position;
            self.offer(tables, position, after);
        }
    }

    fn offer(&mut self, tables: &Tables, left: u32, right: u32) {
        if let Some(rank) = tables.rank_of(self.symbols[left as usize], self.symbols[right as usize]) {
            self.queue.push(rank, left);
        }
    }
}
