//! States that are in a store: looked up many at a time, by their encoded keys.

use super::states::States;
use crate::data::{Key, KeyGroup, Wire};
use crate::rdd::Grouped;
use crate::state::typed::{Change, Due, Slot};
use crate::state::{Changes, Keys, ScanCursor, StateStore, StateView, Values};
use crate::words::{Error, Result};

impl<K: Key, S: Wire> States<'_, K, S> {
    /// Looks the keys of all records up in the store at once, so that none has to ask alone.
    pub(super) fn fetch<V>(&mut self, records: &[Grouped<K, V>]) -> Result<()> {
        let Some(store) = self.store else { return Ok(()) };
        let mut wanted = Wanted::default();
        for record in records {
            wanted.add(self, record.group, &record.key)?;
        }
        wanted.read(self, store)
    }

    /// The slot of a key whose state is in the store, if it has one.
    pub(super) fn find_stored(&mut self, store: &dyn StateStore, group: KeyGroup, key: &K) -> Result<Slot> {
        // Most were looked up together with others before.
        if let Some(slot) = self.overlay.find_own(key) {
            return Ok(slot);
        }
        let mut wanted = Wanted::default();
        wanted.add(self, group, key)?;
        wanted.read(self, store)?;
        self.overlay
            .find_own(key)
            .ok_or_else(|| Error::new("a key was looked up in vain; please report this"))
    }

    /// The slots of those of `keys` that have a state, or have been touched.
    pub(super) fn find_all_stored<'k>(
        &mut self,
        store: &dyn StateStore,
        keys: impl Iterator<Item = (KeyGroup, &'k [u8])>,
    ) -> Result<Vec<Slot>> {
        let (mut wanted, mut all) = (Wanted::default(), Vec::new());
        for (group, mut bytes) in keys {
            let key = K::decode(&mut bytes)?;
            wanted.add(self, group, &key)?;
            all.push(key);
        }
        wanted.read(self, store)?;
        Ok(all.iter().filter_map(|key| self.overlay.find_own(key)).collect())
    }

    /// As [`touch_all`](Self::touch_all), over the store.
    pub(super) fn touch_all_stored(&mut self, store: &dyn StateStore) -> Result<()> {
        for (group, _) in self.part.groups() {
            scan_group(store, the_group(group)?, |mut key, value| {
                let key = K::decode(&mut key)?;
                if self.overlay.find_own(&key).is_none() {
                    self.overlay.add_own(group, key, Some(self.codec.decode(value)?))?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// As [`walk_untouched`](Self::walk_untouched), over the store.
    pub(super) fn walk_stored(
        &mut self,
        store: &dyn StateStore,
        mut each: impl FnMut(&K, &S, Due) -> Result<Change<S>>,
    ) -> Result<()> {
        for (group, _) in self.part.groups() {
            scan_group(store, the_group(group)?, |mut key, value| {
                let key = K::decode(&mut key)?;
                if self.overlay.find_own(&key).is_some() {
                    return Ok(());
                }
                let (state, due) = self.codec.decode(value)?;
                match each(&key, &state, due)? {
                    Change::Nothing => Ok(()),
                    change => {
                        let slot = self.overlay.add_own(group, key, Some((state, due)))?;
                        self.change(slot, change);
                        Ok(())
                    }
                }
            })?;
        }
        Ok(())
    }
}

/// Calls `each` with key and value of every entry of a group.
pub(super) fn scan_group(
    store: &(impl StateView + ?Sized),
    group: KeyGroup,
    mut each: impl FnMut(&[u8], &[u8]) -> Result<()>,
) -> Result<()> {
    let (mut cursor, mut chunk) = (ScanCursor::new(), Changes::new());
    while store.scan(group, &mut cursor, &mut chunk)? {
        for entry in chunk.iter() {
            each(entry.key, entry.value.unwrap_or_default())?;
        }
    }
    Ok(())
}

/// The group of a number that a partition has.
pub(super) fn the_group(group: u8) -> Result<KeyGroup> {
    KeyGroup::from_index(group).ok_or_else(|| Error::State(format!("there is no key group {group}")))
}

/// Keys to look up, and the slots that they get.
#[derive(Default)]
struct Wanted {
    keys: Keys,
    slots: Vec<Slot>,
    scratch: Vec<u8>,
}

impl Wanted {
    /// Adds a key, unless it was touched before.
    fn add<K: Key, S: Wire>(
        &mut self,
        states: &mut States<'_, K, S>,
        group: KeyGroup,
        key: &K,
    ) -> Result<()> {
        if states.overlay.find_own(key).is_some() {
            return Ok(());
        }
        self.scratch.clear();
        key.encode(&mut self.scratch)?;
        self.keys.push_encoded(group, &self.scratch);
        self.slots.push(states.overlay.add_own(group.index(), key.clone(), None)?);
        Ok(())
    }

    fn read<K: Key, S: Wire>(self, states: &mut States<'_, K, S>, store: &dyn StateStore) -> Result<()> {
        if self.keys.is_empty() {
            return Ok(());
        }
        let mut values = Values::new();
        store.read(&self.keys, &mut values)?;
        for (slot, value) in self.slots.into_iter().zip(values.iter()) {
            if let Some(value) = value {
                states.overlay.set_before(slot, states.codec.decode(value)?);
            }
        }
        Ok(())
    }
}
