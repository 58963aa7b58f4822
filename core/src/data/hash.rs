//! Where a key belongs: for good, on every machine.

use xxhash_rust::xxh3::xxh3_64;

use super::traits::Wire;
use crate::words::Result;

/// How many groups keys belong to. Fixed for ever: it is in every state on disk.
const KEY_GROUPS: u8 = 128;

/// One of the 128 groups that keys belong to for good; groups belong to members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyGroup(u8);

impl KeyGroup {
    /// How many there are.
    pub(crate) const COUNT: u8 = KEY_GROUPS;

    /// The group of a key.
    ///
    /// # Errors
    /// [`Error::Wire`](crate::Error::Wire) where the key cannot be written down.
    pub fn of(key: &impl Wire) -> Result<Self> {
        let mut hasher = StableHasher::default();
        Ok(Self(bucket(hasher.hash(key)?, usize::from(KEY_GROUPS)) as u8))
    }

    /// The group of a key from the bytes that it [encodes](Wire::encode) to.
    #[inline]
    pub fn of_encoded(key: &[u8]) -> Self {
        Self(bucket(xxh3_64(key), usize::from(KEY_GROUPS)) as u8)
    }

    /// The group with this number; `None` above 127.
    #[inline]
    pub fn from_index(index: u8) -> Option<Self> {
        (index < KEY_GROUPS).then_some(Self(index))
    }

    /// Its number, 0 to 127.
    #[inline]
    pub fn index(self) -> u8 {
        self.0
    }
}

/// The stable hash: xxh3 of what a key encodes to. The same in one process and in many, today and after an upgrade of
/// compiler or crates; a fixture pins 1,000 keys.
#[derive(Debug, Default)]
pub(crate) struct StableHasher {
    // Written over by each key: no allocation a key.
    scratch: Vec<u8>,
}

impl StableHasher {
    /// The hash of `key`.
    pub(crate) fn hash(&mut self, key: &impl Wire) -> Result<u64> {
        self.scratch.clear();
        key.encode(&mut self.scratch)?;
        Ok(xxh3_64(&self.scratch))
    }
}

/// The bucket of `hash` among `count`: multiplication instead of division, so that neighbouring groups stay together
/// whatever `count` is.
#[inline]
pub(crate) fn bucket(hash: u64, count: usize) -> usize {
    ((u128::from(hash) * count as u128) >> 64) as usize
}

/// A number drawn from two others: looks random, is always the same.
pub(crate) fn drawn(from: u64, and: u64) -> u64 {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&from.to_le_bytes());
    bytes[8..].copy_from_slice(&and.to_le_bytes());
    xxh3_64(&bytes)
}
