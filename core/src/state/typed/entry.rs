//! One key and its state.

use std::sync::atomic::{AtomicU32, Ordering};

/// When something has to be done about a key: milliseconds since the epoch, by the clock that the operator goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Due(u64);

impl Due {
    /// Nothing has to be done.
    pub(crate) const NEVER: Self = Self(0);

    /// At `millis`, or a millisecond after the epoch at the earliest.
    pub(crate) fn at(millis: u64) -> Self {
        Self(millis.max(1))
    }

    /// The time; `None` for never.
    #[inline]
    pub(crate) fn millis(self) -> Option<u64> {
        (self != Self::NEVER).then_some(self.0)
    }

    /// Whether the time has come.
    #[inline]
    pub(crate) fn is_over(self, now: u64) -> bool {
        self.millis().is_some_and(|due| due <= now)
    }
}

/// A key with its state.
#[derive(Debug)]
pub(crate) struct Entry<K, S> {
    pub(crate) key: K,
    pub(crate) state: S,
    pub(crate) due: Due,
    // Where the batch that runs keeps its change of this key. It is a hint: who reads it asks whether what stands there
    // is about this entry. Only the task of the entry's partition writes it, so it is no lock and no order is needed.
    mark: AtomicU32,
}

impl<K, S> Entry<K, S> {
    pub(crate) fn new(key: K, state: S, due: Due) -> Self {
        Self { key, state, due, mark: AtomicU32::new(0) }
    }

    #[inline]
    pub(super) fn mark(&self) -> u32 {
        self.mark.load(Ordering::Relaxed)
    }

    #[inline]
    pub(super) fn set_mark(&self, mark: u32) {
        self.mark.store(mark, Ordering::Relaxed);
    }
}

impl<K: Clone, S: Clone> Clone for Entry<K, S> {
    fn clone(&self) -> Self {
        Self {
            key: self.key.clone(),
            state: self.state.clone(),
            due: self.due,
            mark: AtomicU32::new(self.mark()),
        }
    }
}
