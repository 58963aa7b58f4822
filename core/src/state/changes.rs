//! What a batch changes in a store, in one buffer.
//!
//! The bytes are what the ledger and the bases keep, one change behind the other: group u8, length of the key and the
//! key, then 0 for "removed" or 1 + length of the value and the value. Lengths are LEB128. The envelope around them
//! carries the version, so the format is never changed, only followed by another one.

use crate::data::KeyGroup;
use crate::words::{Error, Result};

/// One key's change, lent by a [`Changes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change<'a> {
    /// Group of the key.
    pub group: KeyGroup,
    /// The encoded key.
    pub key: &'a [u8],
    /// The encoded state; `None` removes the key.
    pub value: Option<&'a [u8]>,
}

/// Changes of keys in one buffer of bytes, in order: of two changes of a key the later one counts.
///
/// A task writes one, the ledger keeps its bytes, a [`StateStore`](crate::StateStore) takes it in; a scan gives the
/// entries of a store as the changes that would make them. No change has an allocation of its own, and a buffer that is
/// cleared keeps its memory.
///
/// # Examples
///
/// ```
/// use tidemill::{Changes, KeyGroup};
///
/// let group = KeyGroup::of_encoded(b"pond");
/// let mut changes = Changes::new();
/// changes.put(group, b"pond", b"7");
/// changes.remove(group, b"pond");
///
/// let again = Changes::from_bytes(changes.as_bytes().to_vec(), "deltas/3")?;
/// let values: Vec<_> = again.iter().map(|change| change.value).collect();
/// assert_eq!(values, [Some(&b"7"[..]), None]);
/// # Ok::<(), tidemill::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    // Invariant: `count` whole changes, each of an existing group.
    bytes: Vec<u8>,
    count: usize,
}

impl Changes {
    /// No changes.
    pub fn new() -> Self {
        Self::default()
    }

    /// No changes, and room for so many bytes.
    pub(crate) fn with_room(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), count: 0 }
    }

    /// Sets the state of a key.
    pub fn put(&mut self, group: KeyGroup, key: &[u8], value: &[u8]) {
        self.head(group, key);
        // One more than the length: 0 says "removed".
        push_length(&mut self.bytes, value.len() + 1);
        self.bytes.extend_from_slice(value);
        self.count += 1;
    }

    /// Sets the state of a key to what `encode` appends, without a buffer in between.
    ///
    /// # Errors
    /// What `encode` returns; the change is not in here then.
    pub fn put_with(
        &mut self,
        group: KeyGroup,
        key: &[u8],
        encode: impl FnOnce(&mut Vec<u8>) -> Result<()>,
    ) -> Result<()> {
        let before = self.bytes.len();
        self.head(group, key);
        let length_at = self.bytes.len();
        // Room for the length of a small value; a larger one is moved once, to make room for the rest of its length.
        self.bytes.push(0);
        if let Err(error) = encode(&mut self.bytes) {
            self.bytes.truncate(before);
            return Err(error);
        }
        let length = self.bytes.len().saturating_sub(length_at + 1) + 1;
        match self.bytes.get_mut(length_at) {
            Some(place) if length < 0x80 => *place = length as u8,
            _ => {
                let mut prefix = [0; LENGTH_BYTES_MAX];
                let prefix = length_bytes(length, &mut prefix);
                self.bytes.splice(length_at..=length_at, prefix.iter().copied());
            }
        }
        self.count += 1;
        Ok(())
    }

    /// Removes a key; one that has no state may be removed too.
    pub fn remove(&mut self, group: KeyGroup, key: &[u8]) {
        self.head(group, key);
        push_length(&mut self.bytes, 0);
        self.count += 1;
    }

    /// Adds the same change as `change`.
    pub fn push(&mut self, change: Change<'_>) {
        match change.value {
            Some(value) => self.put(change.group, change.key, value),
            None => self.remove(change.group, change.key),
        }
    }

    /// How many changes there are, each one of a key counted.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Forgets all changes and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.count = 0;
    }

    /// The changes in order.
    pub fn iter(&self) -> impl Iterator<Item = Change<'_>> {
        let mut rest = self.bytes.as_slice();
        // Sound by the invariant, so what ends the loop is the end.
        std::iter::from_fn(move || take(&mut rest))
    }

    /// Their bytes, as they are written down.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Their bytes, as they are written down.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Reads changes that were written down; `path` is for the error.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where the bytes are no whole changes.
    pub fn from_bytes(bytes: Vec<u8>, path: &str) -> Result<Self> {
        let (mut rest, mut count) = (bytes.as_slice(), 0);
        while !rest.is_empty() {
            let at = bytes.len() - rest.len();
            if take(&mut rest).is_none() {
                let reason = format!("change {count} of a state, at byte {at}, is cut off or damaged");
                return Err(Error::Corrupt { path: path.into(), reason });
            }
            count += 1;
        }
        Ok(Self { bytes, count })
    }

    fn head(&mut self, group: KeyGroup, key: &[u8]) {
        self.bytes.push(group.index());
        push_length(&mut self.bytes, key.len());
        self.bytes.extend_from_slice(key);
    }
}

/// The first change of `rest`; `None` at the end, and where it is not whole.
fn take<'a>(rest: &mut &'a [u8]) -> Option<Change<'a>> {
    let (group, after) = rest.split_first()?;
    let mut after = after;
    let group = KeyGroup::from_index(*group)?;
    let key_length = take_length(&mut after)?;
    let (key, after) = after.split_at_checked(key_length)?;
    let mut after = after;
    let value = match take_length(&mut after)? {
        0 => None,
        length => {
            let (value, behind) = after.split_at_checked(length - 1)?;
            after = behind;
            Some(value)
        }
    };
    *rest = after;
    Some(Change { group, key, value })
}

