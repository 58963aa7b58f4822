//! `window`: sums of 100,000 keys over 60 batches, every 10 batches, beside panes by hand; and how a slide's cost grows.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

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
        // The worst slide ÷ the median, each the median of five runs.
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
    /// How often it is run: the worst slide of one run is often the machine's.
    runs: u64,
}

const CASES: [Case; 3] = [
    Case { keys: 100_000, updates: 100_000, length: 60, slide: 10, slides: 12, runs: 1 },
    // At least two windows of each, and as many slides of both.
    Case { keys: 10_000, updates: 10_000, length: 6, slide: 1, slides: 1200, runs: 5 },
    Case { keys: 10_000, updates: 10_000, length: 600, slide: 1, slides: 1200, runs: 5 },
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
        for own in ["ms_per_slide", "worst", "worst_cpu", "worst_seen"] {
            all = all.with(&format!("{own}_{name}"), figure(run, own)?);
        }
    }
    Ok(all)
}

fn entry(args: &EntryArgs) -> Result<Measured> {
    let case = CASES.get(args.case).context("no such case")?;
    let slides = if args.quick { case.slides / 10 } else { case.slides };
    let runs = (0..case.runs).map(|_| slide(case, slides)).collect::<Result<Vec<Run>>>()?;
    let seconds = runs.iter().map(|run| run.section.0).sum::<f64>();
    let cpu_s = runs.iter().map(|run| run.section.1).sum();
    let slides = slides * case.runs;
    let last = runs.last().context("no run")?;
    Ok(Measured::of(slides * case.slide * case.updates, (seconds, cpu_s))?
        .with("ms_per_slide", seconds * 1e3 / slides as f64)
        .with("worst", worst(&typical(&runs, |run| &run.times)).context("no slide")?)
        .with("worst_cpu", worst(&typical(&runs, |run| &run.cpu)).context("no slide")?)
        .with("worst_seen", runs.iter().filter_map(|run| worst(&run.times)).fold(0.0, f64::max))
        .with("keys_out", last.output.0)
        .with("sum", last.output.1))
}

/// A run of a case: what the section took, seconds of wall and of CPU of each slide, and how many keys the last window
/// had, with their sum.
struct Run {
    section: (f64, f64),
    times: Vec<f64>,
    cpu: Vec<f64>,
    output: (u64, u64),
}

/// What each slide takes, as the median of the runs: a slide does the same in all of them, so what is in the way of one
/// of them is not the window's.
fn typical(runs: &[Run], of: impl Fn(&Run) -> &[f64]) -> Vec<f64> {
    let slides = runs.iter().map(|run| of(run).len()).min().unwrap_or(0);
    let of_slide = |slide: usize| runs.iter().map(|run| of(run)[slide]).collect::<Vec<f64>>();
    (0..slides).filter_map(|slide| median(&of_slide(slide))).collect()
}

/// The worst slide ÷ the median.
fn worst(slides: &[f64]) -> Option<f64> {
    Some(quantile(slides, 1.0)? / median(slides)?)
}

fn slide(case: &Case, slides: u64) -> Result<Run> {
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
    // Written to, so that no slide needs memory for what is measured.
    let (mut times, mut cpu) = (vec![f64::NAN; slides as usize], vec![f64::NAN; slides as usize]);
    let section = Section::start()?;
    for (slide, (time, cpu)) in times.iter_mut().zip(&mut cpu).enumerate() {
        let of_slide = Section::start()?;
        for b in 0..case.slide {
            job.batch(warm + slide as u64 * case.slide + b)?;
        }
        (*time, *cpu) = of_slide.stop()?;
    }
    let section = section.stop()?;
    job.stop()?;
    let output = *last.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(Run { section, times, cpu, output })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slide_that_is_slow_in_each_run_is_the_worst_and_one_that_waits_for_the_machine_is_not() {
        let run = |times: [f64; 4]| Run {
            section: (0.0, 0.0),
            times: times.to_vec(),
            cpu: Vec::new(),
            output: (0, 0),
        };
        let runs = [run([1.0, 9.0, 1.0, 4.0]), run([1.0, 1.0, 1.0, 4.0]), run([20.0, 1.0, 1.0, 5.0])];
        let times = typical(&runs, |run| &run.times);
        assert_eq!(times, [1.0, 1.0, 1.0, 4.0]);
        assert_eq!(worst(&times), Some(4.0));
        assert_eq!(worst(&runs[2].times), Some(20.0 / 3.0));
    }
}
