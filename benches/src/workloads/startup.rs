//! `startup`: from the start of the process to the first result printed, and the memory of a job that has nothing to do.

use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result};
use tidemill::Text;

use crate::harness::{Setup, Side, run_child};
use crate::measure::{self, Measured};
use crate::stats::Want;
use crate::workloads::{BOTH, EntryArgs, Goal, Name, THREADS, Workload, context};

pub(crate) const WORKLOAD: Workload = Workload {
    name: "startup",
    goals: &[
        // Without the time in which the job only waits for its first batch to be due.
        Goal { figure: "start_ms", want: Want::AtMost(50.0) },
        // What is resident after three batches without data.
        Goal { figure: "idle_mb", want: Want::AtMost(30.0) },
    ],
    sides: BOTH,
    run,
    entry,
};

const INTERVAL: Duration = Duration::from_millis(100);
/// Batches without data before the memory is looked at.
const IDLE_BATCHES: usize = 3;
/// Longer than a job takes for its batches on any machine.
const PATIENCE: Duration = Duration::from_mins(1);

fn run(setup: &Setup, side: Side) -> Result<Measured> {
    let mut command = match side {
        Side::Tidemill => setup.entry(Name::Startup, side)?,
        Side::Limit => setup.limits.program("limit-w6"),
    };
    command.args(["--t0-us", &measure::epoch_us().to_string()]);
    run_child(command)
}

fn entry(args: &EntryArgs) -> Result<Measured> {
    let ssc = context(WORKLOAD.name, INTERVAL)?;
    let text = ["hello world", "hello spark streaming", "a few words"].map(Text::from);
    let lines = ssc.queue_stream([ssc.parallelize(text.to_vec(), THREADS)]);
    let counts = lines.flat_map(|line| line.split(' ')).map(|word| (word, 1u64)).reduce_by_key(|a, b| a + b);
    let (done, batches) = mpsc::channel();
    counts.foreach_rdd(move |rdd, time| {
        for count in rdd.collect()? {
            eprintln!("{count:?}");
        }
        done.send((time, measure::epoch_us()))?;
        Ok(())
    });
    ssc.start()?;
    let started_us = measure::epoch_us();
    let (due, printed_us) = batches.recv_timeout(PATIENCE).context("no batch came")?;
    let cpu_s = measure::cpu_s(nix::sys::resource::UsageWho::RUSAGE_SELF)?;
    for _ in 0..IDLE_BATCHES {
        batches.recv_timeout(PATIENCE).context("no empty batch came")?;
    }
    let idle_mb = measure::memory_mb("VmRSS")?;
    ssc.stop(false)?;
    // From `start` until the batch is due the job only waits; stricter than taking the whole interval off.
    let waited_us = (due.as_millis() * 1000).saturating_sub(started_us);
    let seconds = (printed_us - args.t0_us - waited_us) as f64 / 1e6;
    Ok(Measured::of(1, (seconds, cpu_s))?.with("start_ms", seconds * 1e3).with("idle_mb", idle_mb))
}
