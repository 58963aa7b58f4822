//! `rocksdb`: 100,000 updates a batch of 1 M keys whose states are in RocksDB, beside a loop by hand that caches them all.

use anyhow::Result;

use crate::harness::{Setup, Side, run_child};
use crate::measure::Measured;
use crate::stats::Want;
use crate::workloads::{BOTH, EntryArgs, Goal, Name, Workload};

#[cfg(feature = "rocksdb")]
mod by_hand;
#[cfg(feature = "rocksdb")]
mod by_tidemill;

pub(crate) const WORKLOAD: Workload = Workload {
    name: "rocksdb",
    goals: &[Goal { figure: "ms_per_batch_ratio", want: Want::RatioAtMost(1.3) }],
    sides: BOTH,
    run,
    entry,
};

fn run(setup: &Setup, side: Side) -> Result<Measured> {
    run_child(setup.entry(Name::Rocksdb, side)?)
}

#[cfg(not(feature = "rocksdb"))]
fn entry(_: &EntryArgs) -> Result<Measured> {
    anyhow::bail!("built without RocksDB: add `--features rocksdb` behind `-p tidemill-benches`")
}

#[cfg(feature = "rocksdb")]
fn entry(args: &EntryArgs) -> Result<Measured> {
    match args.side {
        Side::Tidemill => by_tidemill::run(args, &CASE),
        Side::Limit => by_hand::run(args, &CASE),
    }
}

#[cfg(feature = "rocksdb")]
const CASE: super::updates::Case =
    super::updates::Case { name: "1m", keys: 1_000_000, updates: 100_000, warm: 5, batches: 40 };
