//! The open block: what comes in is put behind what is in, until the block is old or large enough.

use std::sync::Arc;
use std::time::Duration;

use super::segment::{Sealed, Segment};
use super::{Gate, State};
use crate::data::Wire;
use crate::memory::{Budget, Reservation};
use crate::source::block::InputBlock;

/// The block that takes records.
pub(super) struct Open<T> {
    number: u64,
    pub(super) segments: Vec<Segment<T>>,
    records: u64,
    // What came in, wherever it lies.
    bytes: usize,
    since: Duration,
    paid: Option<Reservation>,
    // Bytes of `paid` that single records have not used yet.
    left: usize,
}

/// The last segments of a block that no memory is paid for: they are about to go to disk. A gate has them in one block at
/// a time, so that what is not paid for is little.
pub(super) struct Staged {
    block: u64,
    from: usize,
    pub(super) bytes: usize,
}

/// What a receiver emits.
pub(super) enum Item<T> {
    One(T),
    Records(Vec<T>),
    Block(Arc<dyn InputBlock<T>>),
}

/// What comes in, and what it costs.
pub(super) struct Incoming<'a, T, P> {
    pub(super) item: Item<T>,
    pub(super) records: u64,
    pub(super) bytes: usize,
    /// The lane, and its position behind this.
    pub(super) at: Option<(&'a str, P)>,
}

/// Segments on their way to the disk.
pub(super) struct OnTheWay<T> {
    block: u64,
    from: usize,
    pub(super) segments: Vec<Segment<T>>,
}

impl<T> Default for Open<T> {
    fn default() -> Self {
        Self {
            number: 0,
            segments: Vec::new(),
            records: 0,
            bytes: 0,
            since: Duration::ZERO,
            paid: None,
            left: 0,
        }
    }
}

impl<T> Open<T> {
    /// Puts `item` at the end. It does not join a list in front of `from`, nor one of `list_max` records.
    fn push(&mut self, item: Item<T>, from: usize, list_max: usize) {
        let segment = match item {
            Item::Records(records) => Segment::Records(Arc::new(records)),
            Item::Block(block) => Segment::Block(block),
            Item::One(record) => {
                // The list of the last segment is ours alone until it is sealed, or on its way to the disk.
                let last = match self.segments[from..].last_mut() {
                    Some(Segment::Records(records)) => Arc::get_mut(records),
                    _ => None,
                };
                match last {
                    Some(records) if records.len() < list_max => return records.push(record),
                    _ => Segment::Records(Arc::new(vec![record])),
                }
            }
        };
        self.segments.push(segment);
    }

    fn pay(&mut self, paid: Reservation) {
        absorb(&mut self.paid, paid);
    }
}

fn absorb(all: &mut Option<Reservation>, more: Reservation) {
    match all {
        Some(all) => all.absorb(more),
        None => *all = Some(more),
    }
}

impl<T: Wire, P: Wire + Ord> Gate<T, P> {
    /// Takes what comes in where there is memory for it, and gives it back otherwise. What was in before is passed over, here
    /// and below.
    pub(super) fn try_take<'a>(&self, incoming: Incoming<'a, T, P>) -> Option<Incoming<'a, T, P>> {
        let shared = &*self.0;
        let mut state = shared.state.lock();
        if state.is_repeated(&incoming) {
            return None;
        }
        self.seal_if_due(&mut state, incoming.bytes);
        // What waits for the disk came first.
        if let Some(bytes) = state.staged.as_ref().map(|staged| staged.bytes) {
            match shared.budget.try_reserve_in_turn(bytes as u64) {
                Some(paid) => state.pay_staged(paid),
                None => return Some(incoming),
            }
        }
        if matches!(incoming.item, Item::One(_)) && state.open.left >= incoming.bytes {
            self.push(&mut state, incoming, None);
            return None;
        }
        match shared.budget.try_reserve_in_turn(self.price(&incoming)) {
            Some(paid) => {
                self.push(&mut state, incoming, Some(paid));
                None
            }
            None => Some(incoming),
        }
    }

    /// What is to be reserved for it.
    pub(super) fn price(&self, incoming: &Incoming<'_, T, P>) -> u64 {
        match incoming.item {
            Item::One(_) => incoming.bytes.max(self.0.steps.pay) as u64,
            _ => incoming.bytes as u64,
        }
    }

    /// Takes what comes in, paid for with `paid`, which may be more than it costs; or not at all.
    pub(super) fn push(
        &self,
        state: &mut State<T, P>,
        incoming: Incoming<'_, T, P>,
        paid: Option<Reservation>,
    ) {
        if state.is_repeated(&incoming) {
            return;
        }
        let Incoming { item, records, bytes, at } = incoming;
        if let Some(paid) = paid {
            state.open.left += paid.bytes() as usize;
            state.open.pay(paid);
        }
        state.open.left -= bytes.min(state.open.left);
        self.append(state, item, 0, (records, bytes), at);
    }

    /// Takes what comes in to be written to disk soon. Gives it back where enough waits for that already, or it waits in
    /// another block; otherwise says whether there is enough now.
    pub(super) fn stage<'a>(&self, incoming: Incoming<'a, T, P>) -> Result<bool, Incoming<'a, T, P>> {
        let mut state = self.0.state.lock();
        if state.is_repeated(&incoming) {
            return Ok(false);
        }
        self.seal_if_due(&mut state, incoming.bytes);
        let state = &mut *state;
        let (block, end) = (state.open.number, state.open.segments.len());
        let staged = state.staged.get_or_insert(Staged { block, from: end, bytes: 0 });
        if staged.block != block || staged.bytes >= self.0.steps.spill {
            return Err(incoming);
        }
        let Incoming { item, records, bytes, at } = incoming;
        staged.bytes += bytes;
        let (from, enough) = (staged.from, staged.bytes >= self.0.steps.spill);
        self.append(state, item, from, (records, bytes), at);
        Ok(enough)
    }

    fn append(
        &self,
        state: &mut State<T, P>,
        item: Item<T>,
        from: usize,
        (records, bytes): (u64, usize),
        at: Option<(&str, P)>,
    ) {
        state.positions.note(at);
        let list_max = (self.0.steps.pay / size_of::<T>().max(1)).max(1);
        state.open.push(item, from, list_max);
        state.open.records += records;
        state.open.bytes = state.open.bytes.saturating_add(bytes);
    }

    fn seal_if_due(&self, state: &mut State<T, P>, more: usize) {
        let now = self.0.runtime.uptime();
        let open = &state.open;
        if open.segments.is_empty() {
            state.open.since = now;
        } else if now.saturating_sub(open.since) >= self.0.block_max.age
            || open.bytes.saturating_add(more) > self.0.block_max.bytes
        {
            state.seal();
            state.open.since = now;
        }
    }
}

