//! `build`: how long a job with 30 operators over 6 types takes to compile and link, and how large it becomes.

use std::fs::{self, File};
use std::time::{Instant, SystemTime};

use anyhow::{Context, Result, ensure};
use nix::sys::resource::UsageWho;

use crate::harness::{Setup, Side, run_child};
use crate::limit::{cargo, target_folder};
use crate::measure::{Measured, cpu_s};
use crate::workloads::{EntryArgs, Name, TIDEMILL_ALONE, Workload};

// No goal: a build that takes or weighs a fifth more than the one before is a finding.
pub(crate) const WORKLOAD: Workload =
    Workload { name: "build", goals: &[], sides: TIDEMILL_ALONE, run, entry };

fn run(setup: &Setup, side: Side) -> Result<Measured> {
    run_child(setup.entry(Name::Build, side)?)
}

/// The job: a program of this package that is built and never run.
const JOB: &str = "thirty_operators";
const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/bin/thirty_operators.rs");
const OPERATORS: u64 = 30;

fn entry(_: &EntryArgs) -> Result<Measured> {
    // Everything below the job, which a user builds once.
    build()?;
    // A newer time makes cargo compile the job again, and the job alone.
    File::options().append(true).open(SOURCE)?.set_modified(SystemTime::now()).context("touching the job")?;
    let (start, cpu_before) = (Instant::now(), cpu_s(UsageWho::RUSAGE_CHILDREN)?);
    build()?;
    let took = (start.elapsed().as_secs_f64(), cpu_s(UsageWho::RUSAGE_CHILDREN)? - cpu_before);
    let program = target_folder()?.join("release").join(JOB);
    let bytes = fs::metadata(&program).with_context(|| format!("looking at {}", program.display()))?.len();
    Ok(Measured::of(OPERATORS, took)?.with("program_mb", bytes as f64 / f64::from(1 << 20)))
}

fn build() -> Result<()> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let mut command = cargo();
    command.args([
        "rustc",
        "--release",
        "--quiet",
        "--manifest-path",
        manifest,
        "--bin",
        JOB,
        "--target-dir",
    ]);
    // Symbols and line tables would be most of its size.
    let status = command
        .arg(target_folder()?)
        .args(["--", "-C", "strip=symbols"])
        .status()
        .context("starting cargo")?;
    ensure!(status.success(), "building the job failed ({status})");
    Ok(())
}
