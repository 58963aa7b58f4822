//! `socket`: lines from a socket as fast as they come, counted batch by batch.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use tidemill_socket::SocketStreams as _;

use crate::harness::{Setup, Side, run_child};
use crate::measure::{Measured, Section};
use crate::stats::Want;
use crate::workloads::{BOTH, EntryArgs, Goal, Name, Workload, context};

pub(crate) const WORKLOAD: Workload = Workload {
    name: "socket",
    goals: &[
        Goal { figure: "rate_ratio", want: Want::RatioAtLeast(0.7) },
        Goal { figure: "cpu_ratio", want: Want::RatioAtMost(2.0) },
    ],
    sides: BOTH,
    run,
    entry,
};

/// Short against the measured section, so that a batch more or less at either end does not show.
const INTERVAL: Duration = Duration::from_millis(50);

/// The measured section of either side.
fn seconds(quick: bool) -> u32 {
    if quick { 1 } else { 5 }
}

fn run(setup: &Setup, side: Side) -> Result<Measured> {
    // A server a run: each side finds a fresh one, and it is not part of what is measured.
    let server = setup.limits.line_server(None)?;
    let port = server.port().to_string();
    let mut command = match side {
        Side::Tidemill => setup.entry(Name::Socket, side)?,
        Side::Limit => {
            let mut command = setup.limits.program("limit-w2");
            command.args(["--variant", "block", "--seconds", &seconds(setup.quick).to_string()]);
            command
        }
    };
    command.args(["--port", &port]);
    run_child(command)
}

fn entry(args: &EntryArgs) -> Result<Measured> {
    let ssc = context(WORKLOAD.name, INTERVAL)?;
    let lines = ssc.socket_text_stream("127.0.0.1", args.port);
    let counted = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&counted);
    lines.foreach_rdd(move |rdd, _| {
        count.fetch_add(rdd.count()?, Ordering::Relaxed);
        Ok(())
    });
    ssc.start()?;
    // The limit's warm-up is half a second; ours must see a few batches through as well.
    thread::sleep(Duration::from_secs(1));
    let (section, before) = (Section::start()?, counted.load(Ordering::Relaxed));
    thread::sleep(Duration::from_secs(seconds(args.quick).into()));
    let (took, n) = (section.stop()?, counted.load(Ordering::Relaxed) - before);
    let measured = Measured::of(n, took)?;
    // Without the backlog: a graceful stop would only work off what nobody measures.
    ssc.stop(false)?;
    ensure!(n > 0, "no line arrived from port {}", args.port);
    Ok(measured)
}
