//! One partition of a window by key: what its tasks work on.

use crate::data::{Key, Wire};
use crate::rdd::{Pair, decode_counted};
use crate::window::{Panes, Slots, Span};
use crate::words::{BatchTime, Error, Result};

use super::shelf::PaneShelf;

/// One partition: the batch that was read last, the pane that is open, and the panes before it.
///
/// What a task does to it may be broken off at any call of the user's function, by an error or a panic. What belongs to
/// committed batches goes on from there at the next try; what belongs to the batch that is computed is forgotten.
pub(super) struct Lane<K, V: Wire> {
    // With the newest batch, and its time once all of it is there.
    slots: Slots<K, V>,
    batch: Option<BatchTime>,
    // By number, and the numbers that have something.
    open: Vec<Option<V>>,
    in_open: Vec<u32>,
    open_end: Option<BatchTime>,
    panes: Panes<V, PaneShelf>,
    // The last batch that was read back.
    restored: Option<BatchTime>,
}

impl<K: Key, V: Wire> Lane<K, V> {
    /// Without any batch, for windows like those of `span`.
    pub(super) fn new(span: Span, shelf: PaneShelf) -> Self {
        Self {
            slots: Slots::new(),
            batch: None,
            open: Vec::new(),
            in_open: Vec::new(),
            open_end: None,
            // One pane is open, or all of it in the newest batch.
            panes: Panes::new(span.panes().saturating_sub(1), shelf),
            restored: None,
        }
    }

    /// What was read last is taken in where it is `committed`, and forgotten otherwise; then what no window needs from
    /// `time` on goes, and a pane that ends before it is closed.
    pub(super) fn advance(
        &mut self,
        span: Span,
        time: BatchTime,
        committed: Option<BatchTime>,
        f: &impl Fn(V, V) -> V,
    ) -> Result<()> {
        if self.batch.is_some() && self.batch == committed {
            self.take_in(span, f);
        } else {
            self.forget();
        }
        self.step(span, time, f)
    }

    /// A committed batch that was read back; batches come in order.
    pub(super) fn restore<'a>(
        &mut self,
        span: Span,
        time: BatchTime,
        pieces: impl Iterator<Item = (&'a [u8], bool)>,
        mine: impl Fn(&K) -> Result<bool>,
        f: &impl Fn(V, V) -> V,
    ) -> Result<()> {
        if self.restored >= Some(time) {
            return Ok(());
        }
        if self.batch != Some(time) {
            self.step(span, time, f)?;
            self.forget();
            for (bytes, all_mine) in pieces {
                let (count, bytes) = counted(bytes)?;
                decode_counted(bytes, count, |Pair(key, value)| {
                    if all_mine || mine(&key)? { self.put(key, value, f) } else { Ok(()) }
                })?;
            }
            self.filled(time);
        }
        self.take_in(span, f);
        self.restored = Some(time);
        Ok(())
    }

    /// A record of the batch that is being computed.
    #[inline]
    pub(super) fn put(&mut self, key: K, value: V, f: &impl Fn(V, V) -> V) -> Result<()> {
        self.slots.put(key, value, f)
    }

    /// All of the batch of `time` is there.
    pub(super) fn filled(&mut self, time: BatchTime) {
        self.batch = Some(time);
        let numbers = self.slots.len();
        self.panes.grow(numbers);
        if self.open.len() < numbers {
            self.open.resize_with(numbers, || None);
        }
    }

    /// What the batch has, written down.
    pub(super) fn written(&self) -> Result<Vec<u8>> {
        // Some pairs take no bytes at all.
        let batch = self.slots.batch();
        let mut bytes = (batch.len() as u64).to_le_bytes().to_vec();
        for (key, value) in batch {
            // Invariant: all that a batch has is there once it is filled.
            if let (Some(key), Some(value)) = (key, value) {
                key.encode(&mut bytes)?;
                value.encode(&mut bytes)?;
            }
        }
        Ok(bytes)
    }

    /// Each key of the window that ends with the batch, and what its values combine to.
    pub(super) fn window(&self, f: &impl Fn(V, V) -> V) -> Vec<(K, V)> {
        let [front, middle, back] = self.panes.parts();
        let mut all = Vec::with_capacity(self.slots.len());
        for number in 0..self.slots.len() {
            let Some((key, batch)) = self.slots.get(number as u32) else { continue };
            let of = |part: &[Option<V>]| part.get(number).cloned().flatten();
            let both = |a: Option<V>, b: Option<V>| match (a, b) {
                (Some(a), Some(b)) => Some(f(a, b)),
                (a, b) => a.or(b),
            };
            let panes = both(both(of(front), of(middle)), of(back));
            if let Some(value) = both(both(panes, of(&self.open)), batch.cloned()) {
                all.push((key.clone(), value));
            }
        }
        all
    }

