//! What a connector needs to look into its own [`InputBlock`](crate::InputBlock)s.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bytes::Bytes;

use crate::rdd::Rejects;
use crate::runtime::{Clock, RealRuntime, Runtime, Site, TaskContext};
use crate::source::InputBlock;
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

/// `block` after a time on disk: written down, dropped, and made again.
///
/// ```
/// use tidemill::testing::written_and_read_back;
/// use tidemill::{InputBlock, TextLinesBlock};
///
/// let block = TextLinesBlock::new(&b"sea\ntide"[..], 100);
/// assert_eq!(written_and_read_back(&block).records(), 2);
/// ```
///
/// # Panics
/// Where that fails, or the block says another number of records then.
#[must_use]
pub fn written_and_read_back<T: 'static>(block: &dyn InputBlock<T>) -> Arc<dyn InputBlock<T>> {
    let mut bytes = Vec::new();
    block.encode(&mut bytes).expect("a block that can be written down");
    let made = block.maker()(Bytes::from(bytes)).expect("a block that can be made again");
    assert_eq!(
        made.records(),
        block.records(),
        "the block that was made again has another number of records"
    );
    made
}

/// How many records were rejected, and what was wrong with the first.
pub fn rejected(rejects: &Rejects) -> (u64, Option<String>) {
    rejects.total().map_or((0, None), |(records, reason)| (records, Some(reason)))
}
