//! What a start finds of the runs before: the ledger is taken over, operators get back what they remember.

use std::collections::VecDeque;
use std::panic::Location;
use std::sync::Arc;

use super::StreamingContext;
use crate::dstream::Opening;
use crate::ledger::{Claim, History, Identity, KeeperDeltas, Ledger, Line, Terms, replay, take_over};
use crate::rdd::Job;
use crate::runtime::Site;
use crate::storage::{MemoryStorage, Storage};
use crate::words::{BatchTime, Epoch, Error, Result, keys};

/// The ledger of this run, and what it says.
pub(super) struct Opened {
    pub(super) ledger: Ledger,
    /// The job's name in receipts, the same in all its runs.
    pub(super) job: String,
    /// One interval before the first batch ever.
    pub(super) zero: BatchTime,
    /// The last batch of the runs before.
    pub(super) last: Option<BatchTime>,
}

impl StreamingContext {
    /// Takes the ledger over, or begins one, and makes ready what operators remember, before anything runs. `zero` is the
    /// zero time of a job that starts for the first time.
    pub(super) fn open(&self, caller: &'static Location<'static>, zero: BatchTime) -> Result<Opened> {
        let (engine, conf) = (&self.0.engine, &self.0.conf);
        let name = conf.get_typed(keys::APP_NAME);
        let identity = Identity {
            job: format!("{name}-{:016x}", engine.runtime.random()),
            parallelism: u32::try_from(engine.parallelism()).unwrap_or(u32::MAX),
            interval_ms: self.graph().interval().as_millis(),
            zero,
            build: env!("CARGO_PKG_VERSION").into(),
        };
        let Some(storage) = self.checkpoint_storage()? else {
            self.open_new(&identity.job)?;
            let job = identity.job.clone();
            return Ok(Opened { ledger: Ledger::in_memory(identity)?, job, zero, last: None });
        };
        let terms = Terms {
            identity,
            parallelism_is_set: conf.get_typed(keys::DEFAULT_PARALLELISM).is_some(),
            claims: self.claims(),
            accept: conf.get_typed(keys::STATE_MISMATCH) == keys::Mismatch::Accept,
        };
        let site = Site::new("start", caller);
        let together = Job::new(engine, zero, Epoch(0), Arc::clone(&self.0.cancelled));
        // Member 0 takes over; what it has found is what all go on with.
        let mine = || if engine.me() == 0 { take_over(&*storage, &terms).map(Some) } else { Ok(None) };
        let told: Vec<Option<History>> = together.all_gather(site, mine)?;
        let history = told.into_iter().flatten().next();
        let history = history.ok_or_else(|| Error::new("member 0 did not say what the ledger has"))?;
        if engine.me() == 0 {
            say(&history);
        }
        let mut lines = VecDeque::new();
        // None runs before all have what they remember: member 0 may remove what another one still reads.
        together.all_gather(site, || {
            lines = self.open_found(&storage, &history)?;
            Ok(())
        })?;
        Ok(Opened {
            job: history.manifest.identity.job.clone(),
            zero: history.manifest.identity.zero,
            last: history.last(),
            ledger: history.ledger(storage, lines),
        })
    }

    /// Who asks for state.
    fn claims(&self) -> Vec<Claim> {
        let keepers = self.graph().keepers();
        let claim = |(index, kept): (usize, &crate::dstream::Kept)| Claim {
            uid: kept.uid(index),
            operator: kept.keeper.site().operator(),
            site: kept.keeper.site().location(),
            shape: kept.keeper.shape(),
        };
        keepers.iter().enumerate().map(claim).collect()
    }

    /// Operators begin with nothing, and nothing is written down.
    fn open_new(&self, ledger: &str) -> Result<()> {
        let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
        let backend = self.backend();
        for (index, kept) in self.graph().keepers().iter().enumerate() {
            let uid = kept.uid(index);
            kept.keeper.open(&Opening {
                ledger,
                uid: &uid,
                engine: &self.0.engine,
                backend: &backend,
                storage: &storage,
                durable: false,
                found: None,
                bases: &[],
                committed: None,
            })?;
        }
        Ok(())
    }

    /// Operators get their bases, and then the batches behind them.
    fn open_found(&self, storage: &Arc<dyn Storage>, history: &History) -> Result<VecDeque<Line>> {
        let (keepers, backend) = (self.graph().keepers(), self.backend());
        let manifest = &history.manifest;
        for (kept, state) in keepers.iter().zip(&manifest.keepers) {
            kept.keeper.open(&Opening {
                ledger: &manifest.identity.job,
                uid: &state.uid,
                engine: &self.0.engine,
                backend: &backend,
                storage,
                durable: true,
                found: (!history.new.contains(&state.uid)).then_some(&state.shape),
                bases: &state.state_bases(),
                committed: manifest.committed,
            })?;
        }
        let done: Vec<Option<BatchTime>> = manifest.keepers.iter().map(|state| state.done()).collect();
        replay(storage, history, |batch, mut all| {
            for ((kept, state), done) in keepers.iter().zip(&manifest.keepers).zip(&done) {
                // A batch that is in all its bases.
                if Some(batch) <= *done {
                    continue;
                }
                let of = |deltas: &KeeperDeltas| deltas.uid == state.uid;
                let found = all.iter().position(of).map(|at| all.swap_remove(at).deltas);
                kept.keeper.replay(batch, &found.unwrap_or_default())?;
            }
            Ok(())
        })
    }

    /// The job in the checkpoint has a number of partitions, which streams are drawn with from here on.
    pub(super) fn adopt_parallelism(&self, storage: &dyn Storage) -> Result<()> {
        if self.0.conf.get_typed(keys::DEFAULT_PARALLELISM).is_none()
            && !self.graph().parallelism_was_asked()
            && let Some(identity) = crate::ledger::identity(storage)?
        {
            self.0.engine.set_parallelism(identity.parallelism as usize);
        }
        Ok(())
    }
}

/// Says what of the run before is not as it should be.
fn say(history: &History) {
    let job = &history.manifest.identity.job;
    if let Some(batch) = history.unfinished {
        tracing::error!(
            job,
            %batch,
            "the run before has planned this batch and not committed it; it is not computed again, its records may be lost, \
             and state is as of the last commit"
        );
    }
    if let Some(batch) = history.unpublished {
        tracing::error!(
            job,
            %batch,
            "the run before has committed this batch and not said that its outputs are shown; they are not shown again"
        );
    }
    for uid in &history.dropped {
        tracing::warn!(job, uid, "no operator has this state any more; it is dropped");
    }
    if history.manifest.committed.is_some() {
        for uid in &history.new {
            tracing::warn!(job, uid, "the checkpoint has no state of this operator; it begins anew");
        }
    }
    tracing::info!(
        job,
        epoch = history.manifest.epoch.0,
        committed = history.manifest.committed.map(BatchTime::as_millis),
        "the ledger is open"
    );
}
