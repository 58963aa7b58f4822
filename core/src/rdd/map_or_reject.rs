//! `map_or_reject`: as `map`, and what a function cannot use goes to the dead letters.

use std::panic::Location;
use std::sync::Arc;

use super::node::{Node, Part, Pull};
use super::rejects::{Reader, Reading, Reads, Rejected};
use super::{Function, Job, Rdd};
use crate::data::{Chunk, Chunks, Data, Wire};
use crate::runtime::{Site, TaskContext};
use crate::words::{BoxError, Error, Result};

impl<T> Rdd<T> {
    /// As [`map`](Self::map); an element for which `f` fails is left out, counted, and put aside for the dead letters of
    /// the batch: see [`StreamingContext::dead_letters_to`](crate::StreamingContext::dead_letters_to).
    ///
    /// ```
    /// # let ssc = tidemill::testing::local(2);
    /// let texts = ssc.parallelize(vec!["1".to_owned(), "two".to_owned(), "3".to_owned()], 2);
    /// let numbers = texts.map_or_reject(|text| Ok(text.parse::<u32>()?));
    /// assert_eq!(numbers.collect()?, [1, 3]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn map_or_reject<U: Data>(
        &self,
        f: impl Fn(&T) -> Result<U, BoxError> + Send + Sync + 'static,
    ) -> Rdd<U>
    where
        T: Wire,
    {
        let site = self.site("map_or_reject", Location::caller());
        let room = self.job().engine.letters_room();
        let reads = Reads::new(Reader::Operator(site), None, self.num_partitions(), room);
        self.then(MapOrReject { up: self.node(), site, f: Arc::new(f), reads })
    }
}

struct MapOrReject<T, F> {
    up: Arc<dyn Node<T>>,
    site: Site,
    f: Arc<F>,
    reads: Arc<Reads>,
}

impl<T: Wire, U: Data, F: Fn(&T) -> Result<U, BoxError> + Function> Node<U> for MapOrReject<T, F> {
    fn partitions(&self) -> usize {
        self.up.partitions()
    }

    fn owner(&self, partition: usize, members: u32) -> u32 {
        self.up.owner(partition, members)
    }

    fn lane(&self, partition: usize) -> u64 {
        self.up.lane(partition)
    }

    fn prepare(&self, job: &Arc<Job>) -> Result<()> {
        job.note_reads(&self.reads);
        self.up.prepare(job)
    }

    fn open(&self, partition: usize, task: &TaskContext) -> Result<Part<U>> {
        let up = Pull::new(self.up.open(partition, task)?, task, self.site);
        let reading = self.reads.read(partition);
        Ok(Box::new(MappedOrRejected { up, f: Arc::clone(&self.f), out: Vec::new(), reading, passed: 0 }))
    }
}

struct MappedOrRejected<T, U, F> {
    up: Pull<T>,
    f: Arc<F>,
    out: Vec<U>,
    reading: Reading,
    // Elements of the chunks before.
    passed: u64,
}

impl<T: Wire, U: Data, F: Fn(&T) -> Result<U, BoxError>> Chunks<U> for MappedOrRejected<T, U, F> {
    fn next(&mut self) -> Result<Option<Chunk<'_, U>>> {
        self.out.clear();
        let Some(chunk) = self.up.next()? else {
            self.reading.end()?;
            return Ok(None);
        };
        for (number, element) in (self.passed..).zip(chunk.as_slice()) {
            match (self.f)(element) {
                Ok(made) => self.out.push(made),
                Err(error) => {
                    let error = said(error)?;
                    self.reading.rejects().add(|| rejected(number, error, element));
                }
            }
        }
        self.passed += chunk.as_slice().len() as u64;
        self.reading.hand_on(self.out.len() as u64)?;
        Ok(Some(Chunk::Own(&mut self.out)))
    }
}

/// What a function said of an element; that its task shall end is nothing that it says of one.
fn said(error: BoxError) -> Result<String> {
    match error.downcast::<Error>() {
        Ok(ours) if ours.is_cancelled() => Err(*ours),
        Ok(ours) => Ok(ours.chain()),
        Err(other) => {
            let sources =
                std::iter::successors(Some(&*other as &dyn std::error::Error), |error| error.source());
            Ok(sources.map(ToString::to_string).collect::<Vec<_>>().join(": "))
        }
    }
}

fn rejected<T: Wire>(number: u64, error: String, element: &T) -> Rejected {
    let mut bytes = Vec::new();
    let error = match element.encode(&mut bytes) {
        Ok(()) => error,
        // Its count and its place are of use without it.
        Err(unwritten) => format!("{error}; {unwritten}"),
    };
    Rejected::new(format!("element {number}"), error, bytes)
}
