//! Many keys at once, and what was found: flat buffers that are used again.

use crate::data::{Key, KeyGroup};
use crate::words::Result;

/// Encoded keys to look up, each with its group, in one buffer.
///
/// # Examples
///
/// ```
/// use tidemill::{KeyGroup, Keys};
///
/// let mut keys = Keys::new();
/// let group = keys.push(&"pond".to_string())?;
/// assert_eq!(group, KeyGroup::of(&"pond".to_string())?);
/// assert_eq!(keys.iter().collect::<Vec<_>>(), [(group, &b"\x04pond"[..])]);
/// # Ok::<(), tidemill::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Keys {
    bytes: Vec<u8>,
    // Group of a key, and where its bytes end; they start where those of the one before end.
    ends: Vec<(KeyGroup, usize)>,
}

impl Keys {
    /// No keys.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a key, encoded once: its bytes and its group serve the lookup and the change that follows.
    ///
    /// # Errors
    /// [`Error::Wire`](crate::Error::Wire) where the key cannot be written down; it is not in here then.
    pub fn push(&mut self, key: &impl Key) -> Result<KeyGroup> {
        let start = self.bytes.len();
        if let Err(error) = key.encode(&mut self.bytes) {
            self.bytes.truncate(start);
            return Err(error);
        }
        let group = KeyGroup::of_encoded(self.bytes.get(start..).unwrap_or_default());
        self.ends.push((group, self.bytes.len()));
        Ok(group)
    }

    /// Adds a key that is encoded already, in the group that it was put under.
    pub fn push_encoded(&mut self, group: KeyGroup, key: &[u8]) {
        self.bytes.extend_from_slice(key);
        self.ends.push((group, self.bytes.len()));
    }

    /// The key number `index`, with its group.
    pub fn get(&self, index: usize) -> Option<(KeyGroup, &[u8])> {
        let (group, end) = *self.ends.get(index)?;
        Some((group, self.bytes.get(start(&self.ends, index)..end)?))
    }

    /// The keys in order.
    pub fn iter(&self) -> impl Iterator<Item = (KeyGroup, &[u8])> {
        (0..self.len()).filter_map(|index| self.get(index))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Forgets all keys and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
}

/// What a lookup found, in one buffer: number `i` belongs to the key with number `i`.
#[derive(Clone, Debug, Default)]
pub struct Values {
    bytes: Vec<u8>,
    // Whether there is a value, and where its bytes end.
    ends: Vec<(bool, usize)>,
}

impl Values {
    /// No values.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds what belongs to the next key; `None` where it has no state.
    pub fn push(&mut self, value: Option<&[u8]>) {
        self.bytes.extend_from_slice(value.unwrap_or_default());
        self.ends.push((value.is_some(), self.bytes.len()));
    }

    /// The value of the key with this number; `None` where it has no state.
    pub fn get(&self, index: usize) -> Option<&[u8]> {
        let (found, end) = *self.ends.get(index)?;
        self.bytes.get(start(&self.ends, index)..end).filter(|_| found)
    }

    /// The values in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = Option<&[u8]>> {
        (0..self.len()).map(|index| self.get(index))
    }

    /// How many answers there are, those without a state counted.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Forgets all values and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
}

fn start<T>(ends: &[(T, usize)], index: usize) -> usize {
    index.checked_sub(1).and_then(|before| ends.get(before)).map_or(0, |(_, end)| *end)
}

/// Where a scan goes on: a mark that only the store that made it can read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScanCursor {
    mark: Vec<u8>,
}

impl ScanCursor {
    /// The start of a group.
    pub fn new() -> Self {
        Self::default()
    }

    /// The store's mark; empty at the start.
    pub fn mark(&self) -> &[u8] {
        &self.mark
    }

    /// Sets the store's mark, as a number or as the last key that was given.
    pub fn set_mark(&mut self, mark: &[u8]) {
        self.mark.clear();
        self.mark.extend_from_slice(mark);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_value_is_another_answer_than_none() {
        let mut values = Values::new();
        for value in [Some(&b"ebb"[..]), None, Some(b""), Some(b"flood")] {
            values.push(value);
        }

        let all: Vec<_> = values.iter().collect();
        assert_eq!(all, [Some(&b"ebb"[..]), None, Some(b""), Some(b"flood")]);
        assert_eq!((values.len(), values.get(4)), (4, None));

        values.clear();
        values.push(Some(b"again"));
        assert_eq!(values.iter().collect::<Vec<_>>(), [Some(&b"again"[..])]);
    }

    #[test]
    fn keys_come_back_with_their_groups() {
        let mut keys = Keys::new();
        let group = keys.push(&7_u64).unwrap();
        keys.push_encoded(KeyGroup::from_index(127).unwrap(), b"");
        keys.push(&"tide".to_string()).unwrap();

        assert_eq!(group, KeyGroup::of(&7_u64).unwrap());
        assert_eq!(keys.get(0), Some((group, &[7][..])));
        assert_eq!(keys.get(1), Some((KeyGroup::from_index(127).unwrap(), &b""[..])));
        assert_eq!(keys.get(2).unwrap().1, b"\x04tide");
        assert_eq!((keys.get(3), keys.len()), (None, 3));
    }
}
