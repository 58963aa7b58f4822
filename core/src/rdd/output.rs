//! What an output operation saved, until the batch is committed.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::Mutex;

use crate::words::Result;

/// An output operation of a batch: what it saved, to be committed and then shown.
#[derive(Debug)]
pub(crate) struct OutputScope {
    pub(crate) job: String,
    pub(crate) uid: String,
    ordinal: AtomicU32,
    saved: Mutex<Vec<Saved>>,
}

/// One save of an output operation.
pub(crate) struct Saved {
    pub(crate) ordinal: u32,
    /// By partition: the sink's token, and rows.
    pub(crate) receipts: Vec<(Vec<u8>, u64)>,
    pub(crate) publish: Box<dyn Fn() -> Result<()> + Send + Sync>,
}

impl OutputScope {
    pub(crate) fn new(job: &str, uid: &str) -> Self {
        Self { job: job.into(), uid: uid.into(), ordinal: AtomicU32::new(0), saved: Mutex::default() }
    }

    pub(crate) fn next_ordinal(&self) -> u32 {
        self.ordinal.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn save(&self, saved: Saved) {
        self.saved.lock().push(saved);
    }

    pub(crate) fn take_saved(&self) -> Vec<Saved> {
        std::mem::take(&mut *self.saved.lock())
    }
}

impl fmt::Debug for Saved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Saved").field("ordinal", &self.ordinal).finish_non_exhaustive()
    }
}
