//! The runtime of a real job, for tests that compare it with the seeded one.

use std::sync::Arc;

use crate::runtime::{Clock, ManualClock, RealRuntime, Runtime};
use crate::words::Result;

/// The runtime of a real job: `slots` task threads, two I/O threads, the system's clock.
///
/// # Errors
/// Where the system starts no more threads.
pub fn real_runtime(slots: usize) -> Result<Arc<dyn Runtime>> {
    Ok(Arc::new(RealRuntime::new(slots, Clock::System)?))
}

/// As [`real_runtime`], but `clock` says what time it is.
///
/// # Errors
/// Where the system starts no more threads.
pub fn manual_runtime(slots: usize, clock: &ManualClock) -> Result<Arc<dyn Runtime>> {
    Ok(Arc::new(RealRuntime::new(slots, Clock::Manual(clock.clone()))?))
}