/// What a length takes at most: 64 bits, 7 a byte.
const LENGTH_BYTES_MAX: usize = 10;

fn push_length(out: &mut Vec<u8>, length: usize) {
    out.extend_from_slice(length_bytes(length, &mut [0; LENGTH_BYTES_MAX]));
}

fn length_bytes(length: usize, buffer: &mut [u8; LENGTH_BYTES_MAX]) -> &[u8] {
    let (mut left, mut used) = (length as u64, 0);
    for byte in buffer.iter_mut() {
        used += 1;
        *byte = left as u8 & 0x7f;
        left >>= 7;
        if left == 0 {
            break;
        }
        *byte |= 0x80;
    }
    buffer.get(..used).unwrap_or_default()
}

fn take_length(bytes: &mut &[u8]) -> Option<usize> {
    let mut length = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        // The tenth byte has room for one bit.
        if shift == 63 && bits > 1 {
            return None;
        }
        length |= bits << shift;
        if byte & 0x80 == 0 {
            return usize::try_from(length).ok();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::ser::Error as _;
    use serde::{Deserialize, Serialize, Serializer};

    use super::*;
    use crate::data::Wire as _;

    type Plain = (u8, Vec<u8>, Option<Vec<u8>>);

    fn group(index: u8) -> KeyGroup {
        KeyGroup::from_index(index).unwrap()
    }

    fn plain(changes: &Changes) -> Vec<Plain> {
        let owned = |c: Change<'_>| (c.group.index(), c.key.to_vec(), c.value.map(<[u8]>::to_vec));
        changes.iter().map(owned).collect()
    }

    /// Lengths around one and two bytes of a length.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            prop::collection::vec(any::<u8>(), 0..4),
            prop::collection::vec(any::<u8>(), 125..130),
            prop::collection::vec(any::<u8>(), 16_381..16_386),
        ]
    }

    #[test]
    fn the_bytes_of_a_change_never_change() {
        let mut changes = Changes::new();
        changes.put(group(3), b"ebb", b"7");
        changes.put(group(127), b"", &[9; 130]);
        changes.remove(group(0), b"flood");

        let mut expected = vec![3, 3, b'e', b'b', b'b', 2, b'7', 127, 0, 0x83, 1];
        expected.extend([9; 130]);
        expected.extend([0, 5, b'f', b'l', b'o', b'o', b'd', 0]);
        assert_eq!(changes.as_bytes(), expected);
        assert_eq!(changes.len(), 3);
    }

    #[derive(Clone, Deserialize)]
    struct Broken;

    impl Serialize for Broken {
        fn serialize<S: Serializer>(&self, _: S) -> std::result::Result<S::Ok, S::Error> {
            Err(S::Error::custom("broken"))
        }
    }

    #[test]
    fn a_value_that_cannot_be_encoded_leaves_no_trace() {
        let mut changes = Changes::new();
        changes.put(group(1), b"a", b"1");
        let before = changes.clone();

        let failed = changes.put_with(group(1), b"b", |out| ("half".to_string(), Broken).encode(out));

        assert!(matches!(failed, Err(Error::Wire { .. })), "{failed:?}");
        assert_eq!(changes, before);
    }

    #[test]
    fn damaged_bytes_are_refused_with_their_place() {
        let mut changes = Changes::new();
        changes.put(group(1), b"a", b"1");
        changes.put(group(1), b"b", b"2");
        let cut = changes.as_bytes()[..8].to_vec();
        let wrong_group = vec![128, 0, 0];
        let endless_length = [vec![1], vec![0xff; 11]].concat();

        let error = Changes::from_bytes(cut, "deltas/3").unwrap_err().to_string();
        assert!(
            error.contains("`deltas/3`") && error.contains("change 1") && error.contains("byte 5"),
            "{error}"
        );
        for bytes in [wrong_group, endless_length] {
            assert!(Changes::from_bytes(bytes, "x").is_err());
        }
    }

    proptest! {
        #[test]
        fn what_was_put_in_comes_out_in_order(
            all in prop::collection::vec((0_u8..128, bytes(), prop::option::of(bytes())), 0..6),
        ) {
            let (mut direct, mut in_place) = (Changes::new(), Changes::new());
            for (index, key, value) in &all {
                direct.push(Change { group: group(*index), key, value: value.as_deref() });
                match value {
                    None => in_place.remove(group(*index), key),
                    Some(value) => in_place
                        .put_with(group(*index), key, |out| {
                            out.extend_from_slice(value);
                            Ok(())
                        })
                        .unwrap(),
                }
            }

            prop_assert_eq!(&plain(&direct), &all);
            prop_assert_eq!(&in_place, &direct);
            prop_assert_eq!(Changes::from_bytes(direct.as_bytes().to_vec(), "x").unwrap(), direct);
        }

        #[test]
        fn any_bytes_are_changes_or_an_error(bytes: Vec<u8>) {
            if let Ok(changes) = Changes::from_bytes(bytes.clone(), "x") {
                prop_assert_eq!(changes.iter().count(), changes.len());
                prop_assert_eq!(changes.as_bytes(), &bytes[..]);
            }
        }
    }
}
