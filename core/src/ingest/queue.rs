//! The input behind `queue_stream` and `constant_stream`: Rdds that the user has at hand.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Input, InputOf, Settled, Started};
use crate::data::Data;
use crate::rdd::{Counted, Job, Node, Part, Rdd, Reader, Reads};
use crate::runtime::TaskContext;
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
    number: usize,
    queue: RddQueue<T>,
    one_at_a_time: bool,
    when_empty: WhenEmpty<T>,
    taken: Mutex<Vec<Taken<T>>>,
}

/// What a batch has got.
struct Taken<T> {
    time: BatchTime,
    rdd: Option<Rdd<T>>,
    // The same with its records counted as they are read; made with the first use.
    counted: Option<Rdd<T>>,
}

impl<T: Data> QueueSource<T> {
    pub(crate) fn new(
        number: usize,
        queue: RddQueue<T>,
        one_at_a_time: bool,
        when_empty: WhenEmpty<T>,
    ) -> Self {
        Self { number, queue, one_at_a_time, when_empty, taken: Mutex::default() }
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
        self.taken.lock().push(Taken { time: batch, rdd, counted: None });
        Ok(Vec::new())
    }

    fn settle(&self, batch: BatchTime, _offers: &[&[u8]]) -> Result<Settled> {
        let taken = self.taken.lock();
        let rdd = taken.iter().find(|taken| taken.time == batch).and_then(|taken| taken.rdd.as_ref());
        let records = rdd.and_then(Rdd::known_count).unwrap_or(0);
        Ok(Settled { records, description: "queue".into(), replayable: false })
    }

    fn forget(&self, batch: BatchTime) {
        self.taken.lock().retain(|taken| taken.time > batch);
    }
}

impl<T: Data> InputOf<T> for QueueSource<T> {
    fn rdd(&self, batch: BatchTime, job: &Arc<Job>) -> Option<Rdd<T>> {
        let mut taken = self.taken.lock();
        let taken = taken.iter_mut().find(|taken| taken.time == batch)?;
        let Some(rdd) = &taken.rdd else { return Some(Rdd::empty(job)) };
        let counted = taken.counted.get_or_insert_with(|| {
            let reader = Reader::Input { stream_id: self.number, name: self.name() };
            let reads = Reads::new(reader, Some(batch), rdd.num_partitions(), None);
            Rdd::new(CountedRdd { up: rdd.node(), reads }, job)
        });
        Some(counted.in_job(job))
    }
}

/// An Rdd whose records are counted as they are read.
struct CountedRdd<T> {
    up: Arc<dyn Node<T>>,
    reads: Arc<Reads>,
}

impl<T: 'static> Node<T> for CountedRdd<T> {
    fn partitions(&self) -> usize {
        self.up.partitions()
    }

    fn owner(&self, partition: usize, members: u32) -> u32 {
        self.up.owner(partition, members)
    }

    fn keyed(&self) -> bool {
        self.up.keyed()
    }

    fn prepare(&self, job: &Arc<Job>) -> Result<()> {
        job.note_reads(&self.reads);
        self.up.prepare(job)
    }

    fn known_count(&self) -> Option<u64> {
        self.up.known_count()
    }

    fn open(&self, partition: usize, task: &TaskContext) -> Result<Part<T>> {
        let reading = self.reads.read(partition);
        Ok(Box::new(Counted { part: self.up.open(partition, task)?, reading }))
    }
}
