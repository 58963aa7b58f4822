//! `update_state_by_key`: a state for each key, looked at in each batch.

use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::vec::Drain;

use super::DStream;
use super::keyed::{Keyed, KeyedPlan, Logic, Now, Records, States};
use crate::data::{Key, KeyGroup, Wire};
use crate::rdd::Function;
use crate::runtime::Site;
use crate::state::StateSpec;
use crate::state::typed::{Change, Due, Slot};
use crate::words::{BatchTime, Error, Result};

/// A key with what came for it in a batch, and its state.
type Known<K, V, S> = (K, Vec<V>, Option<S>);

impl<K, V> DStream<(K, V)> {
    /// A state for each key that ever came: in each batch `f` gets the new values of each known key, none for most of them,
    /// with its state, and returns the next state; with `None` the key is forgotten.
    ///
    /// The stream has all states in each batch. Its Rdd is a view of the states themselves: it can be read until the next
    /// batch is committed; whoever needs it longer has it persisted or in a window, or sets `remember`. Each batch looks at
    /// every key; where only the keys that came matter, [`map_with_state`](Self::map_with_state) costs much less.
    ///
    /// ```
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// let ssc = local(2);
    /// let ships = input_batches(&ssc, 2, vec![vec![("ebb", 1), ("flood", 2)], vec![("ebb", 4)]]);
    /// let totals = ships.map(|(tide, ships)| (tide.to_string(), ships)).update_state_by_key(|new, total: Option<u64>| {
    ///     Some(total.unwrap_or(0) + new.sum::<u64>())
    /// });
    /// let totals = collect_batches(&totals);
    /// run_batches(&ssc, 2)?;
    /// let mut second = totals.batches().remove(1);
    /// second.sort();
    /// assert_eq!(second, [("ebb".to_string(), 5), ("flood".to_string(), 2)]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[doc(alias = "updateStateByKey")]
    #[track_caller]
    pub fn update_state_by_key<S: Wire + PartialEq>(
        &self,
        f: impl Fn(Drain<'_, V>, Option<S>) -> Option<S> + Send + Sync + 'static,
    ) -> DStream<(K, S)>
    where
        K: Key,
        V: Wire,
    {
        let site = Site::new("update_state_by_key", Location::caller());
        self.updated(
            site,
            StateSpec::new(),
            Each(move |_, _: &K, values: Drain<'_, V>, state| f(values, state)),
        )
    }

    /// As [`update_state_by_key`](Self::update_state_by_key), with a number of partitions, first states, or a version of
    /// the state's type. A timeout is a mistake: `f` sees each key in each batch, and may forget it.
    #[doc(alias = "updateStateByKey")]
    #[track_caller]
    pub fn update_state_by_key_with<S: Wire + PartialEq>(
        &self,
        spec: StateSpec<K, S>,
        f: impl Fn(Drain<'_, V>, Option<S>) -> Option<S> + Send + Sync + 'static,
    ) -> DStream<(K, S)>
    where
        K: Key,
        V: Wire,
    {
        let site = Site::new("update_state_by_key", Location::caller());
        self.updated(site, spec, Each(move |_, _: &K, values: Drain<'_, V>, state| f(values, state)))
    }

    /// As [`update_state_by_key_with`](Self::update_state_by_key_with); `f` gets the time of the batch and the key too.
    #[doc(alias = "updateStateByKey")]
    #[track_caller]
    pub fn update_state_by_key_at<S: Wire + PartialEq>(
        &self,
        spec: StateSpec<K, S>,
        f: impl Fn(BatchTime, &K, Drain<'_, V>, Option<S>) -> Option<S> + Send + Sync + 'static,
    ) -> DStream<(K, S)>
    where
        K: Key,
        V: Wire,
    {
        let site = Site::new("update_state_by_key", Location::caller());
        self.updated(site, spec, Each(f))
    }

    /// As [`update_state_by_key`](Self::update_state_by_key), for a function that takes all keys of a partition at once: it
    /// gets each known key with its new values and its state, and returns the pairs that are the states from then on. It
    /// may leave keys out, and name others that belong to the same partition.
    ///
    /// All keys of a partition are copied in each batch.
    ///
    /// ```
    /// # use tidemill::{StateSpec, testing::{collect_batches, input_batches, local, run_batches}};
    /// let ssc = local(2);
    /// let ships = input_batches(&ssc, 2, vec![vec![(1, 10), (2, 20)], vec![(1, 5)]]);
    /// let latest = ships.update_state_by_key_iter(StateSpec::new(), |known| {
    ///     known.filter_map(|(key, mut new, _)| Some((key, new.pop()?)))
    /// });
    /// let latest = collect_batches(&latest);
    /// run_batches(&ssc, 2)?;
    /// assert_eq!(latest.batches()[1], [(1, 5)]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[doc(alias = "updateStateByKey")]
    #[track_caller]
    pub fn update_state_by_key_iter<S: Wire + PartialEq, I>(
        &self,
        spec: StateSpec<K, S>,
        f: impl Fn(std::vec::IntoIter<Known<K, V, S>>) -> I + Send + Sync + 'static,
    ) -> DStream<(K, S)>
    where
        K: Key + fmt::Debug,
        V: Wire,
        I: IntoIterator<Item = (K, S)> + 'static,
    {
        let site = Site::new("update_state_by_key", Location::caller());
        self.updated(site, spec, All(f, PhantomData::<fn() -> I>))
    }

    fn updated<S: Wire, U>(&self, site: Site, spec: StateSpec<K, S>, update: U) -> DStream<(K, S)>
    where
        K: Key,
        V: Wire,
        Update<U>: Logic<K, V, S>,
    {
        if spec.timeout.is_some() {
            let message = "a timeout is of no use here: the function sees each key in each batch, and may return `None`";
            self.graph().mistake(site.location(), message);
        }
        let plan = KeyedPlan {
            site,
            partitions: spec.partitions,
            codec: spec.codec,
            slot_millis: self.stream().slide().as_millis(),
            initial: spec.initial,
            logic: Update(update),
        };
        let keyed = Keyed::new(self, plan);
        let states = keyed.states(self.graph(), site);
        states.keep(keyed);
        states
    }
}

/// The operator, with a function of one of the forms.
struct Update<U>(U);

/// Calls a function for each key.
struct Each<F>(F);

/// Calls a function for all keys of a partition.
struct All<F, I>(F, PhantomData<fn() -> I>);

impl<K, V, S, F> Logic<K, V, S> for Update<Each<F>>
where
    K: Key,
    V: Wire,
    S: Wire + PartialEq,
    F: Fn(BatchTime, &K, Drain<'_, V>, Option<S>) -> Option<S> + Function,
{
    type Out = Infallible;

    fn run(
        &self,
        now: &Now<'_>,
        records: Records<K, V>,
        states: &mut States<'_, K, S>,
        _: &mut Vec<Infallible>,
    ) -> Result<()> {
        let Self(Each(f)) = self;
        let mut values = Values::of(records, states)?;
        let mut of_key = Vec::new();
        // Those of the records, and those that the user gave for the beginning.
        for slot in states.touched() {
            values.take(slot, &mut of_key);
            let Some(key) = states.key(slot) else { continue };
            let before = states.get(slot);
            let after = f(now.batch, key, of_key.drain(..), before.cloned());
            match (after, before) {
                (Some(after), Some(before)) if after == *before => {}
                (Some(after), _) => states.put(slot, after, Due::NEVER),
                (None, Some(_)) => states.remove(slot),
                (None, None) => {}
            }
        }
        states.walk_untouched(|key, before, _| {
            // A list of its own each time: nothing is known to be in it then, and it costs nothing.
            Ok(match f(now.batch, key, Vec::new().drain(..), Some(before.clone())) {
                Some(after) if after == *before => Change::Nothing,
                Some(after) => Change::Put(after, Due::NEVER),
                None => Change::Removed,
            })
        })
    }
}

impl<K, V, S, F, I> Logic<K, V, S> for Update<All<F, I>>
where
    K: Key + fmt::Debug,
    V: Wire,
    S: Wire + PartialEq,
    F: Fn(std::vec::IntoIter<Known<K, V, S>>) -> I + Function,
    I: IntoIterator<Item = (K, S)> + 'static,
{
    type Out = Infallible;

    fn run(
        &self,
        now: &Now<'_>,
        records: Records<K, V>,
        states: &mut States<'_, K, S>,
        _: &mut Vec<Infallible>,
    ) -> Result<()> {
        let Self(All(f, _)) = self;
        let mut values = Values::of(records, states)?;
        states.touch_all()?;
        let mut known = Vec::new();
        for slot in states.touched() {
            let mut of_key = Vec::new();
            values.take(slot, &mut of_key);
            if let Some(key) = states.key(slot) {
                known.push((key.clone(), of_key, states.get(slot).cloned()));
            }
        }
        let mut named = vec![false; known.len()];
        for (key, state) in f(known.into_iter()) {
            let group = KeyGroup::of(&key)?;
            if !states.holds(group) {
                let (partition, of) = (now.task.partition(), now.task.partitions());
                return Err(Error::State(format!(
                    "the function of update_state_by_key_iter has named the key {key:?}, which does not belong to \
                     partition {partition} of {of}, whose keys it was given: only keys of the same partition can be named"
                )));
            }
            let slot = states.find(group, &key)?;
            if let Some(named) = named.get_mut(slot.index()) {
                *named = true;
            }
            if states.get(slot) != Some(&state) {
                states.put(slot, state, Due::NEVER);
            }
        }
        // Those that it has made up are behind those that it was given.
        for (slot, _) in states.touched().zip(named).filter(|(_, named)| !named) {
            if states.get(slot).is_some() {
                states.remove(slot);
            }
        }
        Ok(())
    }
}

/// The values of a batch by key, each key's in the order in which they came.
struct Values<V> {
    // Each with the number of the next of its key; taken once.
    values: Vec<(Option<V>, u32)>,
    // By slot: the first and the last.
    ends: Vec<Option<(u32, u32)>>,
}

impl<V: Wire> Values<V> {
    fn of<K: Key, S: Wire>(records: Records<K, V>, states: &mut States<'_, K, S>) -> Result<Self> {
        let mut values: Vec<(Option<V>, u32)> = Vec::with_capacity(records.len());
        let mut ends: Vec<Option<(u32, u32)>> = Vec::new();
        records.for_each_found(states, |_, slot, _, value| {
            let slot = slot.index();
            if slot >= ends.len() {
                ends.resize(slot + 1, None);
            }
            let this = values.len() as u32;
            values.push((Some(value), this));
            if let Some(end) = ends.get_mut(slot) {
                let (first, last) = end.unwrap_or((this, this));
                if let Some((_, next)) = values.get_mut(last as usize) {
                    *next = this;
                }
                *end = Some((first, this));
            }
            Ok(())
        })?;
        Ok(Self { values, ends })
    }

    /// Moves the values of a key to `to`.
    fn take(&mut self, slot: Slot, to: &mut Vec<V>) {
        let Some((mut at, last)) = self.ends.get(slot.index()).copied().flatten() else { return };
        while let Some((value, next)) = self.values.get_mut(at as usize) {
            to.extend(value.take());
            if at == last {
                return;
            }
            at = *next;
        }
    }
}
