//! An input whose negative numbers are bad records, and a job that hears what becomes of them.

#![allow(dead_code, reason = "each test file uses its own part of this")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tidemill::testing::sinks::CollectingSink;
use tidemill::{
    Ask, BatchInfo, Chunk, Chunks, Conf, DStream, DeadLetter, DirectInput, Error, Event, Rejected, Rejects,
    Result, Retry, StreamingContext, StreamingListener, TaskContext,
};

/// Numbers of one batch, by partition.
pub(crate) type Batch = Vec<Vec<i64>>;

/// Gives batch after batch; a negative number cannot be decoded.
#[derive(Clone)]
pub(crate) struct Numbers {
    pub(crate) batches: Vec<Batch>,
    /// Whether the plan knows how many records there are.
    pub(crate) known: bool,
    /// So many more records does the plan promise in each range than there are.
    pub(crate) promised: u64,
    /// Reads that fail behind their first chunk, before one succeeds.
    pub(crate) failures: Arc<AtomicU64>,
    /// Bytes of a bad record.
    pub(crate) bytes: usize,
    /// How often somebody asked for a bad record itself.
    pub(crate) asked: Arc<AtomicU64>,
}

impl Numbers {
    pub(crate) fn new(batches: Vec<Batch>) -> Self {
        Self { batches, known: true, promised: 0, failures: Arc::default(), bytes: 4, asked: Arc::default() }
    }
}

/// Records of a chunk.
const CHUNK: usize = 3;

impl DirectInput for Numbers {
    type Record = i64;
    type Range = (usize, usize);
    type Position = usize;

    fn advance(position: &mut usize, range: &(usize, usize)) {
        *position = range.0 + 1;
    }

    fn plan(&self, position: &usize, _: &Ask) -> Result<Vec<(usize, usize)>> {
        let partitions = self.batches.get(*position).map_or(0, Vec::len);
        Ok((0..partitions).map(|partition| (*position, partition)).collect())
    }

    fn records(&self, range: &(usize, usize)) -> Option<u64> {
        self.known.then(|| self.batches[range.0][range.1].len() as u64 + self.promised)
    }

    fn read(
        &self,
        range: &(usize, usize),
        rejects: &Rejects,
        _: &TaskContext,
    ) -> Result<Box<dyn Chunks<i64>>> {
        let failing =
            self.failures.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        let (numbers, rejects) = (self.batches[range.0][range.1].clone(), rejects.clone());
        let (bytes, asked) = (self.bytes, Arc::clone(&self.asked));
        Ok(Box::new(Reading {
            numbers,
            at: 0,
            fails: failing.is_ok(),
            out: Vec::new(),
            rejects,
            bytes,
            asked,
        }))
    }

    fn home(&self, range: &(usize, usize)) -> u64 {
        range.1 as u64
    }

    fn name(&self) -> String {
        "numbers".into()
    }
}

struct Reading {
    numbers: Vec<i64>,
    at: usize,
    fails: bool,
    out: Vec<i64>,
    rejects: Rejects,
    bytes: usize,
    asked: Arc<AtomicU64>,
}

impl Chunks<i64> for Reading {
    fn next(&mut self) -> Result<Option<Chunk<'_, i64>>> {
        if self.fails && self.at > 0 {
            let what = "reading".into();
            return Err(Error::Connector {
                connector: "numbers",
                what,
                retry: Retry::WithBackoff,
                source: None,
            });
        }
        if self.at >= self.numbers.len() {
            return Ok(None);
        }
        self.out.clear();
        for (at, number) in self.numbers.iter().enumerate().skip(self.at).take(CHUNK) {
            if *number >= 0 {
                self.out.push(*number);
                continue;
            }
            self.rejects.add(|| {
                self.asked.fetch_add(1, Ordering::Relaxed);
                let mut bytes = number.to_string().into_bytes();
                bytes.resize(self.bytes.max(bytes.len()), b'.');
                Rejected::new(format!("number {at}"), format!("{number} is negative"), bytes)
            });
        }
        self.at += CHUNK;
        Ok(Some(Chunk::Own(&mut self.out)))
    }
}

/// What a listener heard.
#[derive(Clone, Default)]
pub(crate) struct Heard(Arc<Mutex<Vec<Event>>>);

impl StreamingListener for Heard {
    fn on_event(&self, event: &Event) {
        self.0.lock().unwrap().push(event.clone());
    }
}

impl Heard {
    pub(crate) fn on(ssc: &StreamingContext) -> Self {
        let heard = Self::default();
        ssc.add_streaming_listener(heard.clone());
        heard
    }

