//! The workloads: for each its goals, how a side is started, and what this program does when it is that side.

mod build;
mod files;
mod join;
mod latency;
mod listing;
mod map_with_state;
mod on_rocksdb;
mod socket;
mod startup;
mod tiny_batches;
mod trivial_maps;
mod update_state;
mod updates;
mod window;
mod wordcount;
mod wordcount_string;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use tidemill::StreamingContext;

use crate::harness::{Setup, Side};
use crate::measure::Measured;
use crate::stats::Want;

/// Both sides of every workload compute on so many threads.
pub(crate) const THREADS: usize = 2;

const BOTH: &[Side] = &[Side::Tidemill, Side::Limit];
const TIDEMILL_ALONE: &[Side] = &[Side::Tidemill];

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Name {
    Wordcount,
    WordcountString,
    TrivialMaps,
    Join,
    TinyBatches,
    Socket,
    Files,
    Latency,
    Listing,
    Startup,
    Build,
    Window,
    MapWithState,
    UpdateState,
    Rocksdb,
}

/// A figure and what it has to reach.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Goal {
    /// `rate_ratio`, `cpu_ratio`, or a figure that tidemill's run reports by that name.
    pub(crate) figure: &'static str,
    pub(crate) want: Want,
}

/// One workload.
#[derive(Debug)]
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) goals: &'static [Goal],
    pub(crate) sides: &'static [Side],
    /// In the harness: makes one run of a side as a child process.
    pub(crate) run: fn(&Setup, Side) -> Result<Measured>,
    /// In the child: is that side.
    pub(crate) entry: fn(&EntryArgs) -> Result<Measured>,
}

/// What the harness tells a child that is this program.
#[derive(Debug, Args)]
pub(crate) struct EntryArgs {
    #[arg(value_enum)]
    pub(crate) workload: Name,
    #[arg(value_enum)]
    pub(crate) side: Side,
    /// The folder with `lines.txt`.
    #[arg(long)]
    pub(crate) data: PathBuf,
    /// A short run.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Where the line server listens.
    #[arg(long, default_value_t = 0)]
    pub(crate) port: u16,
    /// When the harness started this process, in microseconds since the epoch.
    #[arg(long, default_value_t = 0)]
    pub(crate) t0_us: u64,
    /// Which of the workload's cases, for one that has several.
    #[arg(long, default_value_t = 0)]
    pub(crate) case: usize,
}

pub(crate) fn find(name: Name) -> Workload {
    match name {
        Name::Wordcount => wordcount::WORKLOAD,
        Name::WordcountString => wordcount_string::WORKLOAD,
        Name::TrivialMaps => trivial_maps::WORKLOAD,
        Name::Join => join::WORKLOAD,
        Name::TinyBatches => tiny_batches::WORKLOAD,
        Name::Socket => socket::WORKLOAD,
        Name::Files => files::WORKLOAD,
        Name::Latency => latency::WORKLOAD,
        Name::Listing => listing::WORKLOAD,
        Name::Startup => startup::WORKLOAD,
        Name::Build => build::WORKLOAD,
        Name::Window => window::WORKLOAD,
        Name::MapWithState => map_with_state::WORKLOAD,
        Name::UpdateState => update_state::WORKLOAD,
        Name::Rocksdb => on_rocksdb::WORKLOAD,
    }
}

/// How often a batch runs before and within the measured section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Repeats {
    warm: u64,
    measured: u64,
}

impl Repeats {
    fn of(self, quick: bool) -> Self {
        if quick { Self { warm: 1, measured: (self.measured / 10).max(1) } } else { self }
    }
}

/// Runs `batch` as often as told and measures all but the warm-up; `n` items a batch. Also returns the last result.
fn repeat<R>(repeats: Repeats, n: u64, mut batch: impl FnMut() -> Result<R>) -> Result<(Measured, R)> {
    let mut result = None;
    for _ in 0..repeats.warm {
        result = Some(batch()?);
    }
    let section = crate::measure::Section::start()?;
    for _ in 0..repeats.measured {
        result = Some(batch()?);
    }
    let took = section.stop()?;
    let result = result.ok_or_else(|| anyhow::anyhow!("no batch ran"))?;
    Ok((Measured::of(n * repeats.measured, took)?, result))
}

impl EntryArgs {
    /// The text of `lines.txt`.
    pub(crate) fn text(&self) -> Result<String> {
        let path = self.data.join("lines.txt");
        fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
    }
}

/// A context on as many threads as the limits have, in which Rdds are computed without a stream.
fn context(name: &str, interval: Duration) -> Result<StreamingContext> {
    Ok(StreamingContext::new(&format!("local[{THREADS}]"), name, interval)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_finds_its_own_workload() {
        for name in Name::value_variants() {
            let value = name.to_possible_value().unwrap();
            assert_eq!(find(*name).name, value.get_name());
        }
    }

    #[test]
    fn the_measured_section_leaves_out_the_warm_up() {
        let mut ran = 0;
        let (measured, last) = repeat(Repeats { warm: 2, measured: 3 }, 10, || {
            ran += 1;
            Ok(ran)
        })
        .unwrap();
        assert_eq!((measured.n, last), (30, 5));
    }

    #[test]
    fn a_quick_run_is_a_tenth_and_at_least_one_batch() {
        let usual = Repeats { warm: 5, measured: 40 };
        assert_eq!(usual.of(false), usual);
        assert_eq!(usual.of(true), Repeats { warm: 1, measured: 4 });
        assert_eq!(Repeats { warm: 1, measured: 3 }.of(true).measured, 1);
    }
}
