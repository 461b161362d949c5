//! Filling hash tables.

use super::super::mapped::walk;

/// An open-addressing table that is being filled.
pub(super) struct Slots {
    pub(super) slots: Vec<u32>,
    /// Most slots that finding an entry visits.
    pub(super) longest_probe: u32,
}

impl Slots {
    /// The table of the entries 0, 1, 2 … whose homes are `homes`, or of those of them that have one.
    pub(super) fn of(homes: impl Iterator<Item = Option<u32>> + Clone) -> Self {
        // At most five eighths full: look-ups of what is not there end soon.
        let slots = (homes.clone().flatten().count() * 8 / 5 + 1).next_power_of_two();
        let mut table = Self { slots: vec![0; slots], longest_probe: 1 };
        for (number, home) in homes.enumerate() {
            if let Some(home) = home {
                table.insert(number as u32, home);
            }
        }
        table
    }

    fn insert(&mut self, number: u32, home: u32) {
        let count = self.slots.len() as u32;
        let free = walk(home, count, count).zip(1..).find(|&(slot, _)| self.slots[slot as usize] == 0);
        if let Some((slot, visited)) = free {
            self.slots[slot as usize] = number + 1;
            self.longest_probe = self.longest_probe.max(visited);
        }
    }
}
