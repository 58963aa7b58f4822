//! A job that receives ten times what it may hold stays within its memory, and loses nothing. A test of its own process,
//! whose memory is what is measured.

#![cfg(target_os = "linux")]

use std::fs;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use tidemill::testing::{clock, local_with, run_batches};
use tidemill::{Clock, Conf, Gate, Received, Receiver, Result, Text, TextLinesBlock};
use tokio::sync::watch;

const BUDGET: usize = 32 << 20;

/// Ten times the budget, in records of so many bytes, of two receivers.
const RECORD: usize = 256;
const EACH: usize = 5 * BUDGET / RECORD;

/// Each receiver tells when it has brought in another tenth.
const PARTS: usize = 10;

/// The most that this process has held at once.
fn resident_max() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().trim().parse::<usize>().unwrap() << 10
}

/// Which records there are, by number.
struct Seen(Vec<AtomicU8>);

impl Seen {
    fn new() -> Arc<Self> {
        Arc::new(Self((0..EACH).map(|_| AtomicU8::new(0)).collect()))
    }

    fn note(&self, record: &str) {
        let number: usize = record.split_once(' ').unwrap().0.parse().unwrap();
        assert_eq!(record.len(), RECORD);
        self.0[number].fetch_add(1, Ordering::Relaxed);
    }

    fn other_than_once(&self) -> usize {
        self.0.iter().filter(|times| times.load(Ordering::Relaxed) != 1).count()
    }
}

fn record(number: usize) -> String {
    format!("{number} {:>width$}", "", width = RECORD - 1 - number.to_string().len())
}

/// What both receivers wait for, and tell.
struct Flood {
    start: watch::Receiver<bool>,
    part_is_in: mpsc::Sender<()>,
}

impl Flood {
    async fn started(&self) {
        self.start.clone().wait_for(|start| *start).await.unwrap();
    }

    fn tell(&self, number: usize) {
        if number.is_multiple_of(EACH / PARTS) {
            self.part_is_in.send(()).unwrap();
        }
    }
}

/// Strings, one by one and in lists.
struct Strings(Flood);

impl Receiver for Strings {
    type Record = String;
    type Position = ();

    async fn run(&self, gate: Gate<String, ()>) -> Result<()> {
        self.0.started().await;
        let mut list = Vec::new();
        for number in 0..EACH {
            // Runs of a thousand of each kind.
            if (number / 1000).is_multiple_of(2) {
                gate.emit(record(number)).await?;
            } else {
                list.push(record(number));
            }
            if list.len() == 500 {
                let records = std::mem::take(&mut list);
                gate.emit_all(Received { lane: "strings".into(), records, last: None }).await?;
            }
            self.0.tell(number + 1);
        }
        gate.emit_all(Received { lane: "strings".into(), records: list, last: None }).await
    }
}

/// Lines, in blocks.
struct Lines(Flood);

impl Receiver for Lines {
    type Record = Text;
    type Position = ();

    async fn run(&self, gate: Gate<Text, ()>) -> Result<()> {
        self.0.started().await;
        let mut buffer = Vec::new();
        for number in 0..EACH {
            buffer.extend_from_slice(record(number).as_bytes());
            buffer.push(b'\n');
            if buffer.len() > 100_000 || number + 1 == EACH {
                let block = TextLinesBlock::new(std::mem::take(&mut buffer), 1 << 20);
                gate.emit_block("lines", block, None).await?;
            }
            self.0.tell(number + 1);
        }
        Ok(())
    }
}

#[test]
fn ten_times_the_budget_comes_in_while_a_batch_is_held_up_and_memory_stays_within_a_quarter_more() {
    let folder = tempfile::tempdir().unwrap();
    let conf = Conf::new().allow_several(true).master("local[2]").unwrap();
    // Nothing but the memory holds anybody back.
    let conf = conf.set("tidemill.streaming.backpressure.enabled", "false").unwrap();
    let conf = conf.set("tidemill.memory", format!("{BUDGET}b")).unwrap();
    let ssc = local_with(conf.set("tidemill.memory.spill_dir", folder.path().to_str().unwrap()).unwrap());
    let (start, started) = watch::channel(false);
    let (part_is_in, parts) = mpsc::channel();
    let flood = || Flood { start: started.clone(), part_is_in: part_is_in.clone() };
    let (strings, lines) = (Seen::new(), Seen::new());
    let (let_go, held) = mpsc::channel::<()>();
    let held = Arc::new(Mutex::new(Some(held)));
    let seen = Arc::clone(&strings);
    ssc.receiver_stream(Strings(flood())).foreach_rdd(move |rdd, _| {
        let (seen, held) = (Arc::clone(&seen), Arc::clone(&held));
        rdd.foreach(move |record| {
            // The task that has the first record of all waits with it.
            let first = held.lock().unwrap().take();
            if let Some(held) = first {
                held.recv().unwrap();
            }
            seen.note(record.as_ref());
        })?;
        Ok(())
    });
    let seen = Arc::clone(&lines);
    ssc.receiver_stream(Lines(flood())).foreach_rdd(move |rdd, _| {
        let seen = Arc::clone(&seen);
        rdd.foreach(move |line| seen.note(line.as_ref()))?;
        Ok(())
    });
    // A batch with nothing in it, so that what the job itself takes is there.
    run_batches(&ssc, 1).unwrap();
    let baseline = resident_max();

    let Clock::Manual(by_hand) = clock(&ssc) else { panic!("not by hand") };
    start.send_replace(true);
    for _ in 0..PARTS {
        // One of each receiver, as a rule; then a batch is due.
        (0..2).for_each(|_| parts.recv().unwrap());
        by_hand.advance(Duration::from_secs(1));
    }
    let all_in = resident_max();
    let_go.send(()).unwrap();
    run_batches(&ssc, 1).unwrap();
    ssc.stop(true).unwrap();
    let done = resident_max();

    let shown = |bytes: usize| bytes as f64 / f64::from(1 << 20);
    let text = format!(
        "before: {:.1} MiB; most while it came in: {:.1}; most in all: {:.1}",
        shown(baseline),
        shown(all_in),
        shown(done)
    );
    assert_eq!((strings.other_than_once(), lines.other_than_once()), (0, 0), "{text}");
    assert!(done <= baseline + BUDGET + BUDGET / 4, "{text}");
    // Otherwise nothing was shown: the budget was used, too.
    assert!(all_in >= baseline + BUDGET / 2, "{text}");
    drop(ssc);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "spill files are left");
    println!("{text}");
}
