//! Panes combined in the order of time, a little at each slide.
//!
//! The panes of a window stand in three parts, oldest first. Those of the `front` are turned over: each has, for each of
//! its keys, what comes *behind* it within the front, so that a pane that leaves only puts that in the place of what was
//! there. Those of the `back` came last and are only added up. Between them is the `middle`: the former back, of which a few
//! panes are turned over at each slide, the newest first, so that all are by the time the front is used up. Then the
//! middle becomes the front, and the back the middle. So each pane is combined twice, however many a window has, nothing
//! is ever taken out by an inverse, and no slide does the work of many.

use std::collections::VecDeque;

use crate::words::{BatchTime, Result};

/// What a pane has for each of its keys, by their numbers; a number comes once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pane<V> {
    pub(crate) numbers: Vec<u32>,
    /// Of a pane that is turned over: what comes behind it.
    pub(crate) values: Vec<Option<V>>,
}

impl<V> Default for Pane<V> {
    fn default() -> Self {
        Self { numbers: Vec::new(), values: Vec::new() }
    }
}

/// Where panes lie that nothing is done with for now.
pub(crate) trait Shelf<V> {
    /// Where one lies.
    type Place;

    /// Puts a pane away.
    fn put(&mut self, pane: Pane<V>) -> Self::Place;

    /// Takes it again; where that fails, it lies there still.
    ///
    /// # Errors
    /// Of what is read back.
    fn take(&mut self, place: &mut Self::Place) -> Result<Pane<V>>;
}

/// The panes of a window, and what they combine to, by key.
///
/// A step that fails in the function of the user's changes nothing; what was done before stays done, and the next call
/// goes on behind it. That is why values are cloned before they are combined.
pub(crate) struct Panes<V, S: Shelf<V>> {
    shelf: S,
    /// How many there are in a window that is full.
    full: usize,
    // By number. Invariant: `front` is empty once `ready` is, and `turned` before the first of the middle is turned over.
    front: Vec<Option<V>>,
    middle: Vec<Option<V>>,
    turned: Vec<Option<V>>,
    back: Vec<Option<V>>,
    // All oldest first; the middle is `waiting`, then `hand`, then `done`.
    ready: VecDeque<(BatchTime, S::Place)>,
    waiting: VecDeque<(BatchTime, S::Place)>,
    done: VecDeque<(BatchTime, S::Place)>,
    fresh: VecDeque<(BatchTime, S::Place)>,
    // Being worked on, and how much of it is done: added to the back, turned over, leaving.
    adding: Option<(BatchTime, Pane<V>, usize)>,
    hand: Option<(BatchTime, Pane<V>, usize)>,
    leaving: Option<(Pane<V>, usize)>,
    // One that left, empty, so that the next one needs no new memory.
    spare: Pane<V>,
}

impl<V: Clone, S: Shelf<V>> Panes<V, S> {
    /// Of windows that have `full` panes.
    pub(crate) fn new(full: usize, shelf: S) -> Self {
        Self {
            shelf,
            full,
            front: Vec::new(),
            middle: Vec::new(),
            turned: Vec::new(),
            back: Vec::new(),
            ready: VecDeque::new(),
            waiting: VecDeque::new(),
            done: VecDeque::new(),
            fresh: VecDeque::new(),
            adding: None,
            hand: None,
            leaving: None,
            spare: Pane::default(),
        }
    }

    /// Makes room for `numbers`.
    pub(crate) fn grow(&mut self, numbers: usize) {
        for values in [&mut self.front, &mut self.middle, &mut self.turned, &mut self.back] {
            if values.len() < numbers {
                values.resize_with(numbers, || None);
            }
        }
    }

    /// What there is by number, in three lists, oldest first: each to be combined with the next.
    pub(crate) fn parts(&self) -> [&[Option<V>]; 3] {
        [&self.front, &self.middle, &self.back]
    }

    /// How many panes there are.
    pub(crate) fn len(&self) -> usize {
        self.ready.len() + self.middle_len() + self.fresh.len() + usize::from(self.adding.is_some())
    }

    fn middle_len(&self) -> usize {
        self.waiting.len() + usize::from(self.hand.is_some()) + self.done.len()
    }

