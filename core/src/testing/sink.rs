//! Holds a [`Sink`] to its promises.

use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::data::{Chunk, Chunks};
use crate::rdd::Pull;
use crate::runtime::{Clock, ManualClock, RealRuntime, Runtime, Site, TaskContext};
use crate::sink::{OutputId, Receipt, Rows, Sink};
use crate::words::{BatchTime, Epoch, Error, Result};

/// A sink of lines, and how a reader of the other system sees it.
pub trait Readable {
    /// The sink.
    type Sink: Sink<String>;

    /// Whether the other system refuses a writer with an older epoch.
    const FENCES: bool;

    /// A new handle, as after a restart, on the same other system.
    fn sink(&self) -> Self::Sink;

    /// The rows that a reader sees of a batch, in any order.
    fn visible(&self, batch: BatchTime) -> Vec<String>;
}

/// Runs the whole suite; `open` gives a sink on a new, empty system each time.
///
/// # Panics
/// Where a promise of [`Sink`] is broken.
pub fn conformance<R: Readable>(open: impl Fn() -> R) {
    let suite: [fn(&R); 6] = [
        all_partitions_are_visible_once_published,
        the_same_id_written_twice_is_there_once,
        a_write_that_was_dropped_unfinished_leaves_nothing,
        publishing_again_changes_nothing,
        batches_do_not_touch_each_other,
        an_older_writer_is_refused,
    ];
    for check in suite {
        check(&open());
    }
}

/// Rows, in chunks of two; an error behind them where the operators before fail.
struct Given {
    rows: std::vec::IntoIter<String>,
    chunk: Vec<String>,
    fails: bool,
}

impl Chunks<String> for Given {
    fn next(&mut self) -> Result<Option<Chunk<'_, String>>> {
        self.chunk = self.rows.by_ref().take(2).collect();
        match (self.chunk.is_empty(), self.fails) {
            (false, _) => Ok(Some(Chunk::Own(&mut self.chunk))),
            (true, false) => Ok(None),
            (true, true) => Err(Error::new("the operators before failed")),
        }
    }
}

/// One try of a task.
#[derive(Clone, Copy)]
struct Try {
    batch: u64,
    partition: u32,
    epoch: u64,
    attempt: u32,
    fails: bool,
}

const FIRST: Try = Try { batch: 1000, partition: 0, epoch: 1, attempt: 1, fails: false };

fn write(sink: &impl Sink<String>, now: Try, rows: &[&str]) -> Result<Receipt> {
    let clock = Clock::Manual(ManualClock::default());
    let runtime: Arc<dyn Runtime> = Arc::new(RealRuntime::new(1, clock)?);
    let site = Site::new("save_to", Location::caller());
    let (batch, epoch) = (BatchTime::from_millis(now.batch), Epoch(now.epoch));
    let cancelled = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
    let partition = (now.partition as usize, 2);
    let task = TaskContext::new(&runtime, (batch, epoch), partition, now.attempt, cancelled, site);
    let rows: Vec<String> = rows.iter().map(|row| (*row).to_owned()).collect();
    let given = Given { rows: rows.into_iter(), chunk: Vec::new(), fails: now.fails };
    let rows = Rows::new(Pull::new(Box::new(given), &task, site));
    let (job, sink_name, partition) = ("job".into(), "output-0".into(), now.partition);
    let id = OutputId { job, sink: sink_name, ordinal: 0, batch, partition };
    sink.write(&id, epoch, rows, &task)
}

fn visible(system: &impl Readable, batch: u64) -> Vec<String> {
    let mut rows = system.visible(BatchTime::from_millis(batch));
    rows.sort();
    rows
}

fn publish(sink: &impl Sink<String>, batch: u64, receipts: &[Receipt]) {
    sink.publish(BatchTime::from_millis(batch), receipts).unwrap();
}

