//! What a connector needs to look into its own [`InputBlock`](crate::InputBlock)s.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::rdd::Rejects;
use crate::runtime::{Clock, RealRuntime, Runtime, Site, TaskContext};
use crate::words::{BatchTime, Epoch};

/// The context of a task that reads the only partition of the batch of 0 ms, for tests of
/// [`InputBlock::open`](crate::InputBlock::open) and [`DirectInput::read`](crate::DirectInput::read).
///
/// ```
/// use tidemill::testing::{rejected, task_context};
/// use tidemill::{InputBlock, Rejects, TextLinesBlock};
///
/// # fn main() -> tidemill::Result<()> {
/// let block = TextLinesBlock::new(&b"sea\n\xff\ntide"[..], 100);
/// let rejects = Rejects::default();
/// let mut lines = block.open(&rejects, &task_context())?;
/// assert_eq!(lines.count_rest()?, 2);
/// assert_eq!(rejected(&rejects), (1, Some(r"a line is not UTF-8 at byte 0 of 1, around `\xff`".into())));
/// # Ok(())
/// # }
/// ```
///
/// # Panics
/// Where the system starts no more threads: the context has a runtime of its own, so a test with many cases makes one
/// context for all of them.
#[must_use]
#[track_caller]
pub fn task_context() -> TaskContext {
    let runtime = RealRuntime::new(1, Clock::System).expect("the threads of a runtime");
    task_on(&(Arc::new(runtime) as Arc<dyn Runtime>))
}

/// A context whose task runs on `runtime`.
#[track_caller]
pub(super) fn task_on(runtime: &Arc<dyn Runtime>) -> TaskContext {
    let cancelled = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
    let site = Site::new("task_context", std::panic::Location::caller());
    TaskContext::new(runtime, (BatchTime::from_millis(0), Epoch(1)), (0, 1), 1, cancelled, site)
}

/// How many records were rejected, and what was wrong with the first.
pub fn rejected(rejects: &Rejects) -> (u64, Option<String>) {
    rejects.total().map_or((0, None), |(records, reason)| (records, Some(reason)))
}
