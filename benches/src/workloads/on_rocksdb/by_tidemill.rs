//! tidemill's side: the job of `map-with-state`, with its states in RocksDB.

use std::fs;
use std::sync::atomic::Ordering;

use anyhow::{Context, Result};
use tidemill_state_rocksdb::RocksDbState;

use crate::limit::scratch;
use crate::measure::Measured;
use crate::workloads::EntryArgs;
use crate::workloads::map_with_state::counted;
use crate::workloads::updates::{Case, Job};

pub(super) fn run(args: &EntryArgs, case: &Case) -> Result<Measured> {
    let folder = scratch(&args.data)?;
    // Without a checkpoint, as the loop by hand.
    let job = Job::new("rocksdb", case.keys, case.updates, None)?;
    job.ssc.state_backend(RocksDbState::new(folder.join("states")));
    let seen = counted(&job);
    let measured = job.measure(case.warm, case.batches(args.quick))?;
    job.stop()?;
    fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
    Ok(measured.with("check", seen.load(Ordering::Relaxed)))
}
