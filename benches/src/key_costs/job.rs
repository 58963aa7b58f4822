//! One process of a row: a job that takes all keys in, or one that goes on with them.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tidemill::testing::{local_with, run_batches};
use tidemill::{Conf, Key, RddQueue, State, StateSpec, StreamingContext, Text, Wire};

use super::size::bytes_of;
use super::{Kind, Phase, Place, Row};
use crate::measure::{Measured, Section, memory_mb};
use crate::workloads::THREADS;

/// Keys that come in at once.
const BATCH: u64 = 500_000;
/// The checkpoint is complete when nothing was written for so long.
const QUIET: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_mins(10);

/// Measures one process of a row.
///
/// # Errors
/// If the job fails.
pub(crate) fn measure(row: &Row) -> Result<Measured> {
    match row.kind {
        Kind::Numbers => measure_of(row, |i| (scattered(i), i % 1000)),
        Kind::Text => measure_of(row, |i| (Text::from(format!("user-{i:015}").as_str()), digits(i))),
    }
}

/// An id as services give them to users and sessions: any 64 bits.
fn scattered(i: u64) -> u64 {
    let x = (i ^ (i >> 33)).wrapping_mul(0xFF51_AFD7_ED55_8CCD);
    let x = (x ^ (x >> 33)).wrapping_mul(0xC4CE_B9FE_1A85_EC53);
    x ^ (x >> 33)
}

/// 100 digits that do not repeat, or what is compressed would count for nothing.
fn digits(i: u64) -> String {
    let digits = [0, 1, 2, 3, 4].map(|n| format!("{:020}", scattered(i * 5 + n)));
    digits.concat()
}

fn measure_of<K: Key, S: Wire>(row: &Row, make: fn(u64) -> (K, S)) -> Result<Measured> {
    let conf = Conf::new().master(format!("local[{THREADS}]"))?.app_name("key costs")?;
    let ssc = local_with(conf);
    let (checkpoint, states) = (row.folder.join("checkpoint"), row.folder.join("states"));
    ssc.checkpoint(checkpoint.to_str().context("a folder whose name is no text")?);
    if row.place == Place::Rocksdb {
        #[cfg(feature = "rocksdb")]
        ssc.state_backend(tidemill_state_rocksdb::RocksDbState::new(&states));
        ensure!(cfg!(feature = "rocksdb"), "built without RocksDB: add `--features rocksdb`");
    }
    let queue: RddQueue<(u64, u64)> = RddQueue::default();
    let mut spec = StateSpec::new();
    if row.timeout {
        spec = spec.timeout(Duration::from_hours(24 * 365));
    }
    let incoming = ssc.queue_stream(queue.clone()).flat_map(move |(from, to)| (from..to).map(make));
    let taken = incoming.map_with_state(spec, |_: &K, value: Option<S>, state: &mut State<S>| {
        if let Some(value) = value {
            state.update(value);
        }
    });
    taken.foreach_rdd(|taken, _| Ok(taken.count().map(drop)?));

    let begun = Section::start()?;
    // Opens what is there, and is the measure of a process without states where nothing is.
    run_batches(&ssc, 1)?;
    let started = begun.stop()?;
    let before_mb = memory_mb("VmRSS")?;
    let section = Section::start()?;
    if row.phase == Phase::Fill {
        for from in (0..row.keys).step_by(BATCH as usize) {
            let (to, step) = ((from + BATCH).min(row.keys), BATCH.div_ceil(THREADS as u64));
            let parts: Vec<(u64, u64)> =
                (from..to).step_by(step as usize).map(|part| (part, (part + step).min(to))).collect();
            queue.push(ssc.parallelize(parts, THREADS));
            run_batches(&ssc, 1)?;
        }
    }
    let took = match row.phase {
        Phase::Fill => section.stop()?,
        Phase::Reopen => started,
    };
    settle(&ssc, &checkpoint)?;
    let rss_mb = memory_mb("VmRSS")?;
    let checkpoint_mb = bytes_of(&checkpoint)? as f64 / f64::from(1 << 20);
    ssc.stop(true)?;
    Ok(Measured::of(row.keys, took)?
        .with("before_mb", before_mb)
        .with("states_mb", rss_mb - before_mb)
        .with("resident_mb", rss_mb)
        .with("checkpoint_mb", checkpoint_mb)
        .with("rocksdb_mb", bytes_of(&states)? as f64 / f64::from(1 << 20))
        .with("started_s", started.0))
}

/// Runs empty batches until the bases in the background are written, and what they replace is gone.
fn settle(ssc: &StreamingContext, checkpoint: &Path) -> Result<()> {
    let begun = Instant::now();
    let (mut bytes, mut since) = (bytes_of(checkpoint)?, Instant::now());
    while since.elapsed() < QUIET && begun.elapsed() < PATIENCE {
        run_batches(ssc, 1)?;
        thread::sleep(Duration::from_millis(20));
        let now = bytes_of(checkpoint)?;
        // An empty batch writes a few hundred bytes, and removes as many.
        if now.abs_diff(bytes) > 1 << 20 {
            (bytes, since) = (now, Instant::now());
        }
    }
    Ok(())
}
