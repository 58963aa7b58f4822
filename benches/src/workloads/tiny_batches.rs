//! `tiny-batches`: what a batch costs that has hardly any data: two stages over four partitions, 400 words, two actions.

use std::time::Duration;

use anyhow::{Result, ensure};
use tidemill::Text;

use crate::harness::{Setup, Side, run_child};
use crate::measure::Measured;
use crate::stats::Want;
use crate::workloads::{EntryArgs, Goal, Name, Repeats, TIDEMILL_ALONE, Workload, context, repeat};

pub(crate) const WORKLOAD: Workload = Workload {
    name: "tiny-batches",
    // Microseconds a batch. A loop by hand over 400 words is no limit for this: the work is the engine's own.
    goals: &[Goal { figure: "batch_us", want: Want::AtMost(100.0) }],
    sides: TIDEMILL_ALONE,
    run,
    entry,
};

const PARTITIONS: usize = 4;
const REPEATS: Repeats = Repeats { warm: 1_000, measured: 20_000 };

fn run(setup: &Setup, side: Side) -> Result<Measured> {
    run_child(setup.entry(Name::TinyBatches, side)?)
}

fn entry(args: &EntryArgs) -> Result<Measured> {
    let ssc = context(WORKLOAD.name, Duration::from_secs(1))?;
    // 40 lines of 10 words, 50 different ones.
    let lines: Vec<Text> = (0..40).map(|line| line_of(line * 10)).collect();
    let lines = ssc.parallelize(lines, PARTITIONS);
    let (measured, ()) = repeat(REPEATS.of(args.quick), 1, || {
        let words = lines.flat_map(|line| line.split(' ')).map(|word| (word, 1u64));
        let counts = words.reduce_by_key_into(PARTITIONS, |a, b| a + b);
        // What pprint does: nothing for an empty batch.
        ensure!(!counts.is_empty()?, "the batch is not empty");
        let sum: u64 = counts.collect()?.iter().map(|(_, n)| n).sum();
        ensure!(sum == 400, "counted {sum} words instead of 400");
        Ok(())
    })?;
    let batch_us = measured.seconds * 1e6 / measured.n as f64;
    Ok(measured.with("batch_us", batch_us))
}

fn line_of(from: u32) -> Text {
    let words: Vec<String> = (from..from + 10).map(|word| format!("word{}", word % 50)).collect();
    Text::from(words.join(" ").as_str())
}
