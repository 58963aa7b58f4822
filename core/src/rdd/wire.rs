//! Values that travel together, also where their parts are `Wire` by hand and serde knows nothing of them.

use std::any::type_name;

use crate::data::Wire;
use crate::words::{Error, Result};

/// Elements that travel together.
#[derive(Clone, Debug)]
pub(crate) struct Many<T>(pub(crate) Vec<T>);

impl<T: Wire> Wire for Many<T> {
    fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        (self.0.len() as u64).encode(out)?;
        self.0.iter().try_for_each(|element| element.encode(out))
    }

    fn decode(bytes: &mut &[u8]) -> Result<Self> {
        let count = u64::decode(bytes)?;
        // Not reserved from a number that came from outside.
        let mut all = Vec::new();
        for _ in 0..count {
            all.push(T::decode(bytes)?);
        }
        Ok(Self(all))
    }
}

/// Two values that travel together, such as a key and its value.
#[derive(Clone, Debug)]
pub(crate) struct Pair<A, B>(pub(crate) A, pub(crate) B);

impl<A: Wire, B: Wire> Wire for Pair<A, B> {
    fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        self.0.encode(out)?;
        self.1.encode(out)
    }

    fn decode(bytes: &mut &[u8]) -> Result<Self> {
        Ok(Self(A::decode(bytes)?, B::decode(bytes)?))
    }
}

/// How elements of one type are written down and read back, also where they are pairs of which serde knows nothing.
pub(crate) struct Codec<T> {
    pub(crate) encode: fn(&T, &mut Vec<u8>) -> Result<()>,
    pub(crate) decode: fn(&mut &[u8]) -> Result<T>,
}

impl<T> Clone for Codec<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Codec<T> {}

impl<T: Wire> Codec<T> {
    pub(crate) fn of() -> Self {
        Self { encode: T::encode, decode: T::decode }
    }
}

impl<A: Wire, B: Wire> Codec<(A, B)> {
    pub(crate) fn of_pairs() -> Self {
        Self {
            encode: |(a, b), out| a.encode(out).and_then(|()| b.encode(out)),
            decode: |bytes| Ok((A::decode(bytes)?, B::decode(bytes)?)),
        }
    }
}

/// Elements that are written down one behind the other, without a count.
pub(crate) fn encode_all<'a, T: Wire>(elements: impl IntoIterator<Item = &'a T>) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    elements.into_iter().try_for_each(|element| element.encode(&mut bytes))?;
    Ok(bytes)
}

/// The elements that [`encode_all`] wrote; not those that take no bytes, such as `()`.
pub(crate) fn decode_all<T: Wire>(mut bytes: &[u8], mut each: impl FnMut(T) -> Result<()>) -> Result<()> {
    while !bytes.is_empty() {
        each(T::decode(&mut bytes)?)?;
    }
    Ok(())
}

/// The `count` elements that [`encode_all`] wrote, whatever they are.
pub(crate) fn decode_counted<T: Wire>(
    mut bytes: &[u8],
    count: usize,
    mut each: impl FnMut(T) -> Result<()>,
) -> Result<()> {
    for _ in 0..count {
        each(T::decode(&mut bytes)?)?;
    }
    if bytes.is_empty() {
        return Ok(());
    }
    Err(Error::Wire {
        type_name: type_name::<T>(),
        direction: "read back",
        reason: format!("{} bytes are left behind the last of {count} elements", bytes.len()),
    })
}
