//! A partition as an iterator, for functions that take one.

use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;

use super::node::Pull;
use crate::data::Data;
use crate::runtime::TaskContext;
use crate::words::{Error, Result};

/// The elements of one partition, one by one.
///
/// A source that fails ends the iteration early; the error then fails the task once the function around has returned, so
/// what it made of the first part is never used.
pub struct Elements<T> {
    up: Pull<T>,
    // What is left of the last chunk, reversed: taken from its end.
    left: Vec<T>,
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
        (Self { up, left: Vec::new(), failure: failure.clone(), ended: false }, failure)
    }
}

impl<T> Elements<T> {
    /// The task that computes this partition: its number, its try, and how to wait for an async client.
    pub fn task(&self) -> &TaskContext {
        self.up.task()
    }
}

impl<T: Data> Iterator for Elements<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        loop {
            if let Some(element) = self.left.pop() {
                return Some(element);
            }
            if self.ended {
                return None;
            }
            match self.up.next() {
                // Mostly an exchange of two lists: the producer gets back what is used up here.
                Ok(Some(chunk)) => chunk.append_to(&mut self.left),
                Ok(None) => self.ended = true,
                Err(error) => {
                    self.ended = true;
                    self.failure.0.set(Some(error));
                }
            }
            self.left.reverse();
        }
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
