//! What a task knows of itself.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use parking_lot::RwLock;

use super::Runtime;
use crate::words::{BatchTime, Epoch, Error, Result};

/// How long a task waits for an async client before it asks again whether it was cancelled.
const CANCEL_CHECK: Duration = Duration::from_millis(100);

/// An operator and its place in the user's code.
///
/// Sites are kept for the life of the process, one for each place in the code, so that a task can note where it is with
/// one store a chunk; a panic then names the operator whose function it came from.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Site(u32);

type Sites = Vec<(&'static str, &'static Location<'static>)>;
static SITES: RwLock<Sites> = RwLock::new(Vec::new());

impl Site {
    /// The site of `operator` at `location`.
    pub fn new(operator: &'static str, location: &'static Location<'static>) -> Self {
        let same = |(name, at): &(&str, &Location<'_>)| *name == operator && *at == location;
        if let Some(index) = SITES.read().iter().position(same) {
            return Self(index as u32);
        }
        let mut sites = SITES.write();
        let index = sites.iter().position(same).unwrap_or_else(|| {
            sites.push((operator, location));
            sites.len() - 1
        });
        Self(index as u32)
    }

    /// The operator, as in `map`.
    pub fn operator(self) -> &'static str {
        SITES.read()[self.0 as usize].0
    }

    /// Its place in the user's code.
    pub fn location(self) -> &'static Location<'static> {
        SITES.read()[self.0 as usize].1
    }
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.operator(), self.location())
    }
}

/// What a task knows of itself; clones are the same task.
///
/// It is passed down, never looked up: a task thread that waits may run another task on the same stack.
#[derive(Clone)]
pub struct TaskContext(Arc<Inner>);

struct Inner {
    batch: BatchTime,
    partition: u32,
    partitions: u32,
    attempt: u32,
    epoch: Epoch,
    // The job's, and the stage's.
    cancelled: [Arc<AtomicBool>; 2],
    site: AtomicU32,
    runtime: Arc<dyn Runtime>,
}

impl TaskContext {
    /// The context of one try of a task.
    pub(crate) fn new(
        runtime: &Arc<dyn Runtime>,
        (batch, epoch): (BatchTime, Epoch),
        (partition, partitions): (usize, usize),
        attempt: u32,
        cancelled: [Arc<AtomicBool>; 2],
        site: Site,
    ) -> Self {
        Self(Arc::new(Inner {
            batch,
            partition: partition as u32,
            partitions: partitions as u32,
            attempt,
            epoch,
            cancelled,
            site: AtomicU32::new(site.0),
            runtime: Arc::clone(runtime),
        }))
    }

    /// The batch.
    pub fn batch(&self) -> BatchTime {
        self.0.batch
    }

    /// The partition, from 0.
    pub fn partition(&self) -> u32 {
        self.0.partition
    }

    /// How many partitions there are; part of the batch's plan.
    pub fn partitions(&self) -> u32 {
        self.0.partitions
    }

    /// The number of this try, from 1.
    pub fn attempt(&self) -> u32 {
        self.0.attempt
    }

    /// This run of the job.
    pub fn epoch(&self) -> Epoch {
        self.0.epoch
    }

    /// Operators ask between chunks, readers between polls.
    ///
    /// # Errors
    /// [`Error::Cancelled`] once the task shall end, because the job stops or a sibling failed for good.
    pub fn check(&self) -> Result<()> {
        if self.0.cancelled.iter().any(|flag| flag.load(Ordering::Relaxed)) {
            return Err(Error::Cancelled);
        }
        self.0.runtime.yield_now();
        Ok(())
    }

    /// Waits for an async client. Task threads are never I/O threads, so this blocks nobody else.
    ///
    /// # Errors
    /// [`Error::Cancelled`] once the task shall end.
    pub fn wait<F: Future>(&self, future: F) -> Result<F::Output> {
        let mut output = None;
        {
            let mut driven = std::pin::pin!(async { output = Some(future.await) });
            loop {
                self.check()?;
                if self.0.runtime.block_on_for(driven.as_mut(), CANCEL_CHECK) {
                    break;
                }
            }
        }
        output.ok_or(Error::Cancelled)
    }

    /// Notes whose function runs from here on. Operators call it once a chunk, after they pulled.
    pub(crate) fn at(&self, site: Site) {
        self.0.site.store(site.0, Ordering::Relaxed);
    }

