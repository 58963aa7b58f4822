//! `wordcount`: one million lines in memory, words as `Text`, the plain `flat_map(|line| line.split(' '))`.

use std::time::Duration;

use anyhow::Result;
use tidemill::{Key, Rdd, TextBlock};

use crate::harness::{Setup, Side, run_child};
use crate::measure::Measured;
use crate::stats::Want;
use crate::workloads::{BOTH, EntryArgs, Goal, Name, Repeats, THREADS, Workload, context, repeat};

pub(crate) const WORKLOAD: Workload = Workload {
    name: "wordcount",
    goals: &[
        Goal { figure: "rate_ratio", want: Want::RatioAtLeast(1.0) },
        Goal { figure: "cpu_ratio", want: Want::RatioAtMost(1.1) },
    ],
    sides: BOTH,
    run,
    entry,
};

/// The same for both word counts and both sides.
pub(super) const REPEATS: Repeats = Repeats { warm: 2, measured: 10 };

fn run(setup: &Setup, side: Side) -> Result<Measured> {
    match side {
        Side::Tidemill => run_child(setup.entry(Name::Wordcount, side)?),
        Side::Limit => limit(setup, "borrow-lines"),
    }
}

/// The hand-written word count in one of its forms.
pub(super) fn limit(setup: &Setup, variant: &str) -> Result<Measured> {
    let repeats = REPEATS.of(setup.quick);
    let mut command = setup.limits.program("limit-w1");
    command.args(["--variant", variant, "--threads", &THREADS.to_string()]);
    command.args(["--warm", &repeats.warm.to_string(), "--batches", &repeats.measured.to_string()]);
    run_child(command)
}

fn entry(args: &EntryArgs) -> Result<Measured> {
    let ssc = context(WORKLOAD.name, Duration::from_secs(1))?;
    let (mut lines, mut cut) = (Vec::new(), TextBlock::from(args.text()?).lines());
    while cut.fill(&mut lines, usize::MAX) > 0 {}
    let n = lines.len() as u64;
    let lines = ssc.parallelize(lines, THREADS);
    count(n, args.quick, || lines.flat_map(|line| line.split(' ')).map(|word| (word, 1u64)))
}

/// The measured word count: drawn anew for each batch, as a stream does, or a shuffle's result would be found done.
pub(super) fn count<K: Key>(n: u64, quick: bool, pairs: impl Fn() -> Rdd<(K, u64)>) -> Result<Measured> {
    let (measured, (distinct, words)) = repeat(REPEATS.of(quick), n, || {
        let counts = pairs().reduce_by_key_into(THREADS, |a, b| a + b);
        // Distinct words and their sum in one pass over the counts, as the limit takes them.
        let parts = counts.map_partitions(|counts| {
            [counts.fold((0u64, 0u64), |(distinct, words), (_, count)| (distinct + 1, words + count))]
        });
        Ok(parts.collect()?.into_iter().fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1)))
    })?;
    Ok(measured.with("distinct", distinct).with("words", words))
}
