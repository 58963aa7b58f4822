//! How often a record comes: once, at least once or at most once, by the way in which its receiver reads. Each row of the
//! table in the documentation of `Receiver` has a test here.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tidemill::prelude::*;
use tidemill::testing::{Collected, collect_batches, run_batches, seeded, seeded_members};
use tidemill::{Error, Event, Gate, Received, Receiver, Retry, StreamingListener, TextLinesBlock};

/// What a source has.
const RECORDS: u64 = 30;

fn broken(what: &str) -> Error {
    Error::Connector { connector: "test", what: what.into(), retry: Retry::WithBackoff, source: None }
}

/// Counts records that came again.
#[derive(Clone, Default)]
struct Repeated(Arc<Mutex<u64>>);

impl StreamingListener for Repeated {
    fn on_event(&self, event: &Event) {
        if let Event::RecordsRepeated { records, .. } = event {
            *self.0.lock() += records;
        }
    }
}

/// How a receiver emits.
#[derive(Clone, Copy, Debug)]
enum Emits {
    WithoutPositions,
    Each,
    Fives,
    Blocks,
}

/// Reads from the beginning at each start, and fails or panics in front of each of `jams` once.
struct FromTheBeginning {
    emits: Emits,
    jams: Mutex<VecDeque<u64>>,
}

impl Receiver for FromTheBeginning {
    type Record = Text;
    type Position = u64;

    async fn run(&self, gate: Gate<Text, u64>) -> Result<()> {
        for n in (0..RECORDS).step_by(5) {
            let jam = self.jams.lock().front().copied();
            if jam.is_some_and(|jam| jam < n + 5) {
                let count = {
                    let mut jams = self.jams.lock();
                    jams.pop_front();
                    jams.len()
                };
                assert!(count % 2 == 0, "the tape is torn");
                return Err(broken("the tape jammed"));
            }
            let lines: Vec<Text> = (n..n + 5).map(|n| n.to_string().into()).collect();
            match self.emits {
                Emits::WithoutPositions => {
                    for line in lines {
                        gate.emit(line).await?;
                    }
                }
                Emits::Each => {
                    for (n, line) in (n..).zip(lines) {
                        gate.emit_at("tape", line, n).await?;
                    }
                }
                Emits::Fives => {
                    gate.emit_all(Received { lane: "tape".into(), records: lines, last: Some(n + 4) })
                        .await?;
                }
                Emits::Blocks => {
                    let text = lines.iter().fold(String::new(), |text, line| text + line.as_str() + "\n");
                    gate.emit_block("tape", TextLinesBlock::new(text, 100), Some(n + 4)).await?;
                }
            }
            gate.sleep(Duration::from_millis(70)).await;
        }
        Ok(())
    }
}

/// The numbers that came from a receiver that reads from the beginning, and how many were left out.
fn from_the_beginning(seed: u64, emits: Emits) -> (Vec<u64>, u64) {
    seeded(seed, 2, move |ssc| {
        let repeated = Repeated::default();
        ssc.add_streaming_listener(repeated.clone());
        let receiver = FromTheBeginning { emits, jams: Mutex::new([5, 17, 29].into()) };
        let numbers = collect_batches(&ssc.receiver_stream(receiver).map(|line| line.parse().unwrap()));
        run_batches(ssc, 12).unwrap();
        ssc.stop(true).unwrap();
        let repeated = *repeated.0.lock();
        (numbers.batches().concat(), repeated)
    })
}

#[test]
fn with_positions_a_record_comes_exactly_once_though_all_is_read_again_behind_each_failure() {
    for seed in 0..5 {
        for emits in [Emits::Each, Emits::Fives, Emits::Blocks] {
            let (numbers, repeated) = from_the_beginning(seed, emits);
            assert_eq!(numbers, (0..RECORDS).collect::<Vec<_>>(), "{emits:?}, seed {seed}");
            assert_eq!(repeated, 5 + 15 + 25, "{emits:?}, seed {seed}");
        }
    }
}

#[test]
fn without_positions_what_is_read_again_from_the_beginning_comes_at_least_once() {
    let (mut numbers, repeated) = from_the_beginning(1, Emits::WithoutPositions);
    assert_eq!((numbers.len() as u64, repeated), (RECORDS + 5 + 15 + 25, 0));
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers, (0..RECORDS).collect::<Vec<_>>());
}

/// A server that hands out each message until it is acknowledged: again to each new connection.
#[derive(Default)]
struct Queue {
    waiting: VecDeque<u64>,
    handed_out: VecDeque<u64>,
    acknowledged: Vec<u64>,
    ended: u64,
}

/// Reads a queue; fails behind each of `fails` messages once.
#[derive(Clone)]
struct QueueReceiver {
    queue: Arc<Mutex<Queue>>,
    fails: Arc<Mutex<VecDeque<u64>>>,
}

impl QueueReceiver {
    fn new(fails: &[u64]) -> Self {
        let queue = Queue { waiting: (0..RECORDS).collect(), ..Queue::default() };
        Self {
            queue: Arc::new(Mutex::new(queue)),
            fails: Arc::new(Mutex::new(fails.iter().copied().collect())),
        }
    }

    /// The first `count` messages that were handed out are safe.
    fn acknowledge(&self, count: u64) {
        let mut queue = self.queue.lock();
        let safe: Vec<u64> = queue.handed_out.drain(..count as usize).collect();
        queue.acknowledged.extend(safe);
    }
}

