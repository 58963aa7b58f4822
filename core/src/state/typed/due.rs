//! When something has to be done about a key.

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
