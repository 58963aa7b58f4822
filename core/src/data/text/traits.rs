//! What a text is to the standard library and to serde.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::convert::Infallible;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::str::FromStr;

use bytes::Bytes;
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::{Serialize, Serializer};

use super::repr::{INLINE, Text, TextBlock};

impl Default for Text {
    fn default() -> Self {
        Self::new()
    }
}

impl Deref for Text {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self
    }
}

impl AsRef<[u8]> for Text {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}

impl PartialEq for Text {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        let (one, two) = (self.words(), other.words());
        // Shared texts with equal words are the same place of the same block. The third words hold tag and length.
        (one[0] ^ two[0]) | (one[1] ^ two[1]) | (one[2] ^ two[2]) == 0
            || (one[2] == two[2] && self.is_shared() && same_bytes(self, other))
    }
}

impl Eq for Text {}

#[cold]
#[inline(never)]
fn same_bytes(one: &Text, other: &Text) -> bool {
    one.as_str() == other.as_str()
}

impl Hash for Text {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        if self.is_shared() {
            return hash_bytes(self, state);
        }
        // Measured with foldhash: as fast as any way that keeps all bits apart, and twice as fast as bytes.
        self.words().into_iter().for_each(|word| state.write_u64(word));
    }
}

#[inline(never)]
fn hash_bytes<H: Hasher>(text: &Text, state: &mut H) {
    text.as_str().hash(state);
}

impl Ord for Text {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        if self.is_shared() || other.is_shared() {
            return self.as_str().cmp(other.as_str());
        }
        // Zeros fill the end and the length comes last, so the words in order of memory have the order of the bytes.
        self.words().map(u64::from_be).cmp(&other.words().map(u64::from_be))
    }
}

impl PartialOrd for Text {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Equality with the other types of text, in both directions.
macro_rules! equal_to {
    ($($other:ty),*) => {$(
        impl PartialEq<$other> for Text {
            fn eq(&self, other: &$other) -> bool {
                let other: &str = other.as_ref();
                self.as_str() == other
            }
        }

        impl PartialEq<Text> for $other {
            fn eq(&self, other: &Text) -> bool {
                other == self
            }
        }
    )*};
}

equal_to!(str, &str, String);

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        if text.len() <= INLINE {
            Self::inline(text)
        } else {
            TextBlock::checked(Bytes::copy_from_slice(text.as_bytes())).into()
        }
    }
}

/// Does not copy a text longer than 22 bytes.
impl From<String> for Text {
    fn from(text: String) -> Self {
        if text.len() <= INLINE { Self::inline(&text) } else { TextBlock::from(text).into() }
    }
}

impl From<&String> for Text {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<Cow<'_, str>> for Text {
    fn from(text: Cow<'_, str>) -> Self {
        match text {
            Cow::Borrowed(text) => Self::from(text),
            Cow::Owned(text) => Self::from(text),
        }
    }
}

impl From<char> for Text {
    fn from(c: char) -> Self {
        Self::inline(c.encode_utf8(&mut [0; 4]))
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.as_str().to_owned()
    }
}

impl FromStr for Text {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self::from(text))
    }
}

impl FromIterator<char> for Text {
    fn from_iter<I: IntoIterator<Item = char>>(chars: I) -> Self {
        Self::from(chars.into_iter().collect::<String>())
    }
}

/// As a string.
impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

/// From a string; a short one allocates nothing.
impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AsText;

        impl Visitor<'_> for AsText {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text, E> {
                Ok(Text::from(text))
            }

            fn visit_string<E: de::Error>(self, text: String) -> Result<Text, E> {
                Ok(Text::from(text))
            }
        }

        deserializer.deserialize_str(AsText)
    }
}
