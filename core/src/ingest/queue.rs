//! The input behind `queue_stream` and `constant_stream`: Rdds that the user has at hand.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Input, InputOf, Settled, Started};
use crate::data::Data;
use crate::rdd::{Job, Rdd};
use crate::words::{BatchTime, Result};

/// A queue of Rdds, filled from outside while the job runs. Clones are the same queue.
///
/// ```
/// # let ssc = tidemill::testing::local(2);
/// let queue = tidemill::RddQueue::default();
/// queue.push(ssc.parallelize(vec![1, 2, 3], 2));
/// assert_eq!(queue.len(), 1);
/// ```
pub struct RddQueue<T>(Arc<Mutex<VecDeque<Rdd<T>>>>);

impl<T> RddQueue<T> {
    /// Adds an Rdd behind the others.
    pub fn push(&self, rdd: Rdd<T>) {
        self.0.lock().push_back(rdd);
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.0.lock().len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> Default for RddQueue<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T> Clone for RddQueue<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> FromIterator<Rdd<T>> for RddQueue<T> {
    fn from_iter<I: IntoIterator<Item = Rdd<T>>>(rdds: I) -> Self {
        Self(Arc::new(Mutex::new(rdds.into_iter().collect())))
    }
}

impl<T, const N: usize> From<[Rdd<T>; N]> for RddQueue<T> {
    fn from(rdds: [Rdd<T>; N]) -> Self {
        rdds.into_iter().collect()
    }
}

impl<T> From<Vec<Rdd<T>>> for RddQueue<T> {
    fn from(rdds: Vec<Rdd<T>>) -> Self {
        rdds.into_iter().collect()
    }
}

impl<T> fmt::Debug for RddQueue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RddQueue").field("len", &self.len()).finish()
    }
}

/// What is given where the queue is empty.
pub(crate) enum WhenEmpty<T> {
    /// An Rdd without partitions.
    Empty,
    /// This one.
    Default(Rdd<T>),
    /// Nothing for that time: operators behind it have no batch either.
    #[cfg_attr(not(feature = "testing"), expect(dead_code, reason = "only the test kit has such a stream"))]
    Nothing,
}

/// Rdds of the user's, one or all of the queue a batch.
pub(crate) struct QueueSource<T> {
    queue: RddQueue<T>,
    one_at_a_time: bool,
    when_empty: WhenEmpty<T>,
    taken: Mutex<Vec<(BatchTime, Option<Rdd<T>>)>>,
}

impl<T: Data> QueueSource<T> {
    pub(crate) fn new(queue: RddQueue<T>, one_at_a_time: bool, when_empty: WhenEmpty<T>) -> Self {
        Self { queue, one_at_a_time, when_empty, taken: Mutex::default() }
    }
}

impl<T: Data> Input for QueueSource<T> {
    fn name(&self) -> String {
        "queue".into()
    }

    fn start(&self, _with: &Started) -> Result<()> {
        Ok(())
    }

    fn offer(&self, batch: BatchTime) -> Result<Vec<u8>> {
        let mut queue = self.queue.0.lock();
        let count = if self.one_at_a_time { 1.min(queue.len()) } else { queue.len() };
        let rdds: Vec<Rdd<T>> = queue.drain(..count).collect();
        drop(queue);
        let rdd = match rdds.len() {
            0 => match &self.when_empty {
                WhenEmpty::Empty => None,
                WhenEmpty::Default(rdd) => Some(rdd.clone()),
                WhenEmpty::Nothing => return Ok(Vec::new()),
            },
            1 => rdds.into_iter().next(),
            _ => Some(Rdd::union_all(rdds[0].job(), &rdds)),
        };
        self.taken.lock().push((batch, rdd));
        Ok(Vec::new())
    }

    fn settle(&self, batch: BatchTime, _offers: &[&[u8]]) -> Result<Settled> {
        let taken = self.taken.lock();
        let rdd = taken.iter().find(|(time, _)| *time == batch).and_then(|(_, rdd)| rdd.as_ref());
        let records = rdd.and_then(Rdd::known_count).unwrap_or(0);
        Ok(Settled { records, description: "queue".into(), replayable: false })
    }

    fn forget(&self, batch: BatchTime) {
        self.taken.lock().retain(|(time, _)| *time > batch);
    }
}

impl<T: Data> InputOf<T> for QueueSource<T> {
    fn rdd(&self, batch: BatchTime, job: &Arc<Job>) -> Option<Rdd<T>> {
        let taken = self.taken.lock();
        let (_, rdd) = taken.iter().find(|(time, _)| *time == batch)?;
        Some(rdd.as_ref().map_or_else(|| Rdd::empty(job), |rdd| rdd.in_job(job)))
    }
}
