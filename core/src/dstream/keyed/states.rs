//! The states of one partition, as a logic sees and changes them.

use crate::data::{Key, KeyGroup, Wire, detach};
use crate::rdd::Grouped;
use crate::state::typed::{Change, Due, Dues, Found, Overlay, Part, Slot, hash};
use crate::state::{Changes, Codec, StateStore};
use crate::words::{Error, Result};

/// Keys whose entries are read together.
pub(super) const BLOCK: usize = 64;

/// The states of one partition, with all that the batch has changed so far.
///
/// A key is looked up once, which gives its [`Slot`]; what is read and written after that goes by the slot.
pub(crate) struct States<'a, K, S> {
    pub(super) part: &'a Part<K, S>,
    pub(super) codec: &'a Codec<S>,
    // Where the states are, if they are not in the tables of `part`.
    pub(super) store: Option<&'a dyn StateStore>,
    pub(super) overlay: Overlay<K, S>,
    // Up to where the index of times was opened.
    opened: Option<u64>,
}

/// What a try has changed.
#[derive(Clone)]
pub(crate) struct Changed<K, S> {
    pub(crate) overlay: Overlay<K, S>,
    /// The changes as they are written down; none where nobody wants them.
    pub(crate) written: Changes,
    /// Up to where the index of times was opened: its slots are done with.
    pub(crate) opened: Option<u64>,
    /// What is new in the index of times.
    pub(crate) dues: Dues,
    /// How many more keys there are with a state.
    pub(crate) grown: isize,
}

impl<'a, K: Key, S: Wire> States<'a, K, S> {
    /// The states of `part`; `overlay` is empty.
    pub(crate) fn new(
        part: &'a Part<K, S>,
        codec: &'a Codec<S>,
        store: Option<&'a dyn StateStore>,
        overlay: Overlay<K, S>,
    ) -> Self {
        Self { part, codec, store, overlay, opened: None }
    }

    /// Looks a key of this partition up, whether it has a state or not.
    ///
    /// # Errors
    /// Where its group is not in this partition; what a store fails with.
    #[inline]
    pub(crate) fn find(&mut self, group: KeyGroup, key: &K) -> Result<Slot> {
        let Some(table) = self.part.group(group.index()) else {
            return Err(elsewhere(group));
        };
        if let Some(store) = self.store {
            return self.find_stored(store, group, key);
        }
        self.overlay.touch_in(table, group.index(), key)
    }

    /// Where the keys of `records` stand in their tables; nothing is touched by it.
    #[inline]
    pub(super) fn look_up<V>(&self, records: &[Grouped<K, V>], found: &mut Vec<Option<Found>>) {
        found.clear();
        // Each step waits for memory, and the processor waits for many at once only where nothing else is between them:
        // so first where each key should stand, and then whether it does.
        found.extend(
            records.iter().map(|record| self.part.group(record.group.index())?.likely(hash(&record.key))),
        );
        for (found, record) in found.iter_mut().zip(records) {
            if let (Some(likely), Some(table)) = (&found, self.part.group(record.group.index()))
                && !table.is_at(likely.place, &record.key)
            {
                *found = table.find(hash(&record.key), &record.key);
            }
        }
    }

    /// As [`find`](Self::find), for a key that was [looked up](Self::look_up).
    #[inline]
    pub(super) fn find_at(&mut self, found: Option<Found>, group: KeyGroup, key: &K) -> Result<Slot> {
        if let Some(found) = found
            && let Some(table) = self.part.group(group.index())
        {
            return self.overlay.touch(table, group.index(), found);
        }
        self.find(group, key)
    }

    /// Whether keys of this group are in this partition.
    pub(crate) fn holds(&self, group: KeyGroup) -> bool {
        self.part.group(group.index()).is_some()
    }

    /// The key of a slot.
    pub(crate) fn key(&self, slot: Slot) -> Option<&K> {
        let touched = self.overlay.get(slot)?;
        match touched.place() {
            Some(place) => self.part.group(touched.group)?.at(place).map(|(key, _)| key),
            None => Some(&self.overlay.own(touched.own()?)?.key),
        }
    }

    /// The state of a key.
    #[inline]
    pub(crate) fn get(&self, slot: Slot) -> Option<&S> {
        self.state_and_due(slot).map(|(state, _)| state)
    }

    /// When a key is due; never where it has no state.
    pub(crate) fn due(&self, slot: Slot) -> Due {
        self.state_and_due(slot).map_or(Due::NEVER, |(_, due)| due)
    }

