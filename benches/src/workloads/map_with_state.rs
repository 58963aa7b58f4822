//! `map-with-state`: 100,000 updates a batch of 1 M and of 5 M keys, durable, beside a loop that keeps them so by hand.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use tidemill::{State, StateSpec};

use crate::harness::{Setup, Side};
use crate::measure::Measured;
use crate::stats::Want;
use crate::workloads::updates::{Case, Job, checkpoint, run_cases};
use crate::workloads::{BOTH, EntryArgs, Goal, Name, Workload};

pub(crate) const WORKLOAD: Workload = Workload {
    name: "map-with-state",
    goals: &[
        Goal { figure: "ms_1m_ratio", want: Want::RatioAtMost(2.0) },
        Goal { figure: "ms_5m_ratio", want: Want::RatioAtMost(2.0) },
        Goal { figure: "growth", want: Want::AtMost(1.5) },
    ],
    sides: BOTH,
    run,
    entry,
};

/// So many batches that each state has been written into a base at least twice: bases cost as many bytes as what changes.
const CASES: [Case; 2] = [
    Case { name: "1m", keys: 1_000_000, updates: 100_000, warm: 5, batches: 60 },
    Case { name: "5m", keys: 5_000_000, updates: 100_000, warm: 5, batches: 180 },
];

fn run(setup: &Setup, side: Side) -> Result<Measured> {
    run_cases(setup, Name::MapWithState, side, "durable", &CASES)
}

fn entry(args: &EntryArgs) -> Result<Measured> {
    let case = CASES.get(args.case).context("no such case")?;
    let folder = checkpoint(args)?;
    let job = Job::new(WORKLOAD.name, case.keys, case.updates, Some(&folder))?;
    let seen = counted(&job);
    let measured = job.measure(case.warm, case.batches(args.quick))?;
    job.stop()?;
    fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
    Ok(measured.with("check", seen.load(Ordering::Relaxed)))
}

/// A running count of each key, and how many records the last batch gave.
pub(crate) fn counted(job: &Job) -> Arc<AtomicU64> {
    let counts = job.stream().map_with_state(
        StateSpec::new(),
        |key: &u64, value: Option<u64>, state: &mut State<u64>| {
            let count = state.get().copied().unwrap_or(0) + value.unwrap_or(0);
            state.update(count);
            (*key, count)
        },
    );
    let seen = Arc::new(AtomicU64::new(0));
    let output = Arc::clone(&seen);
    counts.foreach_rdd(move |counts, _| {
        output.store(counts.count()?, Ordering::Relaxed);
        Ok(())
    });
    seen
}
