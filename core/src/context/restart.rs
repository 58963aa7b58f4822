//! What a start finds of the runs before: the ledger is taken over, operators get back what they remember.

use std::collections::VecDeque;
use std::panic::Location;
use std::sync::Arc;

use super::StreamingContext;
use crate::dstream::{BaseWanted, Opening};
use crate::ledger::{
    Claim, History, Identity, KeeperDeltas, KeptState, Ledger, Line, MemberBase, Terms, base_folder,
    put_manifest, replay, take_over,
};
use crate::rdd::Job;
use crate::runtime::Site;
use crate::state::StateBase;
use crate::storage::{MemoryStorage, Storage};
use crate::words::{BatchTime, Epoch, Error, Result, keys};

/// What a member has written of states in a new version: by the operator's place in the plan.
type Upgraded = Vec<(u32, Vec<StateBase>)>;

/// The ledger of this run, and what it says.
pub(super) struct Opened {
    pub(super) ledger: Ledger,
    /// What the ledger had, where it outlives the process.
    pub(super) history: Option<History>,
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
            let ledger = Ledger::in_memory(identity)?;
            return Ok(Opened { ledger, history: None, job, zero, last: None });
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
        let mut history = history.ok_or_else(|| Error::new("member 0 did not say what the ledger has"))?;
        if engine.me() == 0 {
            say(&history);
        }
        let mut lines = VecDeque::new();
        // None runs before all have what they remember: member 0 may remove what another one still reads.
        let upgraded: Vec<Upgraded> = together.all_gather(site, || {
            lines = self.open_found(&storage, &history)?;
            self.upgrade(&*storage, &history)
        })?;
        if self.take_in(&mut history, upgraded)? && engine.me() == 0 {
            put_manifest(&*storage, history.number, &history.manifest.to_bytes()?)?;
        }
        Ok(Opened {
            job: history.manifest.identity.job.clone(),
            zero: history.manifest.identity.zero,
            last: history.last(),
            ledger: history.ledger(storage, lines),
            history: Some(history),
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
        let done: Vec<Option<BatchTime>> = manifest.keepers.iter().map(KeptState::done).collect();
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

    /// Operators whose state has another version than what was found write all of it down in the new one, at once: then
    /// what there is has one version, and so do the deltas to come.
    fn upgrade(&self, storage: &dyn Storage, history: &History) -> Result<Upgraded> {
        let manifest = &history.manifest;
        let Some(batch) = manifest.committed else { return Ok(Vec::new()) };
        let folder = base_folder(manifest.epoch, self.0.engine.me());
        let mut all = Vec::new();
        for ((index, kept), state) in (0u32..).zip(self.graph().keepers()).zip(&manifest.keepers) {
            if kept.keeper.shape().version == state.shape.version {
                continue;
            }
            let path = format!("{folder}/upgrade-{index}");
            let wanted = BaseWanted { batch, bytes: u64::MAX, kept: &[], path: &path };
            if let Some(job) = kept.keeper.base(&wanted)? {
                all.push((index, job(storage)?));
            }
        }
        Ok(all)
    }

    /// The manifest says what all members have upgraded; `false` where that is nothing.
    fn take_in(&self, history: &mut History, of_members: Vec<Upgraded>) -> Result<bool> {
        let manifest = &mut history.manifest;
        let (committed, epoch) = (manifest.committed, manifest.epoch);
        let before: Vec<String> = manifest.objects().cloned().collect();
        let mut upgraded = Vec::new();
        for ((index, kept), state) in self.graph().keepers().iter().enumerate().zip(&mut manifest.keepers) {
            let shape = kept.keeper.shape();
            if shape.version != state.shape.version && committed.is_some() {
                upgraded.push(index);
                tracing::info!(
                    uid = state.uid,
                    from = state.shape.version,
                    to = shape.version,
                    "state is upgraded"
                );
                state.bases.clear();
            }
            state.shape = shape;
        }
        for (member, told) in (0..).zip(of_members) {
            for (index, bases) in told {
                let Some(state) = manifest.keepers.get_mut(index as usize) else { continue };
                bases.into_iter().for_each(|base| state.take(&MemberBase { epoch, member, base }));
            }
        }
        if !upgraded.is_empty() {
            let whole =
                |index: &usize| manifest.keepers.get(*index).is_some_and(|state| state.done() >= committed);
            if !upgraded.iter().all(whole) {
                return Err(Error::new(
                    "an operator has not written all of its state down in the new version",
                ));
            }
            history.before = before;
            history.before_number = Some(history.number);
            history.number += 1;
        }
        Ok(!upgraded.is_empty())
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
