//! Values that outlive their batch share no memory with it.

use std::any::TypeId;

use super::traits::Wire;
use crate::words::Result;

/// Whether a value of this type can hold no piece of a block: it has nothing on the heap, or a heap of its own.
fn owns_its_memory<T: 'static>() -> bool {
    let this = TypeId::of::<T>();
    let owned = [
        TypeId::of::<String>(),
        TypeId::of::<Vec<u8>>(),
        TypeId::of::<Vec<u64>>(),
        TypeId::of::<Vec<String>>(),
    ];
    !std::mem::needs_drop::<T>() || owned.contains(&this)
}

/// The same value without a share in anybody's memory: written down and read back, unless its type cannot have one.
///
/// A piece of text may share the block that it was cut from; kept in a state, ten bytes would hold a whole block.
///
/// # Errors
/// [`Error::Wire`](crate::Error::Wire) where it cannot be written down.
pub(crate) fn detach<T: Wire>(value: &mut T, scratch: &mut Vec<u8>) -> Result<()> {
    if owns_its_memory::<T>() {
        return Ok(());
    }
    scratch.clear();
    value.encode(scratch)?;
    *value = T::decode(&mut scratch.as_slice())?;
    Ok(())
}
