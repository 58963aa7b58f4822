//! `map_with_state`: a state for each key, seen and changed by each record.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::panic::Location;
use std::sync::Arc;

use super::DStream;
use super::keyed::{Keyed, KeyedPlan, Logic, Now, Records, States};
use crate::data::{Data, Key, Wire};
use crate::rdd::Function;
use crate::runtime::Site;
use crate::state::typed::Due;
use crate::state::{Outcome, State, StateSpec};
use crate::words::{BatchTime, Result};

impl<K, V> DStream<(K, V)> {
    /// Calls `f` for each record, in the order of (partition, record), with the [`State`] of its key, and gives what it
    /// returns. Only keys for which something came are looked at.
    ///
    /// With a [timeout](StateSpec::timeout) `f` is called once more for a key for which nothing came for longer, in the
    /// first batch in which that is so: behind the records of its partition, without a value, and the state goes. Records
    /// for a key count as well where `f` does not change its state. What returns an `Option` is followed by
    /// `flat_map(|option| option)`.
    ///
    /// ```
    /// # use tidemill::{StateSpec, testing::{collect_batches, input_batches, local, run_batches}};
    /// let ssc = local(2);
    /// let words = input_batches(&ssc, 1, vec![vec![("ebb", 1), ("ebb", 1)], vec![("flood", 1), ("ebb", 1)]]);
    /// let words = words.map(|(word, one)| (word.to_string(), one));
    /// let counts = words.map_with_state(StateSpec::new(), |word, one, count| {
    ///     let so_far = count.get().unwrap_or(&0) + one.unwrap_or(0);
    ///     count.update(so_far);
    ///     format!("{word}: {so_far}")
    /// });
    /// let counts = collect_batches(&counts);
    /// run_batches(&ssc, 2)?;
    /// assert_eq!(counts.batches()[0], ["ebb: 1", "ebb: 2"]);
    /// assert!(counts.batches()[1].contains(&"ebb: 3".to_string()));
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[doc(alias = "mapWithState")]
    #[track_caller]
    pub fn map_with_state<S: Wire, E: Data>(
        &self,
        spec: StateSpec<K, S>,
        f: impl Fn(&K, Option<V>, &mut State<'_, S>) -> E + Send + Sync + 'static,
    ) -> MapWithStateStream<K, S, E>
    where
        K: Key,
        V: Wire,
    {
        let site = Site::new("map_with_state", Location::caller());
        self.mapped_with_state(site, spec, move |_, key, value, state| f(key, value, state))
    }

    /// As [`map_with_state`](Self::map_with_state); `f` gets the time of the batch too.
    #[doc(alias = "mapWithState")]
    #[track_caller]
    pub fn map_with_state_at<S: Wire, E: Data>(
        &self,
        spec: StateSpec<K, S>,
        f: impl Fn(BatchTime, &K, Option<V>, &mut State<'_, S>) -> E + Send + Sync + 'static,
    ) -> MapWithStateStream<K, S, E>
    where
        K: Key,
        V: Wire,
    {
        self.mapped_with_state(Site::new("map_with_state", Location::caller()), spec, f)
    }

    fn mapped_with_state<S: Wire, E: Data>(
        &self,
        site: Site,
        mut spec: StateSpec<K, S>,
        f: impl Fn(BatchTime, &K, Option<V>, &mut State<'_, S>) -> E + Function,
    ) -> MapWithStateStream<K, S, E>
    where
        K: Key,
        V: Wire,
    {
        let plan = KeyedPlan {
            site,
            partitions: spec.partitions,
            codec: spec.codec.clone(),
            slot_millis: self.stream().slide().as_millis(),
            initial: std::mem::take(&mut spec.initial),
            logic: MapWithState { spec, f, types: PhantomData },
        };
        let keyed = Keyed::new(self, plan);
        let mapped = keyed.kept_outputs(self.graph());
        let graph = Arc::clone(self.graph());
        let states = Arc::new(move |site| keyed.states(&graph, site));
        MapWithStateStream { mapped, states }
    }
}

/// The records that a function made of records and states, as [`DStream::map_with_state`] gives them.
#[must_use = "a stream computes nothing until an output operation such as `pprint` or `foreach_rdd` is added"]
pub struct MapWithStateStream<K, S, E> {
    mapped: DStream<E>,
    states: Arc<dyn Fn(Site) -> DStream<(K, S)> + Send + Sync>,
}

impl<K: Data, S: Data, E: 'static> MapWithStateStream<K, S, E> {
    /// All states, as each batch leaves them: a pair for each key that has one.
    ///
    /// The Rdd of a batch is a view of the states themselves: it can be read until the next batch is committed. Whoever
    /// needs it longer has it persisted or in a window, or sets `remember`.
    ///
    /// ```
    /// # use tidemill::{StateSpec, testing::{collect_batches, input_batches, local, run_batches}};
    /// let ssc = local(2);
    /// let tides = input_batches(&ssc, 2, vec![vec![('a', 2)], vec![('b', 5)]]);
    /// let highest = tides.map_with_state(StateSpec::new(), |_, height, state| {
    ///     state.update(height.max(state.get().copied()).unwrap_or(0));
    /// });
    /// let all = collect_batches(&highest.state_snapshots());
    /// run_batches(&ssc, 2)?;
    /// let mut second = all.batches().remove(1);
    /// second.sort();
    /// assert_eq!(second, [('a', 2), ('b', 5)]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[doc(alias = "stateSnapshots")]
    #[track_caller]
    pub fn state_snapshots(&self) -> DStream<(K, S)> {
        (self.states)(Site::new("state_snapshots", Location::caller()))
    }

    /// As [`DStream::uid`]: the states are found again under this name.
    #[track_caller]
    pub fn uid(self, name: &str) -> Self {
        let mapped = self.mapped.uid(name);
        Self { mapped, states: self.states }
    }
}

impl<K, S, E> Clone for MapWithStateStream<K, S, E> {
    fn clone(&self) -> Self {
        Self { mapped: self.mapped.clone(), states: Arc::clone(&self.states) }
    }
}

impl<K, S, E> Deref for MapWithStateStream<K, S, E> {
    type Target = DStream<E>;

    fn deref(&self) -> &DStream<E> {
        &self.mapped
    }
}

impl<K, S, E> fmt::Debug for MapWithStateStream<K, S, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MapWithStateStream").finish_non_exhaustive()
    }
}

