//! `map_with_state`: a state for each key, seen and changed by each record.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::panic::Location;

use super::DStream;
use super::keyed::{Keyed, KeyedPlan, Logic, Now, Records, States};
use crate::data::{Data, Key, Wire};
use crate::rdd::Function;
use crate::runtime::Site;
use crate::state::typed::Due;
use crate::state::{Outcome, State, StateSpec};
use crate::words::{BatchTime, Result};

impl<K: Key, V: Wire> DStream<(K, V)> {
    /// Calls `f` for each record, with the state of its key, and gives what it returns.
    #[doc(alias = "mapWithState")]
    #[track_caller]
    pub fn map_with_state<S: Wire, E: Data>(
        &self,
        spec: StateSpec<K, S>,
        f: impl Fn(&K, Option<V>, &mut State<'_, S>) -> E + Send + Sync + 'static,
    ) -> MapWithStateStream<K, S, E> {
        let site = Site::new("map_with_state", Location::caller());
        self.mapped_with_state(site, spec, move |_, key, value, state| f(key, value, state))
    }

    fn mapped_with_state<S: Wire, E: Data>(
        &self,
        site: Site,
        mut spec: StateSpec<K, S>,
        f: impl Fn(BatchTime, &K, Option<V>, &mut State<'_, S>) -> E + Function,
    ) -> MapWithStateStream<K, S, E> {
        let plan = KeyedPlan {
            site,
            partitions: spec.partitions,
            codec: spec.codec.clone(),
            slot_millis: self.stream().slide().as_millis(),
            initial: std::mem::take(&mut spec.initial),
            logic: MapWithState { spec, f, types: PhantomData },
        };
        let (mapped, _keyed) = Keyed::draw(self, plan);
        MapWithStateStream { mapped, states: PhantomData }
    }
}

/// The records that a function made of records and states, as [`DStream::map_with_state`] gives them.
#[must_use = "a stream computes nothing until an output operation such as `pprint` or `foreach_rdd` is added"]
pub struct MapWithStateStream<K, S, E> {
    mapped: DStream<E>,
    states: PhantomData<fn() -> (K, S)>,
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
        records.for_each(|group, key, value| {
            let slot = states.find(group, &key)?;
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
