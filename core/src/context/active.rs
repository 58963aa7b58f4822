//! One ACTIVE context a process, unless several are allowed.

use std::panic::Location;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::dstream::{Graph, Phase};
use crate::words::{Error, Result};

/// The context that runs: its graph's address, to be told apart, and where it was started.
struct Running {
    graph: Arc<Graph>,
    started_at: &'static Location<'static>,
}

static RUNNING: Mutex<Option<Running>> = Mutex::new(None);

/// Makes the context of `graph` the active one.
pub(super) fn enter(graph: &Arc<Graph>, started_at: &'static Location<'static>) -> Result<()> {
    let mut running = RUNNING.lock();
    if let Some(other) = running.as_ref()
        && other.graph.phase() == Phase::Active
    {
        return Err(Error::State(format!(
            "only one StreamingContext may be started in this process; the running one was started at {}. Stop it \
             first, or allow several with `Conf::allow_several(true)`",
            other.started_at
        )));
    }
    *running = Some(Running { graph: Arc::clone(graph), started_at });
    Ok(())
}

/// The context of `graph` is gone.
pub(super) fn leave(graph: &Arc<Graph>) {
    let mut running = RUNNING.lock();
    if running.as_ref().is_some_and(|running| Arc::ptr_eq(&running.graph, graph)) {
        *running = None;
    }
}