/// Receipts count rows, and what was published is there: all of it, partitions without rows too.
pub fn all_partitions_are_visible_once_published<R: Readable>(system: &R) {
    let sink = system.sink();
    let rows = [&["a", "b", "c"][..], &["d"], &[]];
    let receipts: Vec<Receipt> = (0..)
        .zip(rows)
        .map(|(partition, rows)| write(&sink, Try { partition, ..FIRST }, rows).unwrap())
        .collect();
    let counts: Vec<u64> = receipts.iter().map(|receipt| receipt.rows).collect();

    publish(&sink, 1000, &receipts);

    assert_eq!(counts, [3, 1, 0], "receipts count the rows");
    assert_eq!(visible(system, 1000), ["a", "b", "c", "d"]);
}

/// A task that is tried again writes again; so does a batch that is run again after a crash, with a newer epoch.
pub fn the_same_id_written_twice_is_there_once<R: Readable>(system: &R) {
    let sink = system.sink();
    write(&sink, FIRST, &["a", "b"]).unwrap();
    write(&sink, Try { attempt: 2, ..FIRST }, &["a", "b"]).unwrap();
    let sink = system.sink();
    let receipt = write(&sink, Try { epoch: 2, ..FIRST }, &["a", "b"]).unwrap();

    publish(&sink, 1000, &[receipt]);

    assert_eq!(visible(system, 1000), ["a", "b"]);
}

/// An unfinished write is an abort.
pub fn a_write_that_was_dropped_unfinished_leaves_nothing<R: Readable>(system: &R) {
    let sink = system.sink();
    let error = write(&sink, Try { fails: true, ..FIRST }, &["a", "b", "c"]).unwrap_err();
    assert!(error.to_string().contains("the operators before"), "the error comes through: {error}");
    assert_eq!(visible(system, 1000), [""; 0], "nothing of it is visible");

    let receipt = write(&sink, Try { attempt: 2, ..FIRST }, &["a", "b", "d"]).unwrap();
    publish(&sink, 1000, &[receipt]);

    assert_eq!(visible(system, 1000), ["a", "b", "d"]);
}

/// After a crash the next run publishes again, with a new handle.
pub fn publishing_again_changes_nothing<R: Readable>(system: &R) {
    let sink = system.sink();
    let receipts =
        [write(&sink, FIRST, &["a"]).unwrap(), write(&sink, Try { partition: 1, ..FIRST }, &["b"]).unwrap()];
    publish(&sink, 1000, &receipts);
    publish(&sink, 1000, &receipts);
    publish(&system.sink(), 1000, &receipts);

    assert_eq!(visible(system, 1000), ["a", "b"]);
}

/// A batch shows its own rows, also while the next one is being written.
pub fn batches_do_not_touch_each_other<R: Readable>(system: &R) {
    let sink = system.sink();
    let first = write(&sink, FIRST, &["a"]).unwrap();
    let second = write(&sink, Try { batch: 2000, ..FIRST }, &["b"]).unwrap();
    publish(&sink, 1000, std::slice::from_ref(&first));
    assert_eq!(visible(system, 1000), ["a"]);
    publish(&sink, 2000, &[second]);

    assert_eq!(visible(system, 1000), ["a"]);
    assert_eq!(visible(system, 2000), ["b"]);
}

/// Where the system fences, a run that was superseded writes nothing any more.
pub fn an_older_writer_is_refused<R: Readable>(system: &R) {
    if !R::FENCES {
        return;
    }
    let (old, new) = (system.sink(), system.sink());
    write(&old, FIRST, &["a"]).unwrap();
    let receipt = write(&new, Try { epoch: 2, ..FIRST }, &["b"]).unwrap();

    let error = write(&old, Try { attempt: 2, ..FIRST }, &["c"]).unwrap_err();
    publish(&new, 1000, &[receipt]);

    assert!(matches!(error, Error::Fenced(_)), "{error:?}");
    assert_eq!(visible(system, 1000), ["b"]);
}