impl<T, P: Wire + Ord> State<T, P> {
    /// Whether it was in before; it is counted then, and must be left out.
    pub(super) fn is_repeated(&mut self, incoming: &Incoming<'_, T, P>) -> bool {
        self.positions.is_repeated(incoming.at.as_ref(), incoming.records)
    }
}

impl<T, P> State<T, P> {
    /// The open block takes no more.
    pub(super) fn seal(&mut self) {
        if self.open.segments.is_empty() {
            return;
        }
        let next = Open { number: self.open.number + 1, ..Open::default() };
        let Open { number, segments, records, mut paid, left, .. } = std::mem::replace(&mut self.open, next);
        if let Some(paid) = &mut paid {
            paid.shrink(left as u64);
        }
        self.sealed.push(Sealed { number, batch: None, segments, records, paid });
    }

    /// The segments and the payment of a block that no batch has taken.
    fn block(&mut self, number: u64) -> Option<(&mut Vec<Segment<T>>, &mut Option<Reservation>)> {
        if self.open.number == number {
            return Some((&mut self.open.segments, &mut self.open.paid));
        }
        // The newest stand last.
        let sealed = self.sealed.iter_mut().rev().find(|block| block.number == number)?;
        Some((&mut sealed.segments, &mut sealed.paid))
    }

    /// What waits for the disk stays in memory after all.
    pub(super) fn pay_staged(&mut self, more: Reservation) {
        if let Some(staged) = self.staged.take()
            && let Some((_, paid)) = self.block(staged.block)
        {
            absorb(paid, more);
        }
    }

    /// What waits for the disk, to be written.
    pub(super) fn on_the_way(&mut self) -> Option<OnTheWay<T>> {
        let (block, from) = self.staged.as_ref().map(|staged| (staged.block, staged.from))?;
        let (segments, _) = self.block(block)?;
        Some(OnTheWay { block, from, segments: segments[from..].to_vec() })
    }

    /// What was on the way is on the disk: gives back what lay in memory, to be dropped outside the lock.
    pub(super) fn arrived(&mut self, written: &OnTheWay<T>, there: Segment<T>) -> Vec<Segment<T>> {
        let OnTheWay { block, from, segments } = written;
        // Otherwise a batch took it in the meantime, or there was memory again.
        if self.staged.as_ref().is_some_and(|staged| (staged.block, staged.from) == (*block, *from))
            && let Some((all, _)) = self.block(*block)
        {
            let gone = all.splice(*from..*from + segments.len(), [there]).collect();
            self.staged = None;
            return gone;
        }
        vec![there]
    }

    /// A batch takes blocks: what of them waits for the disk stays in memory, and counts.
    pub(super) fn staged_is_taken(&mut self, taken: &mut [Sealed<T>], budget: &Budget) {
        if let Some(Staged { block, bytes, .. }) = self.staged
            && let Some(taken) = taken.iter_mut().find(|taken| taken.number == block)
        {
            absorb(&mut taken.paid, budget.overdraw(bytes as u64));
            self.staged = None;
        }
    }
}
