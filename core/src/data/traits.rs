//! What an element must be.

use std::any::type_name;
use std::hash::Hash;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::words::{Error, Result};

/// An element of an [`Rdd`](crate::Rdd) or a [`DStream`](crate::DStream).
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an element of a DStream",
    label = "not `Clone + Send + Sync + 'static`",
    note = "elements are `Clone + Send + Sync + 'static`: no `Rc`, no borrowed data; keep a `Text`, a `String` or an `Arc`"
)]
pub trait Data: Clone + Send + Sync + 'static {}

impl<T: Clone + Send + Sync + 'static> Data for T {}

/// An element that can be written down: to another member, to disk, into the ledger.
///
/// Every serde type is one, in postcard's format. A type without serde implements the two methods by hand.
///
/// # Laws
/// 1. `decode(encode(x))` equals `x`, takes all bytes that `encode` gave, and shares no memory with them. The engine
///    relies on it to detach a value that outlives its batch from the block it was cut from.
/// 2. A format that needs to describe itself (`#[serde(untagged)]`, `flatten`, `skip_serializing_if`,
///    `serde_json::Value`) breaks 1. The engine checks the first record of each exchange, also where nothing leaves the
///    process, so that it shows on the first local run.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be written down",
    label = "not `Wire`",
    note = "add `#[derive(serde::Serialize, serde::Deserialize)]`: what crosses a shuffle, is collected or kept may travel"
)]
pub trait Wire: Data {
    /// Appends this value.
    ///
    /// # Errors
    /// [`Error::Wire`] where it cannot be written down; a part of it may be in `out` then, behind what was there.
    fn encode(&self, out: &mut Vec<u8>) -> Result<()>;

    /// Takes one value from the front.
    ///
    /// # Errors
    /// [`Error::Wire`] where the bytes are not of this type.
    fn decode(bytes: &mut &[u8]) -> Result<Self>;
}

impl<T: Data + Serialize + DeserializeOwned> Wire for T {
    fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        postcard::serialize_with_flavor(self, Appended(out))
            .map_err(|error| wire_error::<T>("written down", &error))
    }

    fn decode(bytes: &mut &[u8]) -> Result<Self> {
        let (value, rest) =
            postcard::take_from_bytes(bytes).map_err(|error| wire_error::<T>("read back", &error))?;
        *bytes = rest;
        Ok(value)
    }
}

/// Appends in place, so that what was in the buffer before is still there after an error.
struct Appended<'a>(&'a mut Vec<u8>);

impl postcard::ser_flavors::Flavor for Appended<'_> {
    type Output = ();

    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

fn wire_error<T>(direction: &'static str, error: &postcard::Error) -> Error {
    let hint = match error {
        postcard::Error::WontImplement | postcard::Error::SerializeSeqLengthUnknown => {
            "; serde's `untagged`, `flatten`, `skip_serializing_if` and `serde_json::Value` need a format that describes \
             itself: write the type out, or implement `Wire` by hand"
        }
        _ => "",
    };
    Error::Wire { type_name: type_name::<T>(), direction, reason: format!("{error}{hint}") }
}

/// Writes `value` down and reads it back: law 1 of [`Wire`], as far as it can be seen without `PartialEq`.
pub(crate) fn check_round_trip<T: Wire>(value: &T) -> Result<()> {
    let (mut first, mut second) = (Vec::new(), Vec::new());
    value.encode(&mut first)?;
    let mut rest = first.as_slice();
    T::decode(&mut rest)?.encode(&mut second)?;
    if rest.is_empty() && first == second {
        return Ok(());
    }
    Err(Error::Wire {
        type_name: type_name::<T>(),
        direction: "read back",
        reason: "what was written down and read back is another value; an attribute such as `#[serde(skip)]`, or an \
                 implementation of `Wire`, loses a part"
            .into(),
    })
}

/// A key.
///
/// # Law
/// Keys that are equal encode equally: a case-insensitive key stores its folded form. Where a key belongs is decided by
/// what it encodes to, not by [`Hash`], because what `Hash` feeds a hasher is no promise and may move with a compiler.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a key",
    label = "not `Key`",
    note = "add `#[derive(Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]`; floats are no keys: use `to_bits()`"
)]
pub trait Key: Wire + Hash + Eq {}

impl<T: Wire + Hash + Eq> Key for T {}