    /// Ends what a call before has begun.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub(crate) fn settle(&mut self, f: &impl Fn(V, V) -> V) -> Result<()> {
        if self.adding.is_some() { self.add(f) } else { Ok(()) }
    }

    /// An empty pane for the next [`push`](Self::push), with the room of one that left where there is one.
    pub(crate) fn spare(&mut self) -> Pane<V> {
        std::mem::take(&mut self.spare)
    }

    /// Adds the pane that ends at `end`, the newest, and turns a few over.
    ///
    /// # Errors
    /// What the shelf gives no more.
    pub(crate) fn push(&mut self, end: BatchTime, pane: Pane<V>, f: &impl Fn(V, V) -> V) -> Result<()> {
        self.settle(f)?;
        self.adding = Some((end, pane, 0));
        self.add(f)
    }

    fn add(&mut self, f: &impl Fn(V, V) -> V) -> Result<()> {
        if let Some((_, pane, at)) = &mut self.adding {
            for (number, value) in pane.numbers.iter().zip(&pane.values).skip(*at) {
                if let Some(there) = self.back.get_mut(*number as usize) {
                    let newer = value.clone();
                    *there = match (&*there, newer) {
                        (Some(before), Some(newer)) => Some(f(before.clone(), newer)),
                        (_, newer) => newer,
                    };
                }
                *at += 1;
            }
        }
        if let Some((end, pane, _)) = self.adding.take() {
            self.fresh.push_back((end, self.shelf.put(pane)));
        }
        if self.ready.is_empty() && self.middle_len() == 0 && self.fresh.len() >= self.full.div_ceil(2) {
            self.rotate();
        }
        // So many panes come before the front is used up, this one included.
        let chances = self.ready.len() + self.full.saturating_sub(self.len()) + 1;
        let due = (self.waiting.len() + usize::from(self.hand.is_some())).div_ceil(chances);
        self.turn(due, f)
    }

    /// Turns panes of the middle over, the newest first.
    fn turn(&mut self, panes: usize, f: &impl Fn(V, V) -> V) -> Result<()> {
        for _ in 0..panes {
            if self.hand.is_none() {
                let Some((end, place)) = self.waiting.back_mut() else { return Ok(()) };
                self.hand = Some((*end, self.shelf.take(place)?, 0));
                self.waiting.pop_back();
            }
            if let Some((_, pane, at)) = &mut self.hand {
                for (number, value) in pane.numbers.iter().zip(&mut pane.values).skip(*at) {
                    if let Some(behind) = self.turned.get_mut(*number as usize) {
                        let both = match (&*value, &*behind) {
                            (Some(here), Some(behind)) => Some(f(here.clone(), behind.clone())),
                            _ => value.take(),
                        };
                        *value = std::mem::replace(behind, both);
                    }
                    *at += 1;
                }
            }
            if let Some((end, pane, _)) = self.hand.take() {
                self.done.push_front((end, self.shelf.put(pane)));
            }
        }
        Ok(())
    }

    /// Lets the panes go that end at or before `until`; `released` hears of each number once for each pane that it was in.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub(crate) fn leave(
        &mut self,
        until: BatchTime,
        f: &impl Fn(V, V) -> V,
        released: &mut impl FnMut(u32),
    ) -> Result<()> {
        loop {
            if let Some((pane, at)) = &mut self.leaving {
                for (number, behind) in pane.numbers.iter().zip(&mut pane.values).skip(*at) {
                    if let Some(there) = self.front.get_mut(*number as usize) {
                        *there = behind.take();
                    }
                    *at += 1;
                    released(*number);
                }
            }
            if let Some((mut left, _)) = self.leaving.take() {
                left.numbers.clear();
                left.values.clear();
                self.spare = left;
            }
            if self.oldest().is_none_or(|oldest| oldest > until) {
                return Ok(());
            }
            if self.ready.is_empty() {
                if self.middle_len() == 0 {
                    self.rotate();
                }
                self.turn(usize::MAX, f)?;
                self.rotate();
            }
            if let Some((_, place)) = self.ready.front_mut() {
                self.leaving = Some((self.shelf.take(place)?, 0));
                self.ready.pop_front();
            }
        }
    }

    /// When the oldest pane ends.
    fn oldest(&self) -> Option<BatchTime> {
        let hand = self.hand.as_ref().map(|(end, ..)| *end);
        let first = |panes: &VecDeque<(BatchTime, S::Place)>| panes.front().map(|(end, _)| *end);
        let middle = first(&self.waiting).or(hand).or_else(|| first(&self.done));
        first(&self.ready).or(middle).or_else(|| first(&self.fresh))
    }

    /// The middle, which is turned over whole, becomes the front, which is used up; the back becomes the middle.
    fn rotate(&mut self) {
        std::mem::swap(&mut self.front, &mut self.turned);
        std::mem::swap(&mut self.middle, &mut self.back);
        self.back.fill_with(|| None);
        // What these are swapped with is empty, and has the room that is needed next time.
        std::mem::swap(&mut self.ready, &mut self.done);
        std::mem::swap(&mut self.waiting, &mut self.fresh);
        // As many are to be turned over, and about as many to come: no slide on the way has to make room.
        self.done.reserve(self.waiting.len());
        self.fresh.reserve(self.waiting.len());
    }
}

#[cfg(test)]
mod tests;
