//! How states are written down, so that a later version of their type can read them.

use std::any::type_name;
use std::sync::Arc;

use super::typed::Due;
use crate::data::Wire;
use crate::words::{BoxError, Error, Result};

type Migrate<S> = Arc<dyn Fn(u32, &[u8]) -> Result<S, BoxError> + Send + Sync>;

/// The version of states that were given none.
const VERSION_DEFAULT: u32 = 1;

/// Writes states down and reads them: behind their version, and when they are due, if ever.
///
/// The bytes are: twice the version, and one more where a time follows, LEB128; the time in milliseconds, LEB128; what the
/// state encodes to.
pub(crate) struct Codec<S> {
    version: u32,
    migrate: Option<Migrate<S>>,
}

impl<S> Clone for Codec<S> {
    fn clone(&self) -> Self {
        Self { version: self.version, migrate: self.migrate.clone() }
    }
}

impl<S> Default for Codec<S> {
    fn default() -> Self {
        Self { version: VERSION_DEFAULT, migrate: None }
    }
}

impl<S> Codec<S> {
    /// Writes `version`, and reads older ones by `migrate`.
    pub(crate) fn new(
        version: u32,
        migrate: impl Fn(u32, &[u8]) -> Result<S, BoxError> + Send + Sync + 'static,
    ) -> Self {
        Self { version, migrate: Some(Arc::new(migrate)) }
    }

    /// The version that is written.
    pub(crate) fn version(&self) -> u32 {
        self.version
    }
}

impl<S: Wire> Codec<S> {
    /// Appends a state.
    pub(crate) fn encode(&self, state: &S, due: Due, out: &mut Vec<u8>) -> Result<()> {
        let head = u64::from(self.version) << 1;
        match due.millis() {
            None => head.encode(out)?,
            Some(millis) => {
                (head | 1).encode(out)?;
                millis.encode(out)?;
            }
        }
        state.encode(out)
    }

    /// Reads a state that any version wrote, and when it is due.
    pub(crate) fn decode(&self, mut bytes: &[u8]) -> Result<(S, Due)> {
        let head = u64::decode(&mut bytes)?;
        let due = if head & 1 == 1 { Due::at(u64::decode(&mut bytes)?) } else { Due::NEVER };
        Ok((self.decode_state((head >> 1) as u32, bytes)?, due))
    }

    /// When a state is due, without a look at the state.
    pub(crate) fn decode_due(mut bytes: &[u8]) -> Result<Due> {
        let head = u64::decode(&mut bytes)?;
        if head & 1 == 1 { u64::decode(&mut bytes).map(Due::at) } else { Ok(Due::NEVER) }
    }

    fn decode_state(&self, version: u32, mut bytes: &[u8]) -> Result<S> {
        let failed =
            |reason: String| Error::Wire { type_name: type_name::<S>(), direction: "read back", reason };
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_older_version_wrote_is_migrated_and_what_is_new_is_not() {
        let (old, mut bytes) = (Codec::<u32>::default(), Vec::new());
        old.encode(&300, Due::at(70), &mut bytes).unwrap();
        let new = Codec::<String>::new(2, |version, mut bytes| {
            Ok(format!("{} of version {version}", u32::decode(&mut bytes)?))
        });

        assert_eq!(old.decode(&bytes).unwrap(), (300, Due::at(70)));
        let migrated = new.decode(&bytes).unwrap();
        assert_eq!(migrated, ("300 of version 1".to_string(), Due::at(70)));
        bytes.clear();
        new.encode(&migrated.0, Due::NEVER, &mut bytes).unwrap();
        assert_eq!(new.decode(&bytes).unwrap(), (migrated.0, Due::NEVER));
    }

    #[test]
    fn the_bytes_of_a_state_never_change() {
        let (codec, mut bytes) = (Codec::<u32>::default(), Vec::new());
        codec.encode(&300, Due::NEVER, &mut bytes).unwrap();
        codec.encode(&7, Due::at(200), &mut bytes).unwrap();

        assert_eq!(bytes, [2, 0xac, 2, 3, 0xc8, 1, 7]);
    }

    #[test]
    fn a_version_that_cannot_be_read_is_an_error_that_names_both() {
        let written = |version| {
            let mut bytes = Vec::new();
            Codec::<u32>::new(version, |_, _| Ok(0)).encode(&7, Due::NEVER, &mut bytes).unwrap();
            bytes
        };
        let reads_2 = Codec::<u32>::new(2, |_, _| Err("never seen".into()));
        let error = |codec: &Codec<u32>, bytes: &[u8]| codec.decode(bytes).unwrap_err().to_string();

        let no_function = error(&Codec::default(), &written(2));
        assert!(
            no_function.contains("by version 2") && no_function.contains("has version 1"),
            "{no_function}"
        );
        let from_the_future = error(&reads_2, &written(3));
        assert!(from_the_future.contains("by version 3"), "{from_the_future}");
        let failed = error(&reads_2, &written(1));
        assert!(failed.contains("version 1") && failed.contains("never seen"), "{failed}");
        let longer = error(&Codec::default(), &[written(1), vec![0]].concat());
        assert!(longer.contains("1 bytes are left"), "{longer}");
    }
}
