//! What a thread waits for before it can have the turn.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::Wake;
use std::time::Duration;

/// What a thread waits for. Whether it is there is asked when the turn is handed on, so nothing has to be moved from one
/// list to another when a bell rings.
#[derive(Debug)]
pub(super) enum Wants {
    /// Nothing but the turn; the text says what it does, as in `yields`.
    Turn(&'static str),
    /// A ring of a bell.
    Ring { bell: Arc<Rings>, heard: u64, deadline: Option<Duration> },
    /// That its future is woken.
    Wake { woken: Arc<Woken>, deadline: Option<Duration> },
    /// A free slot for the next task.
    Slot,
    /// The end of this many tasks.
    Tasks(Arc<AtomicUsize>),
}

impl Wants {
    /// Why the thread can go on at `now`, if it can.
    pub(super) fn ready(&self, now: Duration, free_slots: usize) -> Option<&'static str> {
        let late = self.deadline().is_some_and(|deadline| deadline <= now);
        match self {
            Self::Turn(what) => Some(what),
            Self::Ring { bell, heard, .. } if bell.count() > *heard => Some("heard a ring"),
            Self::Wake { woken, .. } if woken.is_set() => Some("was woken"),
            Self::Ring { .. } | Self::Wake { .. } => late.then_some("reached its deadline"),
            Self::Slot => (free_slots > 0).then_some("has a slot"),
            Self::Tasks(running) => (running.load(Ordering::Acquire) == 0).then_some("saw its tasks end"),
        }
    }

    /// When it goes on in any case.
    pub(super) fn deadline(&self) -> Option<Duration> {
        match self {
            Self::Ring { deadline, .. } | Self::Wake { deadline, .. } => *deadline,
            Self::Turn(_) | Self::Slot | Self::Tasks(_) => None,
        }
    }
}

impl fmt::Display for Wants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Turn(what) => write!(f, "{what}"),
            Self::Ring { bell, heard, .. } => {
                write!(f, "waits for ring {} of bell {}, made by `{}`", heard + 1, bell.number, bell.maker)
            }
            Self::Wake { .. } => f.write_str("waits for a future that nobody has woken"),
            Self::Slot => f.write_str("waits for a free slot for its task"),
            Self::Tasks(running) => write!(f, "waits for {} task threads", running.load(Ordering::Acquire)),
        }
    }
}

/// How often a bell has rung, and which bell it is.
#[derive(Debug)]
pub(super) struct Rings {
    number: u64,
    maker: Arc<str>,
    count: AtomicU64,
}

impl Rings {
    pub(super) fn new(number: u64, maker: Arc<str>) -> Self {
        Self { number, maker, count: AtomicU64::new(0) }
    }

    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    pub(super) fn ring(&self) {
        self.count.fetch_add(1, Ordering::AcqRel);
    }
}

/// Whether a future was woken since its last poll.
#[derive(Debug, Default)]
pub(super) struct Woken(AtomicBool);

impl Woken {
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    pub(super) fn clear(&self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}
