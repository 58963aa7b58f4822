//! The input of `window`, `map-with-state`, `update-state` and `rocksdb`: updates of keys, made in the tasks.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use serde_json::Value;
use tidemill::testing::{local_with, run_batches};
use tidemill::{Conf, DStream, RddQueue, StreamingContext};

use crate::harness::run_child;
use crate::harness::{Setup, Side};
use crate::limit::scratch;
use crate::measure::{Measured, Section};
use crate::stats::{median, quantile};
use crate::workloads::{EntryArgs, Name, THREADS};

/// Key of update number `i` among `keys` keys, as the limits draw it.
pub(crate) fn key_of(i: u64, keys: u64) -> u64 {
    let x = i.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (x ^ (x >> 31)) % keys
}

/// Where a partition's updates begin, how many they are, and whether they are the keys themselves, each once.
type Stretch = (u64, u64, bool);

/// A job by a manual clock, so that batches run back to back, each with the updates that it is given.
pub(crate) struct Job {
    pub(crate) ssc: StreamingContext,
    queue: RddQueue<Stretch>,
    keys: u64,
    updates: u64,
}

impl Job {
    /// A job that keeps its states durable, below `checkpoint`, or for as long as it runs.
    pub(crate) fn new(name: &str, keys: u64, updates: u64, checkpoint: Option<&Path>) -> Result<Self> {
        let conf = Conf::new().master(format!("local[{THREADS}]"))?.app_name(name)?;
        let ssc = local_with(conf.set("tidemill.state.volatile", "true")?);
        if let Some(folder) = checkpoint {
            ssc.checkpoint(folder.to_str().context("a folder whose name is no text")?);
        }
        Ok(Self { ssc, queue: RddQueue::default(), keys, updates })
    }

    /// The updates: a key and one. They cost what the limits' cost, which draw them in their loops too.
    pub(crate) fn stream(&self) -> DStream<(u64, u64)> {
        let keys = self.keys;
        self.ssc.queue_stream(self.queue.clone()).flat_map(move |(from, n, each_once)| {
            (from..from + n).map(move |i| (if each_once { i } else { key_of(i, keys) }, 1))
        })
    }

    /// A batch in which every key is updated once, as the limits begin.
    pub(crate) fn load(&self) -> Result<()> {
        self.run(self.keys, 0, true)
    }

    /// Batch number `b`, with the updates that the limits have in theirs.
    pub(crate) fn batch(&self, b: u64) -> Result<()> {
        self.run(self.updates, b * self.updates, false)
    }

    fn run(&self, n: u64, from: u64, each_once: bool) -> Result<()> {
        let share = n / THREADS as u64;
        let stretches = (0..THREADS as u64).map(|p| (from + p * share, share, each_once)).collect();
        self.queue.push(self.ssc.parallelize::<Stretch>(stretches, THREADS));
        Ok(run_batches(&self.ssc, 1)?)
    }

    /// Loads every key and runs `warm` batches, then measures `n` batches.
    pub(crate) fn measure(&self, warm: u64, n: u64) -> Result<Measured> {
        self.load()?;
        for b in 1..=warm {
            self.batch(b)?;
        }
        let section = Section::start()?;
        let mut times = Vec::with_capacity(n as usize);
        for b in warm + 1..=warm + n {
            let start = Instant::now();
            self.batch(b)?;
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
        let (seconds, cpu_s) = section.stop()?;
        let measured =
            Measured::of(n * self.updates, (seconds, cpu_s))?.with("ms_per_batch", seconds * 1e3 / n as f64);
        let measured = measured.with("median_ms", median(&times).context("no batch ran")?);
        Ok(measured.with("max_ms", quantile(&times, 1.0).context("no batch ran")?))
    }

    /// Ends the job.
    pub(crate) fn stop(&self) -> Result<()> {
        Ok(self.ssc.stop(true)?)
    }
}

/// The folder of a run's checkpoint, empty.
pub(crate) fn checkpoint(args: &EntryArgs) -> Result<std::path::PathBuf> {
    scratch(&args.data)
}

/// A case of a workload: what its figures end in, how many keys and updates a batch there are, and how many batches.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) keys: u64,
    pub(crate) updates: u64,
    pub(crate) warm: u64,
    pub(crate) batches: u64,
}

