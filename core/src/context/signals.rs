//! Ctrl-C and SIGTERM stop gracefully; a second one at once.

#![allow(
    clippy::disallowed_methods,
    reason = "once for the life of the process, and never in a simulated one: not a thread of a job's runtime"
)]

use std::sync::{Arc, Once};

use parking_lot::Mutex;
use tokio::signal::unix::{SignalKind, signal};

use crate::runtime::Monitor;
use crate::scheduler::{Control, Stop};

/// What shells report for a program that a signal ended: 128 and the signal's number.
const EXIT_BASE: i32 = 128;

/// The job that a signal stops.
static JOB: Mutex<Option<Arc<Monitor<Control>>>> = Mutex::new(None);
static STARTED: Once = Once::new();

/// From here on a signal stops the job of `control`.
pub(super) fn listen(control: &Arc<Monitor<Control>>) {
    *JOB.lock() = Some(Arc::clone(control));
    STARTED.call_once(|| {
        // A handler stays for the life of the process, so whoever listens must too: otherwise Ctrl-C would do nothing
        // once the context is gone.
        let thread = std::thread::Builder::new().name("tidemill-signals".into()).spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
            match runtime {
                Ok(runtime) => runtime.block_on(heed()),
                Err(error) => tracing::warn!(%error, "signals will not stop the job gracefully"),
            }
        });
        if let Err(error) = thread {
            tracing::warn!(%error, "signals will not stop the job gracefully");
        }
    });
}

async fn heed() {
    let kinds = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    let (Ok(mut interrupt), Ok(mut terminate)) = kinds else {
        tracing::warn!("signals will not stop the job gracefully");
        return;
    };
    loop {
        let number = tokio::select! {
            _ = interrupt.recv() => SignalKind::interrupt(),
            _ = terminate.recv() => SignalKind::terminate(),
        }
        .as_raw_value();
        let job = JOB.lock().clone();
        let first = job.is_some_and(|control| {
            control.change(|control| {
                let first = control.stop.is_none() && !control.ended;
                if first {
                    control.ask_stop(Stop::Gracefully);
                }
                first
            })
        });
        if !first {
            std::process::exit(EXIT_BASE + number);
        }
        tracing::info!(signal = number, "stopping gracefully; a second signal stops at once");
    }
}