    /// Batches that are done.
    pub(crate) fn batches(&self) -> Vec<BatchInfo> {
        let completed = |event: &Event| match event {
            Event::BatchCompleted(batch) => Some(batch.clone()),
            _ => None,
        };
        self.0.lock().unwrap().iter().filter_map(completed).collect()
    }

    /// Batch, stream, records and reason of what was rejected.
    pub(crate) fn rejected(&self) -> Vec<(u64, Option<usize>, u64, String)> {
        let rejected = |event: &Event| match event {
            Event::RecordsRejected { batch, stream_id, records, reason, .. } => {
                Some((batch.as_millis(), *stream_id, *records, reason.clone()))
            }
            _ => None,
        };
        self.0.lock().unwrap().iter().filter_map(rejected).collect()
    }

    /// How often receivers were started.
    pub(crate) fn starts(&self) -> usize {
        let events = self.0.lock().unwrap();
        events.iter().filter(|event| matches!(event, Event::ReceiverStarted(_))).count()
    }

    /// Records, handed on, rejected, lost, not read; of each batch's only input.
    pub(crate) fn counts(&self) -> Vec<[u64; 5]> {
        let of = |batch: &BatchInfo| {
            let input = &batch.inputs[0];
            [input.records, input.handed_on, input.rejected, input.lost, input.not_read]
        };
        self.batches().iter().map(of).collect()
    }
}

/// Batch, partition, place and bytes of the letters that were shown, in order of the batches.
pub(crate) fn shown(sink: &CollectingSink<DeadLetter>) -> Vec<(u64, Option<u32>, String, String)> {
    let bytes = |letter: &DeadLetter| String::from_utf8_lossy(&letter.bytes).trim_end_matches('.').to_owned();
    sink.shown()
        .concat()
        .iter()
        .map(|letter| (letter.batch.as_millis(), letter.partition, letter.at.clone(), bytes(letter)))
        .collect()
}

/// The letters that there must be once all of `batches` was read.
pub(crate) fn letters_of(batches: &[Batch]) -> Vec<(u64, Option<u32>, String, String)> {
    let mut all = Vec::new();
    for (batch, partitions) in (1..).zip(batches) {
        for (partition, numbers) in (0..).zip(partitions) {
            for (at, number) in numbers.iter().enumerate().filter(|(_, number)| **number < 0) {
                all.push((batch * 1000, Some(partition), format!("number {at}"), number.to_string()));
            }
        }
    }
    all
}

/// A conf with these settings, for two task threads.
pub(crate) fn conf(settings: &[(&str, &str)]) -> Conf {
    let conf = Conf::new().allow_several(true).master("local[2]").unwrap();
    settings.iter().fold(conf, |conf, (key, value)| conf.set(key, *value).unwrap())
}

/// Two batches with three bad records in two partitions.
pub(crate) fn some() -> Vec<Batch> {
    vec![vec![vec![1, -2, 3, 4, -5], vec![6]], vec![vec![7], vec![-8]]]
}

/// How the records of a batch are read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Read {
    /// By one action.
    Once,
    /// By several, each from the source.
    Again,
    /// By two outputs, one of which fails once; the stream is kept.
    Shared,
    /// As far as so many records need.
    Take(usize),
    /// By nobody.
    Not,
}

impl Read {
    pub(crate) fn draw(self, numbers: &DStream<i64>) {
        match self {
            Self::Once => numbers.map(|n| n + 1).foreach_rdd(|rdd, _| {
                rdd.collect()?;
                Ok(())
            }),
            Self::Again => numbers.foreach_rdd(|rdd, _| {
                rdd.take(2)?;
                rdd.count()?;
                rdd.is_empty()?;
                rdd.collect()?;
                Ok(())
            }),
            Self::Shared => {
                let failed = AtomicU64::new(0);
                let fragile = numbers.try_map(move |n| match failed.fetch_add(1, Ordering::Relaxed) {
                    0 => Err("once".into()),
                    _ => Ok(n),
                });
                fragile.foreach_rdd(|rdd, _| {
                    rdd.count()?;
                    Ok(())
                });
                numbers.foreach_rdd(|rdd, _| {
                    rdd.collect()?;
                    Ok(())
                });
            }
            Self::Take(n) => numbers.foreach_rdd(move |rdd, _| {
                rdd.take(n)?;
                Ok(())
            }),
            Self::Not => numbers.foreach_rdd(|_, _| Ok(())),
        }
    }

    pub(crate) fn is_whole(self) -> bool {
        matches!(self, Self::Once | Self::Again | Self::Shared)
    }
}