    #[inline]
    fn state_and_due(&self, slot: Slot) -> Option<(&S, Due)> {
        let touched = self.overlay.get(slot)?;
        match &touched.change {
            Change::Put(state, due) => Some((state, *due)),
            Change::Removed => None,
            Change::Nothing => match touched.place() {
                Some(place) => {
                    let table = self.part.group(touched.group)?;
                    Some((&table.at(place)?.1, table.due(place)))
                }
                None => self.overlay.own(touched.own()?)?.before.as_ref().map(|(state, due)| (state, *due)),
            },
        }
    }

    /// Sets the state of a key, and when it is due.
    #[inline]
    pub(crate) fn put(&mut self, slot: Slot, state: S, due: Due) {
        self.change(slot, Change::Put(state, due));
    }

    /// Sets when a key is due; its state stays as it is.
    pub(crate) fn postpone(&mut self, slot: Slot, due: Due) {
        if let Some(state) = self.get(slot).cloned() {
            self.put(slot, state, due);
        }
    }

    /// Removes the state of a key; one that has none may be removed too.
    pub(crate) fn remove(&mut self, slot: Slot) {
        self.change(slot, Change::Removed);
    }

    /// The keys that were touched so far, in the order in which they were.
    pub(crate) fn touched(&self) -> impl Iterator<Item = Slot> + use<K, S> {
        self.overlay.slots()
    }

    /// The keys that are due at `now`, each once, whatever the batch has changed of it before. A key that is left as it is
    /// comes again in the next batch.
    ///
    /// # Errors
    /// What a store fails with.
    pub(crate) fn take_due(&mut self, now: u64) -> Result<Vec<Slot>> {
        let mut due = Vec::new();
        // What this batch has put in for a time that is over stands in no index yet.
        let fresh = self.overlay.len();
        let listed = self.part.dues().until(now);
        let found = match self.store {
            None => listed
                .map(|(group, key)| self.find_known(group, key))
                .filter_map(Result::transpose)
                .collect::<Result<_>>()?,
            Some(store) => self.find_all_stored(store, listed)?,
        };
        for slot in found {
            if self.look(slot) && self.due(slot).is_over(now) {
                due.push(slot);
            }
        }
        for slot in self.overlay.slots().take(fresh) {
            if self.due(slot).is_over(now) && self.look(slot) {
                due.push(slot);
            }
        }
        self.opened = self.opened.max(Some(now));
        Ok(due)
    }

    /// Notes that the index has forgotten this key; `false` where that is noted already.
    fn look(&mut self, slot: Slot) -> bool {
        self.overlay.get_mut(slot).is_some_and(|touched| !std::mem::replace(&mut touched.looked, true))
    }

    /// The slot of a listed key, which may be there no more: it is not touched then.
    fn find_known(&mut self, group: KeyGroup, mut key: &[u8]) -> Result<Option<Slot>> {
        let Some(table) = self.part.group(group.index()) else { return Err(elsewhere(group)) };
        self.overlay.touch_known(table, group.index(), &K::decode(&mut key)?)
    }

    /// Does to a key what `change` says.
    pub(super) fn change(&mut self, slot: Slot, change: Change<S>) {
        if let Some(touched) = self.overlay.get_mut(slot) {
            touched.change = change;
        }
    }

    /// Calls `each` for every key that has a state and was not touched so far, and does to it what it says. No key is
    /// looked up after this.
    ///
    /// # Errors
    /// The first of `each`; what a store fails with.
    pub(crate) fn walk_untouched(
        &mut self,
        mut each: impl FnMut(&K, &S, Due) -> Result<Change<S>>,
    ) -> Result<()> {
        if let Some(store) = self.store {
            return self.walk_stored(store, each);
        }
        let mut touched = self.overlay.in_order();
        for (group, table) in self.part.groups() {
            let (pairs, mut from) = (table.pairs(), 0);
            loop {
                let next = touched.peek(group);
                let until = next.map_or(pairs.len(), |(place, _)| place);
                for (place, (key, state)) in (from..).zip(pairs.get(from..until).unwrap_or_default()) {
                    match each(key, state, table.due(place as u32))? {
                        Change::Nothing => {}
                        change => {
                            let slot = self.overlay.touch_last(group, place as u32)?;
                            self.change(slot, change);
                        }
                    }
                }
                if next.is_none() {
                    break;
                }
                touched.advance();
                from = until + 1;
            }
        }
        Ok(())
    }

    /// Touches every key that has a state.
    ///
    /// # Errors
    /// As [`walk_untouched`](Self::walk_untouched).
    pub(crate) fn touch_all(&mut self) -> Result<()> {
        if let Some(store) = self.store {
            return self.touch_all_stored(store);
        }
        self.part.groups().try_for_each(|(group, table)| self.overlay.touch_all(table, group))
    }

