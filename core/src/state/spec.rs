//! How `map_with_state` keeps its states.

use std::any::type_name;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::data::{Data, Wire};
use crate::words::{BatchTime, BoxError, Error, Result};

type Migrate<S> = Arc<dyn Fn(u32, &[u8]) -> Result<S, BoxError> + Send + Sync>;

/// The version of states that were given none.
const VERSION_DEFAULT: u32 = 1;

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
#[allow(dead_code, reason = "for the operator that keeps states, which is not here yet")]
pub struct StateSpec<K, S> {
    pub(crate) timeout: Option<Duration>,
    pub(crate) partitions: Option<u32>,
    pub(crate) initial: Vec<(K, S)>,
    version: u32,
    migrate: Option<Migrate<S>>,
}

impl<K, S> Default for StateSpec<K, S> {
    fn default() -> Self {
        Self { timeout: None, partitions: None, initial: Vec::new(), version: VERSION_DEFAULT, migrate: None }
    }
}

impl<K, S> fmt::Debug for StateSpec<K, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateSpec")
            .field("timeout", &self.timeout)
            .field("partitions", &self.partitions)
            .field("initial_states", &self.initial.len())
            .field("version", &self.version)
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
        self.version = version;
        self.migrate = Some(Arc::new(migrate));
        self
    }
}

#[allow(dead_code, reason = "for the operator that keeps states, which is not here yet")]
impl<K, S: Wire> StateSpec<K, S> {
    /// Appends a state behind its version.
    pub(crate) fn encode(&self, state: &S, out: &mut Vec<u8>) -> Result<()> {
        self.version.encode(out)?;
        state.encode(out)
    }

    /// Reads a state that any version wrote.
    pub(crate) fn decode(&self, mut bytes: &[u8]) -> Result<S> {
        let failed =
            |reason: String| Error::Wire { type_name: type_name::<S>(), direction: "read back", reason };
        let version = u32::decode(&mut bytes)?;
        if version == self.version {
            let state = S::decode(&mut bytes)?;
            return if bytes.is_empty() {
                Ok(state)
            } else {
                let (left, now) = (bytes.len(), self.version);
                Err(failed(format!(
                    "{left} bytes are left; was the type changed without raising its version {now}?"
                )))
            };
        }
        let Some(migrate) = self.migrate.as_ref().filter(|_| version < self.version) else {
            let now = self.version;
            return Err(failed(format!(
                "the state was written by version {version} of the type and this build has version {now}; say with \
                 `StateSpec::version` how it is read"
            )));
        };
        migrate(version, bytes).map_err(|error| {
            failed(format!("the function given to `StateSpec::version` failed on version {version}: {error}"))
        })
    }

    /// Whether a state for which something came last in the batch of `last` goes in the batch of `now`.
    pub(crate) fn is_over(&self, last: BatchTime, now: BatchTime) -> bool {
        // Exactly as long as the timeout is not over yet, as in Spark.
        self.timeout.is_some_and(|idle| last < now.minus(idle))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_goes_when_more_than_the_timeout_is_over() {
        // Spark's cases "threshold == update time" and "threshold update time+1", both of an update at 1000.
        let spec = StateSpec::<u8, u8>::new().timeout(Duration::from_secs(3));
        let over = |now| spec.is_over(BatchTime::from_millis(1000), BatchTime::from_millis(now));

        assert_eq!([3999, 4000, 4001, 5000].map(over), [false, false, true, true]);
        assert!(
            !StateSpec::<u8, u8>::new().is_over(BatchTime::from_millis(0), BatchTime::from_millis(u64::MAX))
        );
    }

    #[test]
    fn a_timeout_longer_than_all_time_is_never_over() {
        let spec = StateSpec::<u8, u8>::new().timeout(Duration::MAX);

        assert!(!spec.is_over(BatchTime::from_millis(0), BatchTime::from_millis(u64::MAX)));
    }

    #[test]
    fn what_an_older_version_wrote_is_migrated_and_what_is_new_is_not() {
        let (old, mut bytes) = (StateSpec::<u8, u32>::new(), Vec::new());
        old.encode(&300, &mut bytes).unwrap();
        let new = StateSpec::<u8, String>::new().version(2, |version, mut bytes| {
            Ok(format!("{} of version {version}", u32::decode(&mut bytes)?))
        });

        assert_eq!(old.decode(&bytes).unwrap(), 300);
        let migrated = new.decode(&bytes).unwrap();
        assert_eq!(migrated, "300 of version 1");
        bytes.clear();
        new.encode(&migrated, &mut bytes).unwrap();
        assert_eq!(new.decode(&bytes).unwrap(), migrated);
    }

    #[test]
    fn a_version_that_cannot_be_read_is_an_error_that_names_both() {
        let written = |version| {
            let mut bytes = Vec::new();
            StateSpec::<u8, u32>::new().version(version, |_, _| Ok(0)).encode(&7, &mut bytes).unwrap();
            bytes
        };
        let reads_2 = StateSpec::<u8, u32>::new().version(2, |_, _| Err("never seen".into()));
        let error = |spec: &StateSpec<u8, u32>, bytes: &[u8]| spec.decode(bytes).unwrap_err().to_string();

        let no_function = error(&StateSpec::new(), &written(2));
        assert!(
            no_function.contains("by version 2") && no_function.contains("has version 1"),
            "{no_function}"
        );
        let from_the_future = error(&reads_2, &written(3));
        assert!(from_the_future.contains("by version 3"), "{from_the_future}");
        let failed = error(&reads_2, &written(1));
        assert!(failed.contains("version 1") && failed.contains("never seen"), "{failed}");
        let longer = error(&StateSpec::new(), &[written(1), vec![0]].concat());
        assert!(longer.contains("1 bytes are left"), "{longer}");
    }
}
