//! `update-state`: `update_state_by_key` with 1 % of 1 M and of 5 M keys changed, beside a bare walk over all of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};

use crate::harness::{Setup, Side};
use crate::measure::Measured;
use crate::stats::Want;
use crate::workloads::updates::{Case, Job, run_cases};
use crate::workloads::{BOTH, EntryArgs, Goal, Name, THREADS, Workload};

pub(crate) const WORKLOAD: Workload = Workload {
    name: "update-state",
    goals: &[
        Goal { figure: "ms_1m_ratio", want: Want::RatioAtMost(2.0) },
        Goal { figure: "ms_5m_ratio", want: Want::RatioAtMost(2.0) },
    ],
    sides: BOTH,
    run,
    entry,
};

const CASES: [Case; 2] = [
    Case { name: "1m", keys: 1_000_000, updates: 10_000, warm: 5, batches: 100 },
    Case { name: "5m", keys: 5_000_000, updates: 50_000, warm: 5, batches: 40 },
];

fn run(setup: &Setup, side: Side) -> Result<Measured> {
    run_cases(setup, Name::UpdateState, side, "update", &CASES)
}

fn entry(args: &EntryArgs) -> Result<Measured> {
    let case = CASES.get(args.case).context("no such case")?;
    let job = Job::new(WORKLOAD.name, case.keys, case.updates, None)?;
    let counts = job
        .stream()
        .update_state_by_key(|values, count: Option<u64>| Some(count.unwrap_or(0) + values.sum::<u64>()));
    let seen = Arc::new(AtomicU64::new(0));
    let output = Arc::clone(&seen);
    let room = (case.keys / THREADS as u64 * 11 / 10) as usize;
    counts.foreach_rdd(move |counts, _| {
        // The whole state is the output of the batch, and is written out; as in the limit, the list need not grow.
        let parts = counts.map_partitions(move |counts| {
            let mut all: Vec<(u64, u64)> = Vec::with_capacity(room);
            counts.for_each(|count| all.push(count));
            [all.len() as u64]
        });
        output.store(parts.collect()?.into_iter().sum(), Ordering::Relaxed);
        Ok(())
    });
    let measured = job.measure(case.warm, case.batches(args.quick))?;
    job.stop()?;
    Ok(measured.with("check", seen.load(Ordering::Relaxed)))
}
