//! What is made of the values of a window: reduce, aggregate, group.

use std::sync::Arc;

use crate::data::{Data, Wire};
use crate::rdd::Function;
use crate::window::EventTime;
use crate::window::event::Gather;
use crate::words::Result;

/// What is made of the values of a window, and what of that is given out.
pub(crate) trait Form<V>: Gather<V, Kept: Wire> {
    /// What a result has.
    type Out: Data;

    fn finish(&self, kept: Self::Kept) -> Self::Out;
}

/// Two values become one.
pub(super) struct Reduce<F>(pub(super) F);

impl<V, F: Fn(V, V) -> V + Function> Gather<V> for Reduce<F> {
    type Kept = V;

    fn first(&self, _: EventTime, value: V) -> V {
        value
    }

    fn add(&self, kept: V, _: EventTime, value: V) -> V {
        (self.0)(kept, value)
    }

    fn join(&self, earlier: V, later: V) -> V {
        (self.0)(earlier, later)
    }
}

impl<V: Wire, F: Fn(V, V) -> V + Function> Form<V> for Reduce<F> {
    type Out = V;

    fn finish(&self, kept: V) -> V {
        kept
    }
}

/// Values are folded into one of another type.
pub(super) struct Aggregate<C, S, J> {
    pub(super) zero: C,
    pub(super) seq: S,
    pub(super) comb: J,
}

impl<V, C: Wire, S: Fn(C, V) -> C + Function, J: Fn(C, C) -> C + Function> Gather<V> for Aggregate<C, S, J> {
    type Kept = C;

    fn first(&self, _: EventTime, value: V) -> C {
        (self.seq)(self.zero.clone(), value)
    }

    fn add(&self, kept: C, _: EventTime, value: V) -> C {
        (self.seq)(kept, value)
    }

    fn join(&self, earlier: C, later: C) -> C {
        (self.comb)(earlier, later)
    }
}

impl<V, C: Wire, S: Fn(C, V) -> C + Function, J: Fn(C, C) -> C + Function> Form<V> for Aggregate<C, S, J> {
    type Out = C;

    fn finish(&self, kept: C) -> C {
        kept
    }
}

/// All values, in the order of their times.
pub(super) struct Group;

/// Values with their times. Shared, as a result and what is kept on may be the same.
#[derive(Clone, Debug)]
pub(crate) struct Values<V>(Arc<Vec<(EventTime, V)>>);

impl<V: Wire> Wire for Values<V> {
    fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        (self.0.len() as u64).encode(out)?;
        self.0.iter().try_for_each(|(time, value)| {
            time.encode(out)?;
            value.encode(out)
        })
    }

    fn decode(bytes: &mut &[u8]) -> Result<Self> {
        let count = u64::decode(bytes)?;
        // Not reserved from a number that came from outside.
        let mut values = Vec::new();
        for _ in 0..count {
            values.push((EventTime::decode(bytes)?, V::decode(bytes)?));
        }
        Ok(Self(Arc::new(values)))
    }
}

impl<V: Data> Gather<V> for Group {
    type Kept = Values<V>;

    fn first(&self, time: EventTime, value: V) -> Values<V> {
        Values(Arc::new(vec![(time, value)]))
    }

    fn add(&self, mut kept: Values<V>, time: EventTime, value: V) -> Values<V> {
        Arc::make_mut(&mut kept.0).push((time, value));
        kept
    }

    fn join(&self, mut earlier: Values<V>, later: Values<V>) -> Values<V> {
        Arc::make_mut(&mut earlier.0).extend(later.0.iter().cloned());
        earlier
    }
}

impl<V: Wire> Form<V> for Group {
    type Out = Vec<V>;

    fn finish(&self, kept: Values<V>) -> Vec<V> {
        let mut values = Arc::unwrap_or_clone(kept.0);
        values.sort_by_key(|(time, _)| *time);
        values.into_iter().map(|(_, value)| value).collect()
    }
}
