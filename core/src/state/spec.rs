//! How `map_with_state` keeps its states.

use std::fmt;
use std::time::Duration;

use super::codec::Codec;
use super::typed::Due;
use crate::data::Data;
use crate::words::{BatchTime, BoxError, Result};

/// How `map_with_state` keeps its states: timeout, partitions, first states, and what became of older versions of them.
///
/// The function is not in here, other than in Spark: as the last argument of `map_with_state` its parameters are
/// inferred.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tidemill::{StateSpec, Wire as _};
///
/// // Counts were `u32` once; a state of version 1 is read as such.
/// let spec = StateSpec::<String, u64>::new()
///     .timeout(Duration::from_secs(60))
///     .num_partitions(4)
///     .initial_state([("ebb".to_string(), 7)])
///     .version(2, |_version, mut bytes| Ok(u32::decode(&mut bytes)?.into()));
/// # let _ = spec;
/// ```
#[derive(Clone)]
pub struct StateSpec<K, S> {
    pub(crate) timeout: Option<Duration>,
    pub(crate) partitions: Option<u32>,
    pub(crate) initial: Vec<(K, S)>,
    pub(crate) codec: Codec<S>,
}

impl<K, S> Default for StateSpec<K, S> {
    fn default() -> Self {
        Self { timeout: None, partitions: None, initial: Vec::new(), codec: Codec::default() }
    }
}

impl<K, S> fmt::Debug for StateSpec<K, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateSpec")
            .field("timeout", &self.timeout)
            .field("partitions", &self.partitions)
            .field("initial_states", &self.initial.len())
            .field("version", &self.codec.version())
            .finish_non_exhaustive()
    }
}

impl<K: Data, S: Data> StateSpec<K, S> {
    /// States that stay until they are removed, none at first.
    pub fn new() -> Self {
        Self::default()
    }

    /// States for which nothing came for longer than `idle` go, in the first batch in which it is over. Default: they stay.
    ///
    /// The function is called for each of them once more, without a value, and its result is part of that batch.
    #[must_use]
    pub fn timeout(mut self, idle: Duration) -> Self {
        self.timeout = Some(idle);
        self
    }

    /// In how many partitions the states are kept. Default: the job's default parallelism.
    #[doc(alias = "numPartitions")]
    #[must_use]
    pub fn num_partitions(mut self, count: u32) -> Self {
        self.partitions = Some(count);
        self
    }

    /// States that are there before the first batch of the job; after a restart they are not used. Of two states of a
    /// key the later one counts. Default: none.
    #[doc(alias = "initialState")]
    #[must_use]
    pub fn initial_state(mut self, states: impl IntoIterator<Item = (K, S)>) -> Self {
        self.initial.extend(states);
        self
    }

    /// The version of the type `S`, and how to read what an older one wrote. Default: version 1, and no older one.
    ///
    /// Raise it with each change of the type. `migrate` gets the version that the state was written in, and the bytes
    /// that its type encoded to.
    #[must_use]
    pub fn version(
        mut self,
        version: u32,
        migrate: impl Fn(u32, &[u8]) -> Result<S, BoxError> + Send + Sync + 'static,
    ) -> Self {
        self.codec = Codec::new(version, migrate);
        self
    }
}

impl<K, S> StateSpec<K, S> {
    /// When a state goes for which something came in the batch of `now`: in the first batch after more than the timeout.
    pub(crate) fn due(&self, now: BatchTime) -> Due {
        // Exactly as long as the timeout is not over yet, as in Spark.
        let idle = self.timeout.map(|idle| u64::try_from(idle.as_millis()).unwrap_or(u64::MAX));
        let over = idle.and_then(|idle| now.as_millis().checked_add(idle)?.checked_add(1));
        over.map_or(Due::NEVER, Due::at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_goes_when_more_than_the_timeout_is_over() {
        // Spark's cases "threshold == update time" and "threshold update time+1", both of an update at 1000.
        let spec = StateSpec::<u8, u8>::new().timeout(Duration::from_secs(3));
        let due = spec.due(BatchTime::from_millis(1000));

        assert_eq!([3999, 4000, 4001, 5000].map(|now| due.is_over(now)), [false, false, true, true]);
        assert_eq!(StateSpec::<u8, u8>::new().due(BatchTime::from_millis(0)), Due::NEVER);
    }

    #[test]
    fn a_timeout_longer_than_all_time_is_never_over() {
        let spec = StateSpec::<u8, u8>::new().timeout(Duration::MAX);

        assert_eq!(spec.due(BatchTime::from_millis(1)), Due::NEVER);
    }
}
