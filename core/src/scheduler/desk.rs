//! The thread beside the driver, which writes bases and manifests and removes what is not needed any more.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::batch::guarded;
use crate::dstream::BaseJob;
use crate::ledger::{Manifest, put_manifest, sweep};
use crate::runtime::Monitor;
use crate::state::StateBase;
use crate::storage::Storage;
use crate::words::Result;

/// What the driver and the thread hand each other.
#[derive(Default)]
pub(super) struct Desk {
    pub(super) work: Option<Work>,
    pub(super) busy: bool,
    pub(super) done: Option<Done>,
    pub(super) ended: bool,
    /// The thread has ended, and holds nothing any more.
    pub(super) left: bool,
}

/// One piece of work.
#[derive(Default)]
pub(super) struct Work {
    pub(super) jobs: Vec<(u32, BaseJob)>,
    pub(super) manifest: Option<(u64, Vec<u8>)>,
    /// What can go, the oldest first.
    pub(super) gone: Vec<String>,
    pub(super) sweep: Option<Sweep>,
}

/// What an earlier run may have left behind goes, except what is named.
pub(super) struct Sweep {
    pub(super) named: BTreeSet<String>,
    pub(super) manifest: Manifest,
    pub(super) manifests: [u64; 2],
}

#[derive(Default)]
pub(super) struct Done {
    pub(super) bases: Vec<(u32, Result<Vec<StateBase>>)>,
    pub(super) manifest: Option<(u64, Result<()>)>,
}

/// Does what the driver lays on the desk.
pub(super) fn run(desk: &Monitor<Desk>, storage: Arc<dyn Storage>) {
    while let Some(work) = next(desk) {
        let done = work.run(&storage);
        desk.change(|desk| {
            desk.busy = false;
            desk.done = done;
        });
    }
    drop(storage);
    desk.change(|desk| desk.left = true);
}

/// The next piece of work; `None` once there is none to come.
fn next(desk: &Monitor<Desk>) -> Option<Work> {
    desk.wait(|desk| match desk.work.take() {
        Some(work) => {
            desk.busy = true;
            Some(Some(work))
        }
        None => desk.ended.then_some(None),
    })
}

impl Work {
    fn run(self, storage: &Arc<dyn Storage>) -> Option<Done> {
        let has_result = self.manifest.is_some() || !self.jobs.is_empty();
        let bases =
            self.jobs.into_iter().map(|(keeper, job)| (keeper, guarded(|| job(&**storage)))).collect();
        let manifest = self
            .manifest
            .map(|(number, bytes)| (number, guarded(|| put_manifest(&**storage, number, &bytes))));
        let removed = guarded(|| self.gone.iter().try_for_each(|path| storage.delete(path)));
        let swept = self.sweep.map_or(Ok(()), |Sweep { named, manifest, manifests }| {
            guarded(|| sweep(&**storage, &manifest, manifests, &named))
        });
        if let Err(error) = removed.and(swept) {
            // It is found at the next start.
            tracing::warn!(error = %error.chain(), "what is not needed any more could not be removed");
        }
        has_result.then_some(Done { bases, manifest })
    }
}
