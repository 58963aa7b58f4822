//! One key's state while a user function looks at it.

use std::fmt;

use crate::words::{Error, Result};

/// One key's state while the function of `map_with_state` looks at it.
///
/// A call that makes no sense, such as an update after a remove, fails the task as soon as the function returns, with
/// the words that Spark has for it; nothing of the batch is kept then, so the function may simply go on.
#[derive(Debug)]
pub struct State<'a, S> {
    // What it was before the call: lent, so that a look at a large state copies nothing.
    before: Option<&'a S>,
    value: Option<S>,
    doing: Doing,
    mistake: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    Nothing,
    Updated,
    Removed,
    TimingOut,
}

/// What a user function did to a state.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome<S> {
    /// It looked, and the state is as it was.
    Untouched,
    /// It set this state.
    Updated(S),
    /// There is no state any more: it was removed, or its time is over.
    Gone,
}

impl<'a, S> State<'a, S> {
    /// A state for one call of the function.
    #[inline]
    pub(crate) fn new(before: Option<&'a S>) -> Self {
        Self { before, value: None, doing: Doing::Nothing, mistake: None }
    }

    /// A state that is looked at for the last time.
    pub(crate) fn timing_out(before: &'a S) -> Self {
        Self { before: Some(before), value: None, doing: Doing::TimingOut, mistake: None }
    }

    /// What the call did.
    ///
    /// # Errors
    /// Its first mistake: it would come again in each further try.
    #[inline]
    pub(crate) fn finish(self) -> Result<Outcome<S>> {
        match (self.mistake, self.doing, self.value) {
            (Some(mistake), ..) => Err(Error::new(mistake)),
            (None, Doing::Updated, Some(value)) => Ok(Outcome::Updated(value)),
            (None, Doing::Removed | Doing::TimingOut, _) => Ok(Outcome::Gone),
            (None, Doing::Nothing | Doing::Updated, _) => Ok(Outcome::Untouched),
        }
    }
}

impl<S> State<'_, S> {
    /// Whether there is one; `false` after a remove.
    #[inline]
    pub fn exists(&self) -> bool {
        self.get().is_some()
    }

    /// The state, if there is one.
    ///
    /// Spark's `get` throws where there is none, and its `getOption` is this.
    #[doc(alias = "getOption")]
    #[inline]
    pub fn get(&self) -> Option<&S> {
        if self.doing == Doing::Removed { None } else { self.value.as_ref().or(self.before) }
    }

    /// Sets the state.
    ///
    /// After [`remove`](Self::remove), and while [timing out](Self::is_timing_out), it is a mistake that fails the task.
    #[inline]
    pub fn update(&mut self, value: S) {
        match self.doing {
            Doing::Removed => self.blame("Cannot update the state after it has been removed"),
            Doing::TimingOut => self.blame("Cannot update the state that is timing out"),
            Doing::Nothing | Doing::Updated => {
                self.value = Some(value);
                self.doing = Doing::Updated;
            }
        }
    }

    /// Forgets the state.
    ///
    /// A second time, and while [timing out](Self::is_timing_out), it is a mistake that fails the task.
    pub fn remove(&mut self) {
        match self.doing {
            Doing::Removed => self.blame("Cannot remove the state that has already been removed"),
            Doing::TimingOut => self.blame("Cannot remove the state that is timing out"),
            Doing::Nothing | Doing::Updated => self.doing = Doing::Removed,
        }
    }

    /// Whether this is the last look at the state, because nothing came for its key for as long as the timeout says.
    #[doc(alias = "isTimingOut")]
    #[inline]
    pub fn is_timing_out(&self) -> bool {
        self.doing == Doing::TimingOut
    }

    /// Keeps the first mistake: what follows may come from it. The words are Spark's, so that a search finds them.
    fn blame(&mut self, mistake: &'static str) {
        self.mistake.get_or_insert(mistake);
    }
}

impl<S: fmt::Display> fmt::Display for State<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.get() {
            Some(value) => value.fmt(f),
            None => f.write_str("<state not set>"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::Retry;

    fn mistake<S: fmt::Debug>(state: State<'_, S>) -> String {
        let error = state.finish().unwrap_err();
        assert_eq!(error.retry(), Retry::Never);
        error.to_string()
    }

    // The steps of Spark's case "State object life".

    #[test]
    fn a_new_state_is_not_set() {
        let state = State::<'_, u32>::new(None);

        assert!(!state.exists() && !state.is_timing_out());
        assert_eq!((state.get(), state.to_string().as_str()), (None, "<state not set>"));
        assert_eq!(state.finish().unwrap(), Outcome::Untouched);
    }

    #[test]
    fn a_state_that_is_only_looked_at_is_not_updated() {
        let state = State::new(Some(&1));

        assert!(state.exists());
        assert_eq!((state.get(), state.to_string().as_str()), (Some(&1), "1"));
        assert_eq!(state.finish().unwrap(), Outcome::Untouched);
    }

    #[test]
    fn an_update_is_seen_at_once_and_the_last_one_counts() {
        for before in [None, Some(&1)] {
            let mut state = State::new(before);
            state.update(7);
            state.update(2);

            assert!(state.exists());
            assert_eq!(state.get(), Some(&2));
            assert_eq!(state.finish().unwrap(), Outcome::Updated(2));
        }
    }

    #[test]
    fn a_removed_state_is_not_set() {
        let mut state = State::new(Some(&1));
        state.update(2);
        state.remove();

        assert!(!state.exists());
        assert_eq!((state.get(), state.to_string().as_str()), (None, "<state not set>"));
        assert_eq!(state.finish().unwrap(), Outcome::Gone);

        let mut never_set = State::<'_, u32>::new(None);
        never_set.remove();
        assert_eq!(never_set.finish().unwrap(), Outcome::Gone);
    }

    #[test]
    fn after_a_remove_neither_update_nor_remove_is_possible() {
        let removed = || {
            let mut state = State::new(Some(&1));
            state.remove();
            state
        };
        let (mut updated, mut again) = (removed(), removed());
        updated.update(3);
        again.remove();

        assert!(!updated.exists());
        assert_eq!(mistake(updated), "Cannot update the state after it has been removed");
        assert_eq!(mistake(again), "Cannot remove the state that has already been removed");
    }

    #[test]
    fn a_state_that_is_timing_out_can_only_be_looked_at() {
        let timing_out = || State::timing_out(&3);
        let (mut updated, mut removed) = (timing_out(), timing_out());
        assert!(updated.exists() && updated.is_timing_out());
        assert_eq!(updated.get(), Some(&3));
        updated.update(4);
        removed.remove();

        assert_eq!(updated.get(), Some(&3));
        assert_eq!(mistake(updated), "Cannot update the state that is timing out");
        assert_eq!(mistake(removed), "Cannot remove the state that is timing out");
        assert_eq!(timing_out().finish().unwrap(), Outcome::Gone);
    }

    #[test]
    fn the_first_mistake_is_the_one_that_is_told() {
        let mut state = State::new(Some(&1));
        state.remove();
        state.remove();
        state.update(2);

        assert_eq!(mistake(state), "Cannot remove the state that has already been removed");
    }
}