    /// Whose function ran last.
    pub(crate) fn site(&self) -> Site {
        Site(self.0.site.load(Ordering::Relaxed))
    }
}

impl fmt::Debug for TaskContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskContext")
            .field("batch", &self.batch())
            .field("partition", &self.partition())
            .field("partitions", &self.partitions())
            .field("attempt", &self.attempt())
            .finish_non_exhaustive()
    }
}

/// What one try of a task adds up on the side, to be made known once if it succeeds.
pub(crate) trait Pending: Any {
    /// Makes it known.
    fn commit(self: Box<Self>);
}

/// What a try of a task leaves for its end, by whom it is for; few, so a search is faster than a table.
type Frame = Vec<(usize, Box<dyn Pending>)>;

thread_local! {
    // One frame for each task on this stack, innermost last: a task thread that waits inside a user's own parallel code
    // may run another task to its end before it goes on.
    static FRAMES: RefCell<Vec<Frame>> = const { RefCell::new(Vec::new()) };
}

/// Whether this thread runs a task.
pub(crate) fn in_task() -> bool {
    FRAMES.with_borrow(|frames| !frames.is_empty())
}

/// Runs one try of a task. What it has pending is committed if it succeeds, and dropped if not.
pub(crate) fn run_in_task<R, E>(body: impl FnOnce() -> Result<R, E>) -> Result<R, E> {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            // Bound to a name, so that it is dropped after the borrow: what it holds may be the user's.
            let _frame = FRAMES.with_borrow_mut(Vec::pop);
        }
    }
    FRAMES.with_borrow_mut(|frames| frames.push(Frame::default()));
    let leave = Leave;
    let result = body();
    let pending = FRAMES.with_borrow_mut(|frames| frames.last_mut().map(std::mem::take)).unwrap_or_default();
    drop(leave);
    if result.is_ok() {
        for (_, pending) in pending {
            pending.commit();
        }
    }
    result
}

/// Runs work of another task again, inside this one: what it has pending counted before, and is
/// dropped.
pub(crate) fn without_effects<R>(body: impl FnOnce() -> R) -> R {
    let mut result = None;
    // An error drops the effects; the result goes past it.
    let _ = run_in_task(|| {
        result = Some(body());
        Err::<(), ()>(())
    });
    match result {
        Some(result) => result,
        None => unreachable!("the body has run"),
    }
}

/// Changes what the task around has pending for `key`, begun by `new`: no allocation a call. Does nothing outside of
/// tasks.
pub(crate) fn add_pending<P: Pending>(key: usize, new: impl FnOnce() -> P, change: impl FnOnce(&mut P)) {
    let innermost = |take: &mut dyn FnMut(&mut Frame)| {
        FRAMES.with_borrow_mut(|frames| frames.last_mut().map(take).is_some())
    };
    // Taken out while it is changed: the change may be the user's code, and add to something else.
    let mut found: Option<Box<dyn Pending>> = None;
    let inside = innermost(&mut |frame| {
        if let Some(index) = frame.iter().position(|(other, _)| *other == key) {
            found = Some(frame.swap_remove(index).1);
        }
    });
    if !inside {
        return;
    }
    let found: Option<Box<dyn Any>> = found.map(|pending| pending as Box<dyn Any>);
    let mut pending = match found.map(<Box<dyn Any>>::downcast::<P>) {
        Some(Ok(pending)) => pending,
        // Invariant: a key has one type, so the second never is.
        None | Some(Err(_)) => Box::new(new()),
    };
    change(&mut pending);
    let mut pending = Some(pending);
    innermost(&mut |frame| {
        if let Some(pending) = pending.take() {
            frame.push((key, pending));
        }
    });
}

thread_local! {
    static OWN: Cell<bool> = const { Cell::new(false) };
}

/// Runs `body` on a thread of the job's own: the driver, the clock, listeners.
pub(crate) fn spawn_own(runtime: &Arc<dyn Runtime>, name: &str, body: impl FnOnce() + Send + 'static) {
    let marked = move || {
        OWN.set(true);
        body();
    };
    runtime.spawn_thread(name, Box::new(marked));
}

/// Whether this is a thread of the job's own, or runs a task: it must not wait for the job's end.
pub(crate) fn is_own_thread() -> bool {
    OWN.get() || in_task()
}
