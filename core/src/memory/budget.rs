//! How many bytes may be held at once.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// A limit in bytes that many share; clones share it.
///
/// Two kinds of users with two ways to ask:
///
/// * A **task** asks with [`try_reserve`](Self::try_reserve) and does something else where there is no room: it spills.
/// * The **gate** asks with [`try_reserve_in_turn`](Self::try_reserve_in_turn) and spills, too; where there is no disk
///   either, it asks with [`reserve`](Self::reserve) and waits. Its requests are granted in the order in which they came, so
///   that a large block is not overtaken for ever by small ones.
///
/// A task may overtake those who wait: what it holds came in through the gate, so letting it finish is what makes
/// room, while a gate that waits is a source that slows down. That can last only as long as there is work inside.
///
/// A waiting request larger than the whole limit is granted once nothing else is held. It breaks the limit by what
/// nobody could have cut smaller, instead of waiting for ever.
///
/// Never await [`reserve`](Self::reserve) while holding a reservation of the same budget: two that do so can wait for
/// each other.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    limit: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    used: u64,
    waiting: VecDeque<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    bytes: u64,
    granted: oneshot::Sender<Reservation>,
}

impl Budget {
    /// A budget of `limit` bytes.
    pub(crate) fn new(limit: u64) -> Self {
        Self { shared: Arc::new(Shared { limit, state: Mutex::default() }) }
    }

    /// The limit in bytes.
    pub(crate) fn limit(&self) -> u64 {
        self.shared.limit
    }

    /// Bytes that are held now.
    #[cfg(test)]
    pub(super) fn used(&self) -> u64 {
        self.shared.state.lock().used
    }

    /// Requests that wait: whether the gate is closed.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn waiting(&self) -> usize {
        self.shared.state.lock().waiting.iter().filter(|waiting| !waiting.granted.is_closed()).count()
    }

    /// `bytes` of the budget, or `None` where they do not fit now.
    pub(crate) fn try_reserve(&self, bytes: u64) -> Option<Reservation> {
        let mut state = self.shared.state.lock();
        self.take(&mut state, bytes, false).then(|| Reservation { budget: self.clone(), bytes })
    }

    /// As [`try_reserve`](Self::try_reserve), but `None` also while somebody waits: for the gate, which has no reason to go
    /// before others.
    pub(crate) fn try_reserve_in_turn(&self, bytes: u64) -> Option<Reservation> {
        let mut state = self.shared.state.lock();
        let first = state.waiting.iter().all(|waiting| waiting.granted.is_closed());
        (first && self.take(&mut state, bytes, false)).then(|| Reservation { budget: self.clone(), bytes })
    }

    /// `bytes` of what is held already, whatever the limit says.
    pub(crate) fn overdraw(&self, bytes: u64) -> Reservation {
        let mut state = self.shared.state.lock();
        state.used = state.used.saturating_add(bytes);
        Reservation { budget: self.clone(), bytes }
    }

    /// `bytes` of the budget, as soon as they fit and everybody who asked before was served.
    ///
    /// Dropping the future leaves the queue.
    pub(crate) async fn reserve(&self, bytes: u64) -> Reservation {
        let (granted, grant) = oneshot::channel();
        // Dropped behind `grant`, which the await below consumes: by then the place in the queue counts as left.
        let _leave = Leave(self);
        self.shared.state.lock().waiting.push_back(Waiting { bytes, granted });
        self.serve();
        match grant.await {
            Ok(reservation) => reservation,
            // The queue drops a sender only behind its grant; and a wait that cannot end is worse than one too many.
            Err(_) => self.overdraw(bytes),
        }
    }

    /// Serves those who wait, the first first, as long as they fit.
    fn serve(&self) {
        loop {
            let mut state = self.shared.state.lock();
            let Some(first) = state.waiting.front() else { return };
            let bytes = first.bytes;
            let left = first.granted.is_closed();
            if !left && !self.take(&mut state, bytes, true) {
                return;
            }
            let first = state.waiting.pop_front();
            drop(state);

            if let (Some(first), false) = (first, left) {
                // Not under the lock: who left in this moment gives the bytes back here, and waking runs foreign code.
                if let Err(unwanted) = first.granted.send(Reservation { budget: self.clone(), bytes }) {
                    // Without its drop, which would come back here and nest as deep as many have left.
                    unwanted.forget();
                }
            }
        }
    }

    /// Adds `bytes` where they fit.
    fn take(&self, state: &mut State, bytes: u64, alone_at_any_size: bool) -> bool {
        let after = state.used.saturating_add(bytes);
        let fits = after <= self.shared.limit || (alone_at_any_size && state.used == 0);
        if fits {
            state.used = after;
        }
        fits
    }

    fn give_back(&self, bytes: u64) {
        self.shared.state.lock().used -= bytes;
    }
}

/// Bytes of a [`Budget`], given back on drop.
#[derive(Debug)]
#[must_use = "dropping it gives the bytes back"]
pub(crate) struct Reservation {
    budget: Budget,
    bytes: u64,
}

impl Reservation {
    /// How many bytes it holds.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Holds `more` bytes; `false`, and nothing changed, where they do not fit now.
    pub(crate) fn try_grow(&mut self, more: u64) -> bool {
        let grown = {
            let mut state = self.budget.shared.state.lock();
            self.budget.take(&mut state, more, false)
        };
        if grown {
            self.bytes += more;
        }
        grown
    }

    /// Gives `bytes` of it back.
    pub(crate) fn shrink(&mut self, bytes: u64) {
        let bytes = bytes.min(self.bytes);
        if bytes > 0 {
            self.bytes -= bytes;
            self.budget.give_back(bytes);
            self.budget.serve();
        }
    }

    /// Holds what `other`, of the same budget, holds.
    pub(crate) fn absorb(&mut self, mut other: Self) {
        self.bytes += std::mem::take(&mut other.bytes);
    }

    /// Gives the bytes back and leaves it to the caller to serve those who wait.
    fn forget(mut self) {
        self.budget.give_back(self.bytes);
        self.bytes = 0;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.budget.give_back(self.bytes);
            self.budget.serve();
        }
    }
}

/// Serves those behind a request that is gone: it may have been all that kept them waiting.
struct Leave<'a>(&'a Budget);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.0.serve();
    }
}

#[cfg(test)]
mod tests;
