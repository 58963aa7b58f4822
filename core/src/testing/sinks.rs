//! Sinks for tests: one that collects, and one that fails when it is told to.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::data::Data;
use crate::runtime::TaskContext;
use crate::sink::{OutputId, Receipt, Rows, Sink};
use crate::words::{BatchTime, Epoch, Error, Result, Retry};

/// A sink in memory: it stages what is written, shows what is published, and refuses a writer with an older epoch. Clones
/// are the same sink.
///
/// ```
/// use tidemill::testing::sinks::CollectingSink;
/// use tidemill::testing::{input_batches, local, run_batches};
///
/// # fn main() -> tidemill::Result<()> {
/// let ssc = local(1);
/// let sink = CollectingSink::default();
/// input_batches(&ssc, 2, vec![vec!["sea", "tide"]]).save_to(sink.clone());
/// run_batches(&ssc, 1)?;
/// assert_eq!(sink.shown(), [["sea", "tide"]]);
/// # Ok(())
/// # }
/// ```
pub struct CollectingSink<T>(Arc<Mutex<Table<T>>>);

struct Table<T> {
    epoch: Epoch,
    // By token.
    staged: BTreeMap<u64, Vec<T>>,
    tokens: u64,
    shown: BTreeMap<BatchTime, Vec<(u64, Vec<T>)>>,
    publications: u64,
}

impl<T: Clone> CollectingSink<T> {
    /// The rows of each batch that was published, in the order of partitions.
    pub fn shown(&self) -> Vec<Vec<T>> {
        let rows = |parts: &Vec<(u64, Vec<T>)>| parts.iter().flat_map(|(_, rows)| rows.clone()).collect();
        self.0.lock().shown.values().map(rows).collect()
    }

    /// The rows of one batch.
    pub fn shown_at(&self, batch: BatchTime) -> Vec<T> {
        let table = self.0.lock();
        table.shown.get(&batch).into_iter().flatten().flat_map(|(_, rows)| rows.clone()).collect()
    }

    /// How many writes were finished and not published.
    pub fn staged(&self) -> usize {
        self.0.lock().staged.len()
    }

    /// How often something was published.
    pub fn publications(&self) -> u64 {
        self.0.lock().publications
    }
}

impl<T: Data> Sink<T> for CollectingSink<T> {
    fn write(&self, _: &OutputId, epoch: Epoch, mut rows: Rows<T>, _: &TaskContext) -> Result<Receipt> {
        let mut all = Vec::new();
        rows.for_each(|row| {
            all.push(row.clone());
            Ok(())
        })?;
        let mut table = self.0.lock();
        if epoch < table.epoch {
            return Err(Error::Fenced(format!("epoch {} writes behind epoch {}", epoch.0, table.epoch.0)));
        }
        table.epoch = epoch;
        table.tokens += 1;
        let token = table.tokens;
        table.staged.insert(token, all);
        Ok(Receipt { token: token.to_le_bytes().to_vec(), rows: rows.count() })
    }

    fn publish(&self, batch: BatchTime, receipts: &[Receipt]) -> Result<()> {
        let mut table = self.0.lock();
        table.publications += 1;
        let before = table.shown.remove(&batch).unwrap_or_default();
        let mut parts = Vec::new();
        for receipt in receipts {
            let token = receipt.token.as_slice().try_into().map(u64::from_le_bytes);
            let token = token.map_err(|_| Error::new("a receipt of another sink"))?;
            let shown = || before.iter().find(|(shown, _)| *shown == token).map(|(_, rows)| rows.clone());
            let rows = table.staged.remove(&token).or_else(shown);
            parts.push((token, rows.ok_or_else(|| Error::new("a receipt of what was never written"))?));
        }
        table.shown.insert(batch, parts);
        Ok(())
    }
}

impl<T> Default for CollectingSink<T> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Table {
            epoch: Epoch(0),
            staged: BTreeMap::new(),
            tokens: 0,
            shown: BTreeMap::new(),
            publications: 0,
        })))
    }
}

impl<T> Clone for CollectingSink<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for CollectingSink<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CollectingSink").field("batches", &self.0.lock().shown.len()).finish_non_exhaustive()
    }
}

/// A step of a sink's transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// [`Sink::check`].
    Check,
    /// [`Sink::write`], before any row was taken.
    BeforeWrite,
    /// [`Sink::write`], behind it: all was written, and the answer is lost.
    AfterWrite,
    /// [`Sink::publish`], before anything was shown.
    BeforePublish,
    /// [`Sink::publish`], behind it: all is shown, and the answer is lost.
    AfterPublish,
}

/// Wraps a sink and fails when it is told to. Clones fail together.
#[derive(Debug)]
pub struct FailingSink<S> {
    inner: Arc<S>,
    faults: Arc<Mutex<Vec<Fault>>>,
}

#[derive(Debug)]
struct Fault {
    step: Step,
    times: u64,
    retry: Retry,
}

impl<S> FailingSink<S> {
    /// A sink that does what `inner` does, until it is told to fail.
    pub fn new(inner: S) -> Self {
        Self { inner: Arc::new(inner), faults: Arc::default() }
    }

    /// Fails the next `times` times that `step` is reached.
    pub fn fail(&self, step: Step, times: u64, retry: Retry) {
        self.faults.lock().push(Fault { step, times, retry });
    }

    fn reach(&self, reached: Step) -> Result<()> {
        let mut faults = self.faults.lock();
        match faults.iter_mut().find(|fault| fault.step == reached && fault.times > 0) {
            Some(fault) => {
                fault.times -= 1;
                let what = format!("the sink was told to fail: {reached:?}");
                Err(Error::Other { what, retry: fault.retry, source: None })
            }
            None => Ok(()),
        }
    }
}

impl<T: Data, S: Sink<T>> Sink<T> for FailingSink<S> {
    fn write(&self, id: &OutputId, epoch: Epoch, rows: Rows<T>, task: &TaskContext) -> Result<Receipt> {
        self.reach(Step::BeforeWrite)?;
        let receipt = self.inner.write(id, epoch, rows, task)?;
        self.reach(Step::AfterWrite).map(|()| receipt)
    }

    fn publish(&self, batch: BatchTime, receipts: &[Receipt]) -> Result<()> {
        self.reach(Step::BeforePublish)?;
        self.inner.publish(batch, receipts)?;
        self.reach(Step::AfterPublish)
    }

    fn check(&self) -> Result<()> {
        self.reach(Step::Check)?;
        self.inner.check()
    }
}

impl<S> Clone for FailingSink<S> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), faults: Arc::clone(&self.faults) }
    }
}
