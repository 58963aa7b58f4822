//! A receiver that does what a test says, and a suite that holds a connector's [`Receiver`] to its promises.

mod conformance;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::sync::Notify;

pub use self::conformance::{Fed, conformance};
use crate::data::{Chunk, Chunks, Wire};
use crate::rdd::{Rejected, Rejects};
use crate::runtime::TaskContext;
use crate::source::{BlockMaker, Gate, InputBlock, Lane, Received, Receiver};
use crate::words::{Error, Result, Retry};

/// How long a test waits for what must happen, in real time; only a broken promise takes that long.
const PATIENCE: Duration = Duration::from_mins(1);

/// What a scripted receiver does next.
#[derive(Debug)]
pub enum Step<T> {
    /// [`Gate::emit`].
    Emit(T),
    /// [`Gate::emit_at`], on a lane.
    EmitAt(&'static str, T, u64),
    /// [`Gate::emit_all`], on a lane.
    EmitAll(&'static str, Vec<T>, Option<u64>),
    /// [`Gate::emit_block`], on a lane, with a block of so many bytes.
    EmitBlock(&'static str, Vec<T>, usize),
    /// [`Gate::reject`].
    Reject(&'static str),
    /// [`Gate::report_error`].
    Report(&'static str),
    /// Ends the run with an error.
    Fail(Retry),
    /// Ends the run with a panic.
    Panic(&'static str),
    /// Ends the run as a source does that has ended.
    End,
}

/// What a scripted receiver has done.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// How often it was started.
    pub starts: u64,
    /// Steps that are done.
    pub done: u64,
    /// Steps that are begun.
    pub begun: u64,
    /// What [`Gate::durable`] has named, in order.
    pub durable: Vec<(String, u64)>,
    /// Where each start found each lane that was emitted before.
    pub resumed: Vec<Vec<(String, u64)>>,
    /// Whether it runs.
    pub running: bool,
}

/// A receiver that does what a test says, step by step; clones are the same script. The test keeps one and gives the other
/// to [`receiver_stream`](crate::StreamingContext::receiver_stream).
///
/// Between two steps it waits for the next one or for the stop. A start after a failure goes on with the next step.
///
/// ```
/// use tidemill::testing::receiver::{Script, Step};
/// use tidemill::testing::{collect_batches, local, run_batches};
///
/// # fn main() -> tidemill::Result<()> {
/// let ssc = local(1);
/// let script = Script::new();
/// let collected = collect_batches(&ssc.receiver_stream(script.clone()));
/// ssc.start()?;
/// script.run(Step::Emit("sea".to_string()));
/// run_batches(&ssc, 1)?;
/// assert_eq!(collected.batches(), [["sea"]]);
/// # Ok(())
/// # }
/// ```
pub struct Script<T>(Arc<Shared<T>>);

struct Shared<T> {
    steps: Mutex<VecDeque<Step<T>>>,
    more: Notify,
    progress: Mutex<Progress>,
    changed: Condvar,
    pushed: Mutex<u64>,
    lanes: Mutex<Vec<&'static str>>,
}

impl<T> Script<T> {
    /// A script without steps.
    pub fn new() -> Self {
        Self(Arc::new(Shared {
            steps: Mutex::default(),
            more: Notify::new(),
            progress: Mutex::default(),
            changed: Condvar::new(),
            pushed: Mutex::default(),
            lanes: Mutex::default(),
        }))
    }

    /// Adds a step.
    pub fn push(&self, step: Step<T>) {
        *self.0.pushed.lock() += 1;
        self.0.steps.lock().push_back(step);
        self.0.more.notify_one();
    }

    /// Adds a step and waits until it and all before it are done.
    ///
    /// # Panics
    /// Where it is not done within a minute.
    pub fn run(&self, step: Step<T>) {
        self.push(step);
        let pushed = *self.0.pushed.lock();
        self.wait(|progress| progress.done >= pushed);
    }

    /// Waits until `ready`.
    ///
    /// # Panics
    /// Where that is not so within a minute.
    pub fn wait(&self, ready: impl Fn(&Progress) -> bool) {
        let mut progress = self.0.progress.lock();
        let waited = self.0.changed.wait_while_for(&mut progress, |progress| !ready(progress), PATIENCE);
        assert!(!waited.timed_out(), "the receiver does not get there: {:?}", *progress);
    }

    /// What it has done.
    pub fn progress(&self) -> Progress {
        self.0.progress.lock().clone()
    }

    fn note(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut self.0.progress.lock());
        self.0.changed.notify_all();
    }
}

impl<T> Default for Script<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Clone for Script<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for Script<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script").field("progress", &*self.0.progress.lock()).finish_non_exhaustive()
    }
}

impl<T: Wire> Script<T> {
    async fn next(&self) -> Step<T> {
        loop {
            let step = self.0.steps.lock().pop_front();
            match step {
                Some(step) => return step,
                None => self.0.more.notified().await,
            }
        }
    }

    async fn steps(&self, gate: &Gate<T, u64>) -> Result<()> {
        loop {
            let step = tokio::select! {
                biased;
                () = gate.stopped() => return Ok(()),
                Some(durable) = gate.durable() => {
                    let named = durable.into_iter().map(|(lane, last)| (lane.to_string(), last));
                    self.note(|progress| progress.durable.extend(named));
                    continue;
                }
                step = self.next() => step,
            };
            self.note(|progress| progress.begun += 1);
            let ended = match step {
                Step::Emit(record) => gate.emit(record).await.map(|()| None)?,
                Step::EmitAt(lane, record, at) => {
                    gate.emit_at(self.lane(lane), record, at).await.map(|()| None)?
                }
                Step::EmitAll(lane, records, last) => {
                    let lane: Lane = self.lane(lane).into();
                    gate.emit_all(Received { lane, records, last }).await.map(|()| None)?
                }
                Step::EmitBlock(lane, records, bytes) => {
                    let block = Given { records: Arc::new(records), bytes };
                    gate.emit_block(self.lane(lane), block, None).await.map(|()| None)?
                }
                Step::Reject(reason) => {
                    gate.reject(Rejected::new("the script", reason, reason.as_bytes()));
                    None
                }
                Step::Report(error) => {
                    gate.report_error(error);
                    None
                }
                Step::Fail(retry) => {
                    let what = "the script says so".into();
                    Some(Err(Error::Connector { connector: "script", what, retry, source: None }))
                }
                Step::End => Some(Ok(())),
                Step::Panic(text) => {
                    self.note(|progress| progress.done += 1);
                    panic!("{text}")
                }
            };
            self.note(|progress| progress.done += 1);
            if let Some(ended) = ended {
                return ended;
            }
        }
    }

    fn lane(&self, lane: &'static str) -> &'static str {
        let mut lanes = self.0.lanes.lock();
        if !lanes.contains(&lane) {
            lanes.push(lane);
        }
        lane
    }
}

impl<T: Wire> Receiver for Script<T> {
    type Record = T;
    type Position = u64;

    async fn run(&self, gate: Gate<T, u64>) -> Result<()> {
        struct Ends<T>(Script<T>);
        impl<T> Drop for Ends<T> {
            fn drop(&mut self) {
                self.0.note(|progress| progress.running = false);
            }
        }
        let _ends = Ends(self.clone());
        let lanes = self.0.lanes.lock().clone();
        let resumed =
            lanes.into_iter().filter_map(|lane| Some((lane.to_string(), gate.resume(lane)?))).collect();
        self.note(|progress| {
            progress.running = true;
            progress.starts += 1;
            progress.resumed.push(resumed);
        });
        self.steps(&gate).await
    }

    fn name(&self) -> String {
        "script".into()
    }
}

/// A block that says how large it is.
struct Given<T> {
    records: Arc<Vec<T>>,
    bytes: usize,
}

impl<T: Wire> InputBlock<T> for Given<T> {
    fn records(&self) -> u64 {
        self.records.len() as u64
    }

    fn size(&self) -> usize {
        self.bytes
    }

    fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        self.records.iter().try_for_each(|record| record.encode(out))
    }

    fn maker(&self) -> BlockMaker<T> {
        let (count, bytes) = (self.records.len(), self.bytes);
        Arc::new(move |written| {
            let mut rest = &written[..];
            let records = (0..count).map(|_| T::decode(&mut rest)).collect::<Result<Vec<_>>>()?;
            Ok(Arc::new(Self { records: Arc::new(records), bytes }))
        })
    }

    fn open(&self, _: &Rejects, _: &TaskContext) -> Result<Box<dyn Chunks<T>>> {
        Ok(Box::new(GivenChunks { records: Arc::clone(&self.records), lent: false }))
    }
}

struct GivenChunks<T> {
    records: Arc<Vec<T>>,
    lent: bool,
}

impl<T> Chunks<T> for GivenChunks<T> {
    fn next(&mut self) -> Result<Option<Chunk<'_, T>>> {
        let lent = std::mem::replace(&mut self.lent, true);
        Ok((!lent).then_some(Chunk::Ref(&self.records)))
    }
}