    /// The batch that was read last becomes part of the open pane.
    fn take_in(&mut self, span: Span, f: &impl Fn(V, V) -> V) {
        while let Some((number, Some(newer))) = self.slots.last() {
            let Some(place) = self.open.get_mut(number as usize) else { return };
            if let Some(before) = place {
                *place = Some(f(before.clone(), newer.clone()));
                self.slots.pop();
                // The open pane holds the number already.
                self.slots.release(number);
            } else {
                *place = self.slots.pop().and_then(|(_, newer)| newer);
                self.in_open.push(number);
            }
        }
        self.open_end = self.batch.take().map(|batch| span.pane_end(batch)).or(self.open_end);
    }

    /// The batch that was read last leaves nothing.
    fn forget(&mut self) {
        self.batch = None;
        while let Some((number, _)) = self.slots.pop() {
            self.slots.release(number);
        }
    }

    fn step(&mut self, span: Span, time: BatchTime, f: &impl Fn(V, V) -> V) -> Result<()> {
        let until = span.before(span.due(time));
        self.panes.settle(f)?;
        let slots = &mut self.slots;
        self.panes.leave(until, f, &mut |number| slots.release(number))?;
        let Some(end) = self.open_end.filter(|end| *end < span.pane_end(time)) else { return Ok(()) };
        self.open_end = None;
        // In a window that is full, panes only hand their room on: new memory may cost more than all else of a slide.
        let mut pane = self.panes.spare();
        std::mem::swap(&mut self.in_open, &mut pane.numbers);
        let keys = pane.numbers.len();
        fit(&mut pane.numbers, keys);
        fit(&mut pane.values, keys);
        // The next one has about as many.
        self.in_open.reserve_exact(keys + keys / 16);
        let open = &mut self.open;
        let values = pane.numbers.iter().map(|number| open.get_mut(*number as usize).and_then(Option::take));
        pane.values.extend(values);
        if end > until {
            return self.panes.push(end, pane, f);
        }
        pane.numbers.iter().for_each(|number| self.slots.release(*number));
        Ok(())
    }
}

/// Room for `entries`, and for not many more: a pane with few keys is not to keep the room of one that had many.
fn fit<T>(list: &mut Vec<T>, entries: usize) {
    if list.capacity() / 2 > entries {
        list.shrink_to(entries);
    } else {
        list.reserve_exact(entries.saturating_sub(list.len()));
    }
}

/// What [`Lane::written`] gave: how many pairs there are, and the pairs.
fn counted(bytes: &[u8]) -> Result<(usize, &[u8])> {
    match bytes.split_first_chunk() {
        Some((count, bytes)) => Ok((u64::from_le_bytes(*count) as usize, bytes)),
        None => Err(Error::new("what a window has written down is cut off; please report this")),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::memory::{Budget, Room, Spill};
    use crate::words::Interval;

    #[test]
    fn keys_that_are_in_no_window_any_more_leave_room_for_others() {
        let second = |seconds: u64| Interval::from_millis(seconds * 1000).unwrap();
        let at = |seconds: u64| BatchTime::from_millis(seconds * 1000);
        let folder = tempfile::tempdir().unwrap();
        let room =
            || Room { budget: Budget::new(1 << 20), spill: Arc::new(Spill::new(folder.path(), 1 << 20)) };
        // Two batches a slide, and one that is not: a pane is of two batches, of one, or the batch is in no window.
        for (length, slide) in [(4, 2), (3, 1), (1, 3)] {
            let span = Span::new(second(length), second(slide), at(0));
            let mut lane = Lane::new(span, PaneShelf::new(room()));
            let add = |a: u64, b: u64| a + b;
            for batch in 1..100 {
                lane.advance(span, at(batch), Some(at(batch - 1)), &add).unwrap();
                // One key in all batches, one in two, and one that never comes again.
                for key in [0, 1 + batch / 2, 1000 + batch] {
                    lane.put(key, 1, &add).unwrap();
                }
                lane.filled(at(batch));
            }
            let numbers = lane.slots.len();
            assert!(numbers <= 20, "{numbers} numbers for keys, length {length}, slide {slide}");
        }
    }

    #[test]
    fn a_pane_with_few_keys_does_not_keep_the_room_of_one_that_had_many() {
        let mut list = Vec::with_capacity(1000);
        for (entries, room) in [(600, 500..=1000), (20, 20..=40), (21, 21..=42), (0, 0..=1), (50, 50..=50)] {
            list.resize(entries.min(list.capacity()), 0u32);
            fit(&mut list, entries);
            assert!(room.contains(&list.capacity()), "{entries} entries: {}", list.capacity());
            list.clear();
        }
    }
}
