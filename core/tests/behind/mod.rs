//! States in memory, but as bytes behind the seam, as a store on disk has them.

use std::sync::Arc;

use tidemill::{MemoryState, Result, StateBackend, StateOpening, StateStore};

/// A store that operators do not know to be in memory.
#[derive(Debug, Default)]
pub(crate) struct Behind(MemoryState);

impl StateBackend for Behind {
    fn open(&self, opening: &StateOpening<'_>) -> Result<Arc<dyn StateStore>> {
        self.0.open(opening)
    }
}