impl Case {
    /// The batches of a run.
    pub(crate) fn batches(&self, quick: bool) -> u64 {
        if quick { self.batches.div_ceil(10) } else { self.batches }
    }
}

/// Runs all cases of one side, one after the other, as `limit-w4` in the given form or as this program, and gives one
/// measurement: the sums, `ms_<case>` for each, and `growth`, the last case's time of a batch ÷ the first one's.
pub(crate) fn run_cases(
    setup: &Setup,
    workload: Name,
    side: Side,
    variant: &str,
    cases: &[Case],
) -> Result<Measured> {
    let mut runs = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        let mut command = match side {
            Side::Tidemill => setup.entry(workload, side)?,
            Side::Limit => setup.limits.program("limit-w4"),
        };
        match side {
            Side::Tidemill => command.args(["--case", &index.to_string()]),
            Side::Limit => {
                command.arg("--dir").arg(setup.limits.scratch()?).args(["--variant", variant]);
                let batches = case.batches(setup.quick);
                for (name, value) in [
                    ("--keys", case.keys),
                    ("--updates", case.updates),
                    ("--warm", case.warm),
                    ("--batches", batches),
                ] {
                    command.args([name, &value.to_string()]);
                }
                &mut command
            }
        };
        runs.push((case.name, run_child(command)?));
    }
    Ok(merged(&runs))
}

fn merged(runs: &[(&str, Measured)]) -> Measured {
    let sum = |of: fn(&Measured) -> f64| runs.iter().map(|(_, run)| of(run)).sum::<f64>();
    let (n, seconds) = (runs.iter().map(|(_, run)| run.n).sum::<u64>(), sum(|run| run.seconds));
    let mut all = Measured {
        n,
        seconds,
        rate: n as f64 / seconds,
        cpu_s: sum(|run| run.cpu_s),
        rss_mb: runs.iter().map(|(_, run)| run.rss_mb).fold(0.0, f64::max),
        more: serde_json::Map::new(),
    };
    for (case, run) in runs {
        let own = |name: &str| run.more.get(name).and_then(Value::as_f64);
        let figures = [
            ("ms", own("ms_per_batch")),
            ("median_ms", own("median_ms")),
            ("max_ms", own("max_ms")),
            ("cpu_us", Some(run.cpu_s * 1e6 / run.n as f64)),
            ("rss_mb", Some(run.rss_mb)),
        ];
        for (name, value) in figures {
            if let Some(value) = value {
                all = all.with(&format!("{name}_{case}"), value);
            }
        }
        if let Some(check) = run.more.get("check") {
            all = all.with("check", check.clone());
        }
    }
    let ms = |run: Option<&(&str, Measured)>| run?.1.more.get("ms_per_batch")?.as_f64();
    if let (Some(first), Some(last)) = (ms(runs.first()), ms(runs.last())) {
        all = all.with("growth", last / first);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_drawn_as_the_limits_draw_them() {
        // SplitMix64 of the first states: https://prng.di.unimi.it/splitmix64.c with seed 0.
        assert_eq!(key_of(0, u64::MAX), 0);
        assert_eq!(key_of(1, u64::MAX), 0xE220_A839_7B1D_CDAF);
        assert_eq!(key_of(2, 1000), 0x6E78_9E6A_A1B9_65F4 % 1000);
    }

    #[test]
    fn several_cases_make_one_measurement_with_the_growth_between_first_and_last() {
        let run = |n, seconds, ms: f64| {
            Measured { n, seconds, rate: 0.0, cpu_s: 1.0, rss_mb: seconds, more: serde_json::Map::new() }
                .with("ms_per_batch", ms)
        };
        let all = merged(&[("1m", run(10, 1.0, 4.0)), ("5m", run(30, 3.0, 6.0))]);
        assert_eq!((all.n, all.seconds, all.rate, all.cpu_s, all.rss_mb), (40, 4.0, 10.0, 2.0, 3.0));
        assert_eq!(
            (&all.more["ms_1m"], &all.more["ms_5m"], &all.more["growth"]),
            (&4.0.into(), &6.0.into(), &1.5.into())
        );
    }
}
