//! `window`: sums of 100,000 keys over 60 batches, every 10 batches, beside panes by hand; and how a slide's cost grows.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::harness::{Setup, Side, run_child};
use crate::measure::{Measured, Section};
use crate::stats::{Want, median, quantile};
use crate::workloads::updates::Job;
use crate::workloads::{BOTH, EntryArgs, Goal, Name, Workload};

pub(crate) const WORKLOAD: Workload = Workload {
    name: "window",
    goals: &[
        Goal { figure: "ms_per_slide_ratio", want: Want::RatioAtMost(1.5) },
        // A window of 600 slides beside one of 6.
        Goal { figure: "growth", want: Want::AtMost(1.3) },
        // The worst slide ÷ the median.
        Goal { figure: "worst_6", want: Want::AtMost(5.0) },
        Goal { figure: "worst_600", want: Want::AtMost(5.0) },
    ],
    sides: BOTH,
    run,
    entry,
};

/// A window of `length` batches every `slide` batches.
struct Case {
    keys: u64,
    updates: u64,
    length: u64,
    slide: u64,
    slides: u64,
}

const CASES: [Case; 3] = [
    Case { keys: 100_000, updates: 100_000, length: 60, slide: 10, slides: 12 },
    // At least two windows of each, and as many slides of both.
    Case { keys: 10_000, updates: 10_000, length: 6, slide: 1, slides: 1200 },
    Case { keys: 10_000, updates: 10_000, length: 600, slide: 1, slides: 1200 },
];

fn run(setup: &Setup, side: Side) -> Result<Measured> {
    let limit = &CASES[0];
    if side == Side::Limit {
        let mut command = setup.limits.program("limit-w3");
        command.args(["--variant", "pane"]);
        for (name, value) in [
            ("--keys", limit.keys),
            ("--updates", limit.updates),
            ("--window", limit.length),
            ("--slide", limit.slide),
            ("--slides", limit.slides),
        ] {
            command.args([name, &value.to_string()]);
        }
        return run_child(command);
    }
    let mut runs = Vec::new();
    for case in 0..CASES.len() {
        let mut command = setup.entry(Name::Window, side)?;
        command.args(["--case", &case.to_string()]);
        runs.push(run_child(command)?);
    }
    let figure = |run: &Measured, name: &str| {
        run.more.get(name).and_then(serde_json::Value::as_f64).context("a figure is missing")
    };
    let [main, short, long] = &runs[..] else { unreachable!("a run for each case") };
    let growth = figure(long, "ms_per_slide")? / figure(short, "ms_per_slide")?;
    let mut all = main.clone().with("growth", growth);
    for (name, run) in [("6", short), ("600", long)] {
        for own in ["ms_per_slide", "worst", "worst_cpu"] {
            all = all.with(&format!("{own}_{name}"), figure(run, own)?);
        }
    }
    Ok(all)
}

fn entry(args: &EntryArgs) -> Result<Measured> {
    let case = CASES.get(args.case).context("no such case")?;
    let slides = if args.quick { case.slides / 10 } else { case.slides };
    let job = Job::new(WORKLOAD.name, case.keys, case.updates, None)?;
    let batches = |n: u64| Duration::from_secs(n);
    let sums = job.stream().reduce_by_key_and_window(batches(case.length), batches(case.slide), |a, b| a + b);
    let last = Arc::new(Mutex::new((0, 0)));
    let output = Arc::clone(&last);
    sums.foreach_rdd(move |sums, _| {
        let parts =
            sums.map_partitions(|sums| [sums.fold((0u64, 0u64), |(keys, sum), (_, n)| (keys + 1, sum + n))]);
        let all = parts.collect()?.into_iter().fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
        *output.lock().unwrap_or_else(PoisonError::into_inner) = all;
        Ok(())
    });
    // As the limit: batches are counted from 0, and the window is full before the section begins.
    let warm = case.length + case.slide;
    for b in 0..warm {
        job.batch(b)?;
    }
    let section = Section::start()?;
    let (mut times, mut cpu) = (Vec::new(), Vec::new());
    for slide in 0..slides {
        let (start, of_slide) = (Instant::now(), Section::start()?);
        for b in 0..case.slide {
            job.batch(warm + slide * case.slide + b)?;
        }
        times.push(start.elapsed().as_secs_f64());
        cpu.push(of_slide.stop()?.1);
    }
    let (seconds, cpu_s) = section.stop()?;
    job.stop()?;
    let worst = |times: &[f64]| Some(quantile(times, 1.0)? / median(times)?);
    let (keys_out, sum) = *last.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(Measured::of(slides * case.slide * case.updates, (seconds, cpu_s))?
        .with("ms_per_slide", seconds * 1e3 / slides as f64)
        .with("worst", worst(&times).context("no slide")?)
        .with("worst_cpu", worst(&cpu).context("no slide")?)
        .with("keys_out", keys_out)
        .with("sum", sum))
}
