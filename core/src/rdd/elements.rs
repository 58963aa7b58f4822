//! A partition as an iterator, for functions that take one.

use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;

use super::node::Pull;
use crate::data::{Chunk, Data};
use crate::runtime::TaskContext;
use crate::words::{Error, Result};

/// The elements of one partition, one by one.
///
/// `for_each`, `fold`, `sum` and their like are faster than a loop: what lies in memory already is not copied for them.
///
/// A source that fails ends the iteration early; the error then fails the task once the function around has returned, so
/// what it made of the first part is never used.
pub struct Elements<T> {
    up: Pull<T>,
    // What is left of the last chunk.
    left: std::vec::IntoIter<T>,
    failure: Failure,
    ended: bool,
}

/// Where [`Elements`] leaves the error that ended it.
#[derive(Clone, Default)]
pub(crate) struct Failure(Rc<Cell<Option<Error>>>);

impl Failure {
    /// The error, if there was one.
    fn check(&self) -> Result<()> {
        self.0.take().map_or(Ok(()), Err)
    }

    /// Runs a function that pulls the elements. A source that failed meanwhile is the error, whatever the function made of
    /// too few elements: a result, an error of its own, a panic.
    pub(crate) fn first<R>(&self, run: impl FnOnce() -> R) -> Result<R> {
        let outcome = catch_unwind(AssertUnwindSafe(run));
        self.check()?;
        outcome.map_or_else(|panic| resume_unwind(panic), Ok)
    }
}

impl<T> Elements<T> {
    pub(crate) fn new(up: Pull<T>) -> (Self, Failure) {
        let failure = Failure::default();
        (Self { up, left: Vec::new().into_iter(), failure: failure.clone(), ended: false }, failure)
    }
}

impl<T> Elements<T> {
    /// The task that computes this partition: its number, its try, and how to wait for an async client.
    pub fn task(&self) -> &TaskContext {
        self.up.task()
    }
}

impl<T: Data> Elements<T> {
    /// The next chunk; `None` at the end, and behind a failure, which is left for the task.
    fn pull(&mut self) -> Option<Chunk<'_, T>> {
        if self.ended {
            return None;
        }
        match self.up.next() {
            Ok(Some(chunk)) => return Some(chunk),
            Ok(None) => {}
            Err(error) => self.failure.0.set(Some(error)),
        }
        self.ended = true;
        None
    }

    /// Takes in the next chunk that has something; at the end nothing is left.
    #[inline(never)]
    fn refill(&mut self) {
        while self.left.len() == 0 {
            let next = match self.pull() {
                Some(Chunk::Ref(lent)) => Vec::from(lent),
                // The producer gets a list for as many: both are asked for at once, and not while they are filled.
                Some(Chunk::Own(list)) => {
                    let room = Vec::with_capacity(list.len());
                    std::mem::replace(list, room)
                }
                None => return,
            };
            self.left = next.into_iter();
        }
    }
}

impl<T: Data> Iterator for Elements<T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        if self.left.len() == 0 {
            self.refill();
        }
        self.left.next()
    }

    /// Faster than one by one: what an operator before lends is read where it lies. `for_each`, `sum` and their like go this
    /// way too.
    fn fold<B, F: FnMut(B, T) -> B>(mut self, init: B, mut f: F) -> B {
        let mut folded = std::mem::take(&mut self.left).fold(init, &mut f);
        while let Some(chunk) = self.pull() {
            folded = match chunk {
                Chunk::Ref(lent) => lent.iter().cloned().fold(folded, &mut f),
                Chunk::Own(list) => list.drain(..).fold(folded, &mut f),
            };
        }
        folded
    }

    /// Counts without making the elements, as far as the operators before can.
    fn count(mut self) -> usize {
        let more = if self.ended { Ok(0) } else { self.up.count_rest() };
        let more = more.unwrap_or_else(|error| {
            self.failure.0.set(Some(error));
            0
        });
        self.left.len() + more as usize
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left.len(), self.ended.then_some(self.left.len()))
    }
}

impl<T> fmt::Debug for Elements<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Elements").field("ended", &self.ended).finish_non_exhaustive()
    }
}