    /// What was changed, once the logic is through; written down too where there is `room`, the bytes to begin with.
    ///
    /// # Errors
    /// [`Error::Wire`] where a key or a state cannot be written down.
    pub(crate) fn finish(mut self, room: Option<usize>) -> Result<Changed<K, S>> {
        let mut changed = Changed {
            overlay: Overlay::default(),
            written: Changes::with_room(room.unwrap_or(0)),
            opened: self.opened,
            dues: self.part.dues().same_slots(),
            grown: 0,
        };
        let mut bytes = Vec::new();
        for slot in self.overlay.slots() {
            if slot.index().is_multiple_of(BLOCK) {
                self.bring_near(slot);
            }
            let Some(touched) = self.overlay.get(slot) else { continue };
            let has_due =
                touched.looked || matches!(touched.change, Change::Put(_, due) if due != Due::NEVER);
            match touched.change {
                Change::Nothing if !touched.looked => continue,
                Change::Put(..) => self.detach(slot, &mut bytes)?,
                _ => {}
            }
            changed.grown += self.grown_by(slot);
            if room.is_some() || has_due {
                self.write(slot, room.is_some(), &mut changed, &mut bytes)?;
            }
        }
        changed.overlay = self.overlay;
        Ok(changed)
    }

    /// Reads the entries of the next slots: the processor waits for all of them at once then, and not for each when it is
    /// written down.
    fn bring_near(&self, first: Slot) {
        let next = self.overlay.touched().iter().skip(first.index()).take(BLOCK);
        let seen = next.fold(0, |seen: u64, touched| {
            let pair = touched.place().and_then(|place| self.part.group(touched.group)?.at(place));
            seen ^ pair.map_or(0, |(key, _)| hash(key))
        });
        std::hint::black_box(seen);
    }

    /// What stays shares no memory with the batch.
    #[inline]
    fn detach(&mut self, slot: Slot, scratch: &mut Vec<u8>) -> Result<()> {
        let Some(touched) = self.overlay.get_mut(slot) else { return Ok(()) };
        let Change::Put(state, _) = &mut touched.change else { return Ok(()) };
        detach(state, scratch)?;
        let own = touched.own();
        if let Some(own) = own.and_then(|own| self.overlay.own_mut(own)) {
            detach(&mut own.key, scratch)?;
        }
        Ok(())
    }

    /// How many more keys have a state by the change of this one.
    #[inline]
    fn grown_by(&self, slot: Slot) -> isize {
        let Some(touched) = self.overlay.get(slot) else { return 0 };
        let known = match touched.own() {
            None => true,
            Some(own) => self.overlay.own(own).is_some_and(|own| own.before.is_some()),
        };
        match touched.change {
            Change::Put(..) if !known => 1,
            Change::Removed if known => -1,
            _ => 0,
        }
    }

    /// Writes the change of a key down, and when it is due, as far as anybody wants to know.
    fn write(
        &self,
        slot: Slot,
        durable: bool,
        changed: &mut Changed<K, S>,
        bytes: &mut Vec<u8>,
    ) -> Result<()> {
        let Some(touched) = self.overlay.get(slot) else { return Ok(()) };
        let (before, known) = if let Some(place) = touched.place() {
            (self.part.group(touched.group).map_or(Due::NEVER, |group| group.due(place)), true)
        } else {
            let own = touched.own().and_then(|own| self.overlay.own(own));
            let before = own.and_then(|own| own.before.as_ref()).map(|(_, due)| *due);
            (before.unwrap_or(Due::NEVER), before.is_some())
        };
        let listed = match &touched.change {
            Change::Put(_, due) if touched.looked || !self.part.dues().covers(before, *due) => *due,
            Change::Nothing if touched.looked => before,
            _ => Due::NEVER,
        };
        let written = match touched.change {
            Change::Nothing => false,
            Change::Put(..) => durable,
            Change::Removed => known && durable,
        };
        if !written && listed == Due::NEVER {
            return Ok(());
        }
        let (Some(key), Some(group)) = (self.key(slot), KeyGroup::from_index(touched.group)) else {
            return Ok(());
        };
        bytes.clear();
        key.encode(bytes)?;
        changed.dues.add(listed, group, bytes);
        match &touched.change {
            Change::Put(state, due) if written => {
                changed.written.put_with(group, bytes, |out| self.codec.encode(state, *due, out))?;
            }
            Change::Removed if written => changed.written.remove(group, bytes),
            _ => {}
        }
        Ok(())
    }
}

fn elsewhere(group: KeyGroup) -> Error {
    Error::State(format!("key group {} is not in this partition; please report this", group.index()))
}
