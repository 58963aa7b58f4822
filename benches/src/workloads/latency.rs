//! `latency`: how old an event is when its batch puts it out, at 50,000 events a second and a batch every 10 ms.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use tidemill_socket::SocketStreams as _;

use crate::harness::{Setup, Side, run_child};
use crate::measure::{Measured, Section, epoch_us};
use crate::stats::{Want, quantile};
use crate::workloads::{BOTH, EntryArgs, Goal, Name, Workload, context};

pub(crate) const WORKLOAD: Workload = Workload {
    name: "latency",
    // The interval and 2 ms.
    goals: &[Goal { figure: "p99_ms", want: Want::AtMost(12.0) }],
    sides: BOTH,
    run,
    entry,
};

const EVENTS_PER_SECOND: u32 = 50_000;
const INTERVAL_US: u64 = 10_000;

/// The measured section of either side.
fn seconds(quick: bool) -> u32 {
    if quick { 2 } else { 10 }
}

fn run(setup: &Setup, side: Side) -> Result<Measured> {
    let server = setup.limits.line_server(Some(EVENTS_PER_SECOND))?;
    let port = server.port().to_string();
    let mut command = match side {
        Side::Tidemill => setup.entry(Name::Latency, side)?,
        Side::Limit => {
            let mut command = setup.limits.program("limit-w7");
            command.args([
                "--interval-us",
                &INTERVAL_US.to_string(),
                "--seconds",
                &seconds(setup.quick).to_string(),
            ]);
            command
        }
    };
    command.args(["--port", &port]);
    run_child(command)
}

fn entry(args: &EntryArgs) -> Result<Measured> {
    let ssc = context(WORKLOAD.name, Duration::from_micros(INTERVAL_US))?;
    let lines = ssc.socket_text_stream("127.0.0.1", args.port);
    // Each line begins with the microsecond at which it was sent.
    let sent = lines.map(|line| line.split(' ').next().and_then(|us| us.parse::<u64>().ok()).unwrap_or(0));
    let ages = Arc::new(Mutex::new(Vec::new()));
    let output = Arc::clone(&ages);
    sent.foreach_rdd(move |rdd, _| {
        let sent = rdd.collect()?;
        let now = epoch_us();
        let mut ages = output.lock().unwrap_or_else(PoisonError::into_inner);
        ages.extend(sent.into_iter().map(|us| now.saturating_sub(us) as f64 / 1e3));
        Ok(())
    });
    ssc.start()?;
    // As the limit: a second to warm up.
    thread::sleep(Duration::from_secs(1));
    let take = || std::mem::take(&mut *ages.lock().unwrap_or_else(PoisonError::into_inner));
    take();
    let section = Section::start()?;
    thread::sleep(Duration::from_secs(seconds(args.quick).into()));
    let (took, ages) = (section.stop()?, take());
    let mut measured = Measured::of(ages.len() as u64, took)?;
    for (name, q) in
        [("p50_ms", 0.5), ("p95_ms", 0.95), ("p99_ms", 0.99), ("p999_ms", 0.999), ("max_ms", 1.0)]
    {
        measured = measured.with(name, quantile(&ages, q).context("no event arrived")?);
    }
    ssc.stop(false)?;
    Ok(measured)
}