impl Receiver for QueueReceiver {
    type Record = u64;
    /// The run, and the number of the message in it: what is handed out again is another one.
    type Position = (u64, u64);

    async fn run(&self, gate: Gate<u64, (u64, u64)>) -> Result<()> {
        {
            let mut queue = self.queue.lock();
            let again: Vec<u64> = queue.handed_out.drain(..).rev().collect();
            again.into_iter().for_each(|message| queue.waiting.push_front(message));
        }
        let run = gate.resume("queue").map_or(0, |(run, _)| run + 1);
        let (mut next, mut safe) = (0, 0);
        // What an earlier run could not acknowledge was handed out again: there is nothing to do for it.
        let behind = |last: Vec<(tidemill::Lane, (u64, u64))>| {
            last.iter().find(|(_, position)| position.0 == run).map_or(0, |(_, position)| position.1 + 1)
        };
        loop {
            tokio::select! {
                biased;
                () = gate.stopped() => break,
                Some(last) = gate.durable() => {
                    let up_to = behind(last).max(safe);
                    self.acknowledge(up_to - safe);
                    safe = up_to;
                }
                () = gate.sleep(Duration::from_millis(90)) => {
                    let message = {
                        let mut queue = self.queue.lock();
                        let message = queue.waiting.pop_front();
                        queue.handed_out.extend(message);
                        message
                    };
                    let Some(message) = message else { continue };
                    if gate.emit_at("queue", message, (run, next)).await.is_err() {
                        break;
                    }
                    next += 1;
                    let fails = self.fails.lock().pop_front_if(|fails| *fails == message).is_some();
                    if fails {
                        return Err(broken("the connection was closed"));
                    }
                }
            }
        }
        gate.finish();
        while let Some(last) = gate.durable().await {
            let up_to = behind(last).max(safe);
            self.acknowledge(up_to - safe);
            safe = up_to;
        }
        self.queue.lock().ended += 1;
        Ok(())
    }
}

#[test]
fn what_is_acknowledged_once_durable_comes_at_least_once_and_a_graceful_stop_acknowledges_the_last_batch_too()
{
    for seed in 0..10 {
        for members in [1, 3] {
            let receiver = QueueReceiver::new(&[3, 17]);
            let queue = Arc::clone(&receiver.queue);
            let (numbers, _) = seeded_members(seed, members, 2, move |ssc| {
                let all = collect_batches(&ssc.receiver_stream(receiver.clone()));
                // Not all of them: the stop comes while messages wait.
                run_batches(ssc, 6).unwrap();
                ssc.stop(true).unwrap();
                all.batches().concat()
            });
            let what = format!("seed {seed}, {members} members");
            let mut numbers = numbers[0].clone();
            let count = numbers.len();
            numbers.sort_unstable();
            numbers.dedup();
            assert_eq!(numbers, (0..numbers.len() as u64).collect::<Vec<_>>(), "{what}: one is missing");
            assert!(numbers.len() > 17 && numbers.len() < count, "{what}: nothing came twice, {numbers:?}");
            // Whatever is in a batch was acknowledged, and nothing else.
            let mut acknowledged = queue.lock().acknowledged.clone();
            acknowledged.sort_unstable();
            assert_eq!(acknowledged, numbers, "{what}");
        }
    }
}

#[test]
fn a_stop_at_once_acknowledges_nothing_that_was_not_committed_and_the_receiver_ends() {
    for seed in 0..10 {
        let receiver = QueueReceiver::new(&[]);
        let queue = Arc::clone(&receiver.queue);
        let numbers = seeded(seed, 2, move |ssc| {
            let all = collect_batches(&ssc.receiver_stream(receiver.clone()));
            run_batches(ssc, 2).unwrap();
            // Half a batch more, which is never computed.
            assert!(!ssc.await_termination_or_timeout(Duration::from_millis(500)).unwrap());
            ssc.stop(false).unwrap();
            all.batches().concat()
        });
        let queue = queue.lock();
        let acknowledged = &queue.acknowledged;
        assert_eq!(queue.ended, 1, "seed {seed}: the receiver waits for ever");
        assert_eq!(*acknowledged, numbers, "seed {seed}");
        assert!(queue.handed_out.len() >= 5, "seed {seed}: nothing was on its way");
    }
}

/// Hands out each record once, and forgets it: a socket.
struct Wire {
    records: Arc<Mutex<VecDeque<u64>>>,
}

impl Receiver for Wire {
    type Record = u64;
    type Position = ();

    async fn run(&self, gate: Gate<u64, ()>) -> Result<()> {
        loop {
            let read: Vec<u64> = {
                let mut records = self.records.lock();
                let count = records.len().min(5);
                records.drain(..count).collect()
            };
            if read.is_empty() {
                return Ok(());
            }
            for record in read {
                if record == 12 {
                    return Err(broken("the connection was reset"));
                }
                gate.emit(record).await?;
            }
        }
    }
}

#[test]
fn from_a_source_that_forgets_a_record_comes_at_most_once() {
    let numbers = seeded(1, 2, |ssc| {
        let wire = Wire { records: Arc::new(Mutex::new((0..RECORDS).collect())) };
        let all: Collected<u64> = collect_batches(&ssc.receiver_stream(wire));
        run_batches(ssc, 6).unwrap();
        ssc.stop(true).unwrap();
        all.batches().concat()
    });
    // 12 to 14 were read by the run that failed, and not emitted.
    assert_eq!(numbers, (0..12).chain(15..RECORDS).collect::<Vec<_>>());
}
