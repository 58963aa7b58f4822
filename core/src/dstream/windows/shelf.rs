//! Where panes lie: in memory as far as the budget goes, behind that on disk.

use std::mem::needs_drop;

use crate::data::Wire;
use crate::memory::{Reservation, Room, SpillFile, SpillReader};
use crate::window::{Pane, Shelf};
use crate::words::Result;

/// Entries of one written piece.
const PIECE: usize = 1024;

/// One of so many values is written down, to guess what they hold on the heap.
const LOOK_EVERY: usize = 64;

/// What the allocator adds to what a value asks of it, about.
const ALLOCATION: usize = 16;

/// Puts panes into memory and, where that is full, onto the disk.
pub(super) struct PaneShelf {
    room: Room,
}

/// Where a pane lies.
pub(super) enum Place<V> {
    Memory { pane: Pane<V>, _paid: Reservation },
    Disk(SpillFile),
}

impl PaneShelf {
    pub(super) fn new(room: Room) -> Self {
        Self { room }
    }

    fn spill<V: Wire>(&self, pane: &Pane<V>) -> Result<Option<SpillFile>> {
        let Some(mut file) = self.room.spill.writer()? else { return Ok(None) };
        let mut piece = Vec::new();
        for (numbers, values) in pane.numbers.chunks(PIECE).zip(pane.values.chunks(PIECE)) {
            piece.clear();
            for (number, value) in numbers.iter().zip(values) {
                piece.extend_from_slice(&number.to_le_bytes());
                piece.push(u8::from(value.is_some()));
                if let Some(value) = value {
                    value.encode(&mut piece)?;
                }
            }
            if !file.push(&piece)? {
                return Ok(None);
            }
        }
        file.finish().map(Some)
    }
}

impl<V: Wire> Shelf<V> for PaneShelf {
    type Place = Place<V>;

    fn put(&mut self, pane: Pane<V>) -> Place<V> {
        let bytes = weight(&pane);
        if let Some(paid) = self.room.budget.try_reserve(bytes) {
            return Place::Memory { pane, _paid: paid };
        }
        match self.spill(&pane) {
            Ok(Some(file)) => return Place::Disk(file),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(error = %error.chain(), "a pane of a window cannot be spilled and stays in memory");
            }
        }
        // No room anywhere: it must be somewhere, and the gate learns that less is left for it.
        let paid = self.room.budget.overdraw(bytes);
        Place::Memory { pane, _paid: paid }
    }

    fn take(&mut self, place: &mut Place<V>) -> Result<Pane<V>> {
        match place {
            Place::Memory { pane, .. } => Ok(std::mem::take(pane)),
            Place::Disk(file) => read(&mut file.read()?),
        }
    }
}

fn read<V: Wire>(file: &mut SpillReader) -> Result<Pane<V>> {
    let mut pane = Pane::default();
    while let Some(mut piece) = file.next()? {
        while let Some((head, rest)) = piece.split_first_chunk::<5>() {
            let [a, b, c, d, some] = *head;
            piece = rest;
            pane.numbers.push(u32::from_le_bytes([a, b, c, d]));
            pane.values.push(if some == 0 { None } else { Some(V::decode(&mut piece)?) });
        }
        if !piece.is_empty() {
            return Err(file.corrupt("a pane of a window is cut off"));
        }
    }
    Ok(pane)
}

/// What a pane takes in memory, about.
fn weight<V: Wire>(pane: &Pane<V>) -> u64 {
    let entries = pane.numbers.len();
    let flat = entries * (size_of::<u32>() + size_of::<Option<V>>());
    if !needs_drop::<V>() {
        return flat as u64;
    }
    let (mut looked, mut bytes, mut written) = (0, 0, Vec::new());
    for value in pane.values.iter().step_by(LOOK_EVERY).flatten() {
        written.clear();
        // A value that cannot be written down says so where it must be.
        if value.encode(&mut written).is_ok() {
            bytes += written.len() + ALLOCATION;
            looked += 1;
        }
    }
    (flat + bytes.checked_div(looked).unwrap_or(0) * entries) as u64
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::memory::{Budget, Spill};

    #[test]
    fn a_pane_comes_back_from_memory_and_from_disk_and_also_where_neither_has_room() {
        let values = (0..3000u32).map(|n| (n % 3 > 0).then(|| n.to_string()));
        let pane = Pane { numbers: (0..3000).collect(), values: values.collect() };
        for (memory, disk) in [(1 << 20, 1 << 20), (1000, 1 << 20), (1000, 0)] {
            let folder = tempfile::tempdir().unwrap();
            let budget = Budget::new(memory);
            let room = Room { budget: budget.clone(), spill: Arc::new(Spill::new(folder.path(), disk)) };
            let mut shelf = PaneShelf::new(room);

            let mut place = shelf.put(pane.clone());

            let on_disk = matches!(place, Place::Disk(_));
            assert_eq!(on_disk, memory == 1000 && disk > 0, "memory {memory}, disk {disk}");
            assert_eq!(
                budget.try_reserve(memory).is_some(),
                on_disk,
                "the budget knows of what is in memory"
            );
            assert_eq!(shelf.take(&mut place).unwrap(), pane);
            drop(place);
            assert!(budget.try_reserve(memory).is_some(), "memory {memory}, disk {disk}: all is given back");
        }
    }
}
