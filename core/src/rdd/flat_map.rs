//! `flat_map` and `flat_map_to`: any number of elements for each.

use std::panic::Location;
use std::sync::Arc;

use super::node::{Narrow, Operator, Part, Pull};
use super::{Function, Rdd};
use crate::data::{Chunk, Chunks, Data};
use crate::words::Result;

/// A chunk ends once it holds this many elements: what one input chunk became must not leave the cache before the next
/// operator sees it.
const OUT: usize = 512;

/// Pieces of one element that go into a chunk whole, though it grows beyond [`OUT`]; more are taken little by little, so
/// that an element may give any number of them, even without end.
const WHOLE: usize = 4096;

impl<T> Rdd<T> {
    /// Any number of elements for each, in order. Return what owns its parts: `Text::split`, a `Vec`, an `Option`.
    ///
    /// ```
    /// # let ssc = tidemill::testing::local(2);
    /// use tidemill::Text;
    ///
    /// let lines = ssc.parallelize(vec![Text::from("tide mill"), Text::from("sea")], 2);
    /// assert_eq!(lines.flat_map(|line| line.split(' ')).collect()?, ["tide", "mill", "sea"]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn flat_map<I>(&self, f: impl Fn(T) -> I + Send + Sync + 'static) -> Rdd<I::Item>
    where
        T: Data,
        I: IntoIterator<Item: Data, IntoIter: 'static>,
    {
        let site = self.site("flat_map", Location::caller());
        let each = move |element: T| f(element).into_iter();
        self.then(Narrow::new(self.node(), site, FlatMap(Arc::new(each))))
    }

    /// As [`flat_map`](Self::flat_map), for pieces that are not one iterator, or that are made faster in place: `f` puts
    /// them into the [`Emitter`].
    ///
    /// ```
    /// # let ssc = tidemill::testing::local(2);
    /// let numbers = ssc.parallelize(vec![1, 2, 3], 2);
    /// let repeated = numbers.flat_map_to(|n, out| (0..*n).for_each(|_| out.emit(*n)));
    /// assert_eq!(repeated.collect()?, [1, 2, 2, 3, 3, 3]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn flat_map_to<U: Data>(&self, f: impl Fn(&T, &mut Emitter<'_, U>) + Send + Sync + 'static) -> Rdd<U>
    where
        T: Data,
    {
        let site = self.site("flat_map_to", Location::caller());
        let each = move |element: T, out: &mut Vec<U>| {
            f(&element, &mut Emitter(out));
            Ok(())
        };
        self.then(Narrow::new(self.node(), site, FlatMapTo(Arc::new(each))))
    }
}

/// Where `flat_map_to` puts its results.
#[derive(Debug)]
pub struct Emitter<'a, U>(&'a mut Vec<U>);

impl<U> Emitter<'_, U> {
    /// Puts one.
    #[inline]
    pub fn emit(&mut self, element: U) {
        self.0.push(element);
    }
}

impl<U> Extend<U> for Emitter<'_, U> {
    fn extend<I: IntoIterator<Item = U>>(&mut self, elements: I) {
        self.0.extend(elements);
    }
}

/// What is left of the last input chunk, reversed: taken from its end.
struct Left<T>(Vec<T>);

impl<T: Data> Left<T> {
    /// Pulls a chunk if nothing is left; `false` at the end.
    fn refill(&mut self, up: &mut Pull<T>) -> Result<bool> {
        if !self.0.is_empty() {
            up.resume();
            return Ok(true);
        }
        let Some(chunk) = up.next()? else { return Ok(false) };
        chunk.append_to(&mut self.0);
        self.0.reverse();
        Ok(true)
    }
}

struct FlatMap<F>(Arc<F>);

struct FlatMapped<T, I: Iterator, F> {
    up: Pull<T>,
    each: Arc<F>,
    left: Left<T>,
    // What one element gave and did not fit, or may be without end.
    open: Option<I>,
    out: Vec<I::Item>,
}

impl<T: Data, U: Data, I: Iterator<Item = U> + 'static, F: Fn(T) -> I + Function> Operator<T, U>
    for FlatMap<F>
{
    fn open(&self, up: Pull<T>, _partition: usize) -> Part<U> {
        let (left, out) = (Left(Vec::new()), Vec::new());
        Box::new(FlatMapped { up, each: Arc::clone(&self.0), left, open: None, out })
    }
}

impl<T: Data, I: Iterator, F: Fn(T) -> I> Chunks<I::Item> for FlatMapped<T, I, F> {
    fn next(&mut self) -> Result<Option<Chunk<'_, I::Item>>> {
        self.out.clear();
        if self.open.is_some() {
            self.up.task().check()?;
            self.up.resume();
        } else if !self.left.refill(&mut self.up)? {
            return Ok(None);
        }
        while self.out.len() < OUT {
            if let Some(open) = &mut self.open {
                self.out.extend(open.by_ref().take(OUT - self.out.len()));
                if self.out.len() < OUT {
                    self.open = None;
                }
                continue;
            }
            let Some(element) = self.left.0.pop() else { break };
            let elements = (self.each)(element);
            // One look at the hint for all of an element's pieces: short ones go in at once.
            if elements.size_hint().1.is_some_and(|most| most <= WHOLE) {
                self.out.extend(elements);
            } else {
                self.open = Some(elements);
            }
        }
        Ok(Some(Chunk::Own(&mut self.out)))
    }
}

/// The operator of a function that puts what an element gives into a list; `try_map` and `try_flat_map` have it too. For a
/// function that cannot fail, the check of its result is compiled away.
pub(super) struct FlatMapTo<F>(pub(super) Arc<F>);

struct FlatMappedTo<T, U, F> {
    up: Pull<T>,
    each: Arc<F>,
    left: Left<T>,
    out: Vec<U>,
}

impl<T: Data, U: Data, F: Fn(T, &mut Vec<U>) -> Result<()> + Function> Operator<T, U> for FlatMapTo<F> {
    fn open(&self, up: Pull<T>, _partition: usize) -> Part<U> {
        Box::new(FlatMappedTo { up, each: Arc::clone(&self.0), left: Left(Vec::new()), out: Vec::new() })
    }
}

impl<T: Data, U, F: Fn(T, &mut Vec<U>) -> Result<()>> Chunks<U> for FlatMappedTo<T, U, F> {
    fn next(&mut self) -> Result<Option<Chunk<'_, U>>> {
        self.out.clear();
        if !self.left.refill(&mut self.up)? {
            return Ok(None);
        }
        while self.out.len() < OUT
            && let Some(element) = self.left.0.pop()
        {
            (self.each)(element, &mut self.out)?;
        }
        Ok(Some(Chunk::Own(&mut self.out)))
    }
}