struct MapWithState<K, V, S, E, F> {
    spec: StateSpec<K, S>,
    f: F,
    types: PhantomData<fn(V) -> E>,
}

impl<K, V, S, E, F> Logic<K, V, S> for MapWithState<K, V, S, E, F>
where
    K: Key,
    V: Wire,
    S: Wire,
    E: Data,
    F: Fn(BatchTime, &K, Option<V>, &mut State<'_, S>) -> E + Function,
{
    type Out = E;

    fn run(
        &self,
        now: &Now<'_>,
        records: Records<K, V>,
        states: &mut States<'_, K, S>,
        out: &mut Vec<E>,
    ) -> Result<()> {
        let due = self.spec.due(now.batch);
        out.reserve(records.len());
        records.for_each_found(states, |states, slot, key, value| {
            let before = states.get(slot);
            let exists = before.is_some();
            let mut state = State::new(before);
            out.push((self.f)(now.batch, &key, Some(value), &mut state));
            match state.finish()? {
                Outcome::Updated(state) => states.put(slot, state, due),
                Outcome::Gone => states.remove(slot),
                // Any record keeps a key alive, whether the function changed its state or not.
                Outcome::Untouched if exists && due != Due::NEVER => states.postpone(slot, due),
                Outcome::Untouched => {}
            }
            Ok(())
        })?;
        if due == Due::NEVER {
            return Ok(());
        }
        for slot in states.take_due(now.millis())? {
            if let (Some(key), Some(before)) = (states.key(slot), states.get(slot)) {
                let mut state = State::timing_out(before);
                out.push((self.f)(now.batch, key, None, &mut state));
                state.finish()?;
            }
            states.remove(slot);
        }
        Ok(())
    }

    fn initial_due(&self, first: BatchTime) -> Due {
        self.spec.due(first)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::testing::{collect_batches, input_batches, local, run_batches};

    #[test]
    fn each_record_sees_what_the_one_before_left() {
        let ssc = local(2);
        let batches = vec![vec![("a", 1), ("b", 1), ("a", 2)], vec![], vec![("a", 3), ("b", 4)]];
        let batches: Vec<Vec<(String, u64)>> =
            batches.into_iter().map(|b| b.into_iter().map(|(k, v)| (k.to_string(), v)).collect()).collect();
        let sums = input_batches(&ssc, 2, batches).map_with_state(StateSpec::new(), |key, value, state| {
            let sum = state.get().copied().unwrap_or(0) + value.unwrap_or(0);
            state.update(sum);
            (key.clone(), sum)
        });
        let sums = collect_batches(&sums);
        run_batches(&ssc, 3).unwrap();
        let sorted: Vec<Vec<(String, u64)>> = sums
            .batches()
            .into_iter()
            .map(|mut b| {
                b.sort();
                b
            })
            .collect();
        let a = |n| ("a".to_string(), n);
        let b = |n| ("b".to_string(), n);
        assert_eq!(sorted, [vec![a(1), a(3), b(1)], vec![], vec![a(6), b(5)]]);
    }

    #[test]
    fn a_key_times_out_in_the_first_batch_in_which_it_is_due() {
        let ssc = local(2);
        let spec = StateSpec::new().timeout(Duration::from_secs(3));
        let batches = vec![vec![('a', 1), ('b', 1)], vec![('a', 1)], vec![('a', 1)]];
        let seen = input_batches(&ssc, 2, batches).map_with_state(spec, |key, value, state| {
            if !state.is_timing_out() {
                state.update(value.unwrap_or_default());
            }
            (*key, state.is_timing_out())
        });
        let seen = collect_batches(&seen);
        run_batches(&ssc, 8).unwrap();
        let over: Vec<(usize, char)> = seen
            .batches()
            .iter()
            .enumerate()
            .flat_map(|(n, batch)| batch.iter().filter(|(_, over)| *over).map(move |(key, _)| (n + 1, *key)))
            .collect();
        assert_eq!(over, [(5, 'b'), (7, 'a')]);
    }
}
