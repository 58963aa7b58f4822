//! `wordcount-string`: the word count with `String`s out of a `flat_map` that returns a `Vec`.

use std::time::Duration;

use anyhow::Result;

use crate::harness::{Setup, Side, run_child};
use crate::measure::Measured;
use crate::stats::Want;
use crate::workloads::{BOTH, EntryArgs, Goal, Name, THREADS, Workload, context, wordcount};

pub(crate) const WORKLOAD: Workload = Workload {
    name: "wordcount-string",
    goals: &[Goal { figure: "rate_ratio", want: Want::RatioAtLeast(0.85) }],
    sides: BOTH,
    run,
    entry,
};

fn run(setup: &Setup, side: Side) -> Result<Measured> {
    match side {
        Side::Tidemill => run_child(setup.entry(Name::WordcountString, side)?),
        Side::Limit => wordcount::limit(setup, "string-vec"),
    }
}

fn entry(args: &EntryArgs) -> Result<Measured> {
    let ssc = context(WORKLOAD.name, Duration::from_secs(1))?;
    let lines: Vec<String> = args.text()?.lines().map(str::to_owned).collect();
    let n = lines.len() as u64;
    let lines = ssc.parallelize(lines, THREADS);
    wordcount::count(n, args.quick, || {
        // A function that gives a list of Strings, as a newcomer writes it.
        lines.flat_map(|line| line.split(' ').map(str::to_owned).collect::<Vec<_>>()).map(|word| (word, 1u64))
    })
}
