//! How elements pass from operator to operator.

use std::sync::Arc;

use crate::words::Result;

/// Some elements of a partition, lent until the next pull.
#[derive(Debug)]
pub enum Chunk<'a, T> {
    /// The producer keeps them.
    Ref(&'a [T]),
    /// To be drained; the `Vec` itself stays the producer's, to be filled again.
    Own(&'a mut Vec<T>),
}

impl<T> Chunk<'_, T> {
    /// The elements.
    pub fn as_slice(&self) -> &[T] {
        match self {
            Self::Ref(slice) => slice,
            Self::Own(vec) => vec,
        }
    }

    /// Moves the elements behind those in `to`; clones those that the producer keeps.
    pub fn append_to(self, to: &mut Vec<T>)
    where
        T: Clone,
    {
        match self {
            Self::Ref(slice) => to.extend_from_slice(slice),
            // An exchange of two pointers where the receiver is empty.
            Self::Own(vec) if to.is_empty() => std::mem::swap(vec, to),
            Self::Own(vec) => to.append(vec),
        }
    }
}

/// A partition, chunk by chunk: a pull that lends, and can fail.
///
/// # Laws
/// 1. A consumer need not drain `Own`, and may exchange the `Vec` for an empty one. What it leaves the *producer* clears
///    at the next pull; it is never lent again.
/// 2. After an error or `None`, nobody pulls again.
pub trait Chunks<T> {
    /// The next elements, `None` at the end. An empty chunk is allowed and means "ask again".
    ///
    /// # Errors
    /// Whatever the source or a function before it failed with.
    fn next(&mut self) -> Result<Option<Chunk<'_, T>>>;

    /// Passes over the rest and says how many they are. A source that knows its count answers without making them.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    fn count_rest(&mut self) -> Result<u64> {
        let mut count = 0;
        while let Some(chunk) = self.next()? {
            count += chunk.as_slice().len() as u64;
        }
        Ok(count)
    }
}

/// Elements of a source's chunk: enough that the calls for a chunk do not count, few enough that it stays in the first
/// cache beside what the next operators make of it. Measured: 512 and more are slower for numbers and for lines.
pub(crate) const CHUNK: usize = 256;

/// Records that stay where they are, lent in chunks.
pub(crate) struct Kept<U> {
    pub(crate) records: Arc<Vec<U>>,
    pub(crate) at: usize,
}

impl<U> Chunks<U> for Kept<U> {
    fn next(&mut self) -> Result<Option<Chunk<'_, U>>> {
        let rest = &self.records[self.at..];
        if rest.is_empty() {
            return Ok(None);
        }
        let lent = &rest[..rest.len().min(CHUNK)];
        self.at += lent.len();
        Ok(Some(Chunk::Ref(lent)))
    }

    fn count_rest(&mut self) -> Result<u64> {
        let rest = self.records.len() - self.at;
        self.at = self.records.len();
        Ok(rest as u64)
    }
}
