//! `listing`: what a batch of a file stream costs where nothing is new among 100,000 files, against reading the folder and
//! asking for each file's length and time by hand.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use tidemill::testing::{local, run_batches};
use tidemill_file::FileStreams as _;

use crate::harness::{Setup, Side, run_child};
use crate::measure::Measured;
use crate::stats::Want;
use crate::workloads::{BOTH, EntryArgs, Goal, Name, Repeats, THREADS, Workload, repeat};

pub(crate) const WORKLOAD: Workload = Workload {
    name: "listing",
    goals: &[
        Goal { figure: "rate_ratio", want: Want::RatioAtLeast(0.5) },
        Goal { figure: "cpu_ratio", want: Want::RatioAtMost(2.0) },
    ],
    sides: BOTH,
    run,
    entry,
};

const FILES: u64 = 100_000;
const REPEATS: Repeats = Repeats { warm: 3, measured: 30 };

fn run(setup: &Setup, side: Side) -> Result<Measured> {
    let command = setup.entry(Name::Listing, side)?;
    files(setup.limits.data())?;
    run_child(command)
}

fn entry(args: &EntryArgs) -> Result<Measured> {
    let folder = files(&args.data)?;
    let repeats = REPEATS.of(args.quick);
    match args.side {
        Side::Tidemill => by_tidemill(&folder, repeats),
        Side::Limit => {
            let (measured, found) = repeat(repeats, FILES, || by_hand(&folder))?;
            ensure!(found.0 == FILES, "{} files", found.0);
            Ok(measured)
        }
    }
}

/// The folder with the files; made at the first run, which takes some seconds.
fn files(data: &Path) -> Result<PathBuf> {
    let (folder, unfinished) = (data.join("listing"), data.join("listing-unfinished"));
    if !folder.exists() {
        fs::create_dir_all(&unfinished).with_context(|| format!("making {}", unfinished.display()))?;
        for n in 0..FILES {
            fs::write(unfinished.join(format!("part-{n:06}.txt")), format!("{n}\n"))?;
        }
        fs::rename(&unfinished, &folder)?;
    }
    Ok(folder)
}

fn by_tidemill(folder: &Path, repeats: Repeats) -> Result<Measured> {
    let ssc = local(THREADS);
    let lines = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&lines);
    ssc.text_file_stream(folder).foreach_rdd(move |rdd, _| {
        counted.fetch_add(rdd.count()?, Ordering::Relaxed);
        Ok(())
    });
    let (measured, ()) = repeat(repeats, FILES, || Ok(run_batches(&ssc, 1)?))?;
    ensure!(lines.load(Ordering::Relaxed) == 0, "files that were there at the start were read");
    // A look that would not find a new file is worth nothing.
    let (aside, new) = (folder.with_extension("new"), folder.join("new.txt"));
    fs::write(&aside, "new\n")?;
    File::options()
        .append(true)
        .open(&aside)?
        .set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1))?;
    fs::rename(&aside, &new)?;
    let ran = run_batches(&ssc, 1);
    fs::remove_file(&new)?;
    ran?;
    ensure!(lines.load(Ordering::Relaxed) == 1, "a new file was not read");
    Ok(measured)
}

/// How many files there are, and a sum of their lengths and times.
fn by_hand(folder: &Path) -> Result<(u64, u64)> {
    let (mut files, mut sum) = (0, 0u64);
    for entry in fs::read_dir(folder)? {
        let metadata = entry?.metadata()?;
        let modified = metadata.modified()?.duration_since(SystemTime::UNIX_EPOCH)?;
        files += 1;
        sum = sum.wrapping_add(metadata.len()).wrapping_add(u64::from(modified.subsec_nanos()));
    }
    Ok((files, sum))
}
