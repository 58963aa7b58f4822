//! Bases and manifests: written beside the batches, so that a restart reads little and what is old can go.
//!
//! A base holds what an operator remembers of some key groups, so the deltas before it are not needed for those. After a
//! commit operators may write bases, as many bytes as their deltas had since the last time: a round of all groups costs
//! as much as the deltas did meanwhile, however large the state is, and the deltas that are kept are those of about one
//! round. All of it happens on one thread beside the driver, which never waits for it before the end of the job.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::Mutex;

use super::batch::guarded;
use super::desk::{Desk, Sweep, Work, run};
use super::driver::Driver;
use crate::dstream::{BaseJob, BaseWanted};
use crate::ledger::{History, Ledger, Manifest, MemberBase, base_folder, manifest_path};
use crate::rdd::{Engine, Job};
use crate::runtime::{Monitor, spawn_own};
use crate::state::StateBase;
use crate::words::{BatchTime, Error, Result};

/// So many bytes of deltas are worth a look for bases: fewer would make many small objects, each with a sync of its own.
const BASE_BYTES_MIN: i64 = 1 << 20;
/// After so many commits bases are asked for however few bytes there were: each commit is an object that a restart opens.
const BASE_COMMITS: u32 = 64;
/// What a commit counts for beside its deltas: a block of the disk. So a small state gets bases soon, and the entries
/// that are kept are bounded by the size of the state, also where deltas are empty.
const COMMIT_BYTES: i64 = 4096;
/// A manifest follows so many commits, once there are new bases: it is a sync beside those of the batches, and what it
/// would let go meanwhile is bounded by so many deltas.
const MANIFEST_COMMITS: u32 = 64;
/// After failures in a row the next try waits for so many commits at most.
const WAIT_MAX: u32 = 64;

/// What members tell each other of their bases: by the operator's place in the plan.
pub(super) type Told = Vec<(u32, Vec<StateBase>)>;

/// What is known of bases and manifests, and the thread that writes them.
pub(crate) struct Bases {
    desk: Arc<Monitor<Desk>>,
    state: Mutex<State>,
}

struct State {
    /// What the next manifest will say.
    next: Manifest,
    /// The number of the newest one that is written.
    number: u64,
    /// Which entries and objects the two newest ones need, the newer one last.
    needed: [Needed; 2],
    /// What the manifest needs that is being written.
    writing: Option<Needed>,
    /// All objects of bases that may be there.
    objects: BTreeSet<String>,
    /// By operator.
    credits: Vec<Credit>,
    /// Bytes that were allowed to the bases that are being written.
    allowed: BTreeMap<u32, i64>,
    /// Finished here, and not told yet.
    told: Told,
    /// Since the last manifest.
    commits_of_manifest: u32,
    /// Bases came in since the last manifest.
    fresh: bool,
    /// Failures in a row, and the commits until the next try.
    failures: u32,
    wait: u32,
    /// For the next piece of work.
    gone: Vec<String>,
    sequence: u64,
}

/// How much an operator may write.
#[derive(Clone, Copy, Default)]
struct Credit {
    /// Of deltas since its last bases, less what those had too much.
    bytes: i64,
    /// Since it was asked.
    commits: u32,
}

#[derive(Clone, Default)]
struct Needed {
    from: u64,
    objects: BTreeSet<String>,
}

impl Needed {
    fn by(manifest: &Manifest) -> Self {
        Self { from: manifest.from, objects: manifest.objects().cloned().collect() }
    }

    /// What either needs.
    fn or(mut self, other: Self) -> Self {
        self.objects.extend(other.objects);
        Self { from: self.from.min(other.from), objects: self.objects }
    }
}

impl Bases {
    /// Begins with what a start has found, and starts the thread.
    pub(crate) fn new(engine: &Arc<Engine>, ledger: &Ledger, history: History) -> Self {
        let History { manifest, number, before, before_number, .. } = history;
        let newest = Needed::by(&manifest);
        let older = Needed { from: manifest.from, objects: before.into_iter().collect() };
        let objects: BTreeSet<String> = newest.objects.union(&older.objects).cloned().collect();
        let mut desk = Desk::default();
        if engine.me() == 0 {
            let named = objects.iter().cloned().chain(ledger.objects()).collect();
            let manifests = [before_number.unwrap_or(number), number];
            let sweep = Some(Sweep { named, manifest: manifest.clone(), manifests });
            desk.work = Some(Work { sweep, ..Work::default() });
        }
        let desk = Arc::new(Monitor::new(&engine.runtime, desk));
        let (of_thread, storage) = (Arc::clone(&desk), Arc::clone(ledger.storage()));
        spawn_own(&engine.runtime, "bases", move || run(&of_thread, storage));
        let state = State {
            credits: vec![Credit::default(); manifest.keepers.len()],
            next: manifest,
            number,
            needed: [older, newest],
            writing: None,
            objects,
            allowed: BTreeMap::new(),
            told: Told::new(),
            commits_of_manifest: 0,
            fresh: false,
            failures: 0,
            wait: 0,
            gone: Vec::new(),
            sequence: 0,
        };
        Self { desk, state: Mutex::new(state) }
    }

    /// An operator has written a delta of so many bytes.
    pub(super) fn wrote(&self, keeper: usize, bytes: u64) {
        if let Some(credit) = self.state.lock().credits.get_mut(keeper) {
            credit.bytes = credit.bytes.saturating_add_unsigned(bytes);
        }
    }

    /// Bases that were finished on this member since the last time.
    ///
    /// # Errors
    /// [`Error::Fenced`] where another run has written a manifest.
    pub(super) fn take_finished(&self, ledger: &Ledger) -> Result<Told> {
        let done = self.desk.change(|desk| desk.done.take());
        let state = &mut *self.state.lock();
        let Some(done) = done else { return Ok(std::mem::take(&mut state.told)) };
        let mut failed = false;
        for (keeper, result) in done.bases {
            match result {
                Ok(bases) => {
                    let written: u64 = bases.iter().map(|base| state.written_of(base)).sum();
                    let allowed = state.allowed.remove(&keeper).unwrap_or_default();
                    if let Some(credit) = state.credits.get_mut(keeper as usize) {
                        // What was not used is not kept, what was too much is.
                        credit.bytes += allowed.saturating_sub_unsigned(written).min(0);
                    }
                    state.told.push((keeper, bases));
                }
                Err(error) => {
                    failed = true;
                    let uid = state.next.keepers.get(keeper as usize).map(|kept| kept.uid.clone());
                    report(&error, &format!("the base of `{}`", uid.unwrap_or_default()));
                    // What it was allowed is still to be written.
                    let allowed = state.allowed.remove(&keeper).unwrap_or_default();
                    if let Some(credit) = state.credits.get_mut(keeper as usize) {
                        credit.bytes = credit.bytes.saturating_add(allowed);
                    }
                }
            }
        }
        match done.manifest {
            Some((number, Ok(()))) => state.written(number, ledger),
            Some((_, Err(error @ Error::Fenced(_)))) => return Err(error),
            Some((_, Err(error))) => {
                failed = true;
                report(&error, "a manifest");
            }
            None => {}
        }
        state.failed(failed);
        Ok(std::mem::take(&mut state.told))
    }

    /// What all members have told: the same on each.
    pub(super) fn take_in(&self, ledger: &Ledger, of_members: Vec<Told>) {
        let state = &mut *self.state.lock();
        for (member, told) in (0..).zip(of_members) {
            for (keeper, bases) in told {
                let Some(kept) = state.next.keepers.get_mut(keeper as usize) else { continue };
                for base in bases {
                    state.objects.extend(base.objects.iter().cloned());
                    kept.take(&MemberBase { epoch: ledger.epoch(), member, base });
                    state.fresh = true;
                }
            }
        }
    }
}

impl State {
    /// About how many bytes of a base are new: it may name objects again that were there.
    fn written_of(&self, base: &StateBase) -> u64 {
        let new = base.objects.iter().filter(|object| !self.objects.contains(*object)).count() as u64;
        base.bytes * new / (base.objects.len() as u64).max(1)
    }

    /// Notes how a piece of work went.
    fn failed(&mut self, failed: bool) {
        if failed {
            self.failures = self.failures.saturating_add(1);
            self.wait = (1 << self.failures.min(16)).min(WAIT_MAX);
        } else {
            self.failures = 0;
        }
    }

    /// A manifest is durable: what neither it nor the one before needs goes with the next piece of work.
    fn written(&mut self, number: u64, ledger: &Ledger) {
        let Some(needed) = self.writing.take() else { return };
        self.gone.extend(number.checked_sub(2).map(manifest_path));
        self.needed = [std::mem::take(&mut self.needed[1]), needed];
        self.number = number;
        let [older, newer] = &self.needed;
        self.gone.extend(ledger.cut(older.from));
        // Also what came in and was replaced since; what the next manifest will name is still needed.
        let current: BTreeSet<&String> = self.next.objects().collect();
        let gone = |object: &String| {
            !older.objects.contains(object) && !newer.objects.contains(object) && !current.contains(object)
        };
        let gone: Vec<String> = self.objects.iter().filter(|object| gone(object)).cloned().collect();
        gone.iter().for_each(|object| {
            self.objects.remove(object);
        });
        self.gone.extend(gone);
    }

    /// The next manifest, as of now.
    ///
    /// One whose put has failed may be there all the same, in its place: what it needs is needed too.
    fn manifest(&mut self, ledger: &Ledger, committed: BatchTime) -> Result<(u64, Vec<u8>)> {
        self.next.committed = Some(committed);
        self.next.planned = Some(committed);
        self.next.from = ledger.needed_from(self.next.done());
        let needed = Needed::by(&self.next);
        self.writing = Some(match self.writing.take() {
            Some(failed) => needed.or(failed),
            None => needed,
        });
        self.commits_of_manifest = 0;
        self.fresh = false;
        Ok((self.number + 1, self.next.to_bytes()?))
    }

    fn manifest_is_due(&self) -> bool {
        let news = self.fresh || self.next.keepers.is_empty();
        self.commits_of_manifest >= MANIFEST_COMMITS && news
            || self.commits_of_manifest >= 2 * MANIFEST_COMMITS
    }
}

impl Driver {
    /// The batch is committed: where the thread is free, it gets the next piece of work.
    pub(super) fn next_bases(&self, time: BatchTime) -> Result<()> {
        let Some(all) = &self.bases else { return Ok(()) };
        let mut guard = all.state.lock();
        let state = &mut *guard;
        state.commits_of_manifest += 1;
        for credit in &mut state.credits {
            credit.bytes = credit.bytes.saturating_add(COMMIT_BYTES);
            credit.commits += 1;
        }
        if !all.desk.read(|desk| desk.work.is_none() && !desk.busy && desk.done.is_none()) {
            return Ok(());
        }
        let mut work = Work { gone: std::mem::take(&mut state.gone), ..Work::default() };
        if state.wait > 0 {
            state.wait -= 1;
        } else if self.engine.me() == 0 && state.manifest_is_due() {
            work.manifest = Some(state.manifest(&self.ledger, time)?);
        } else {
            work.jobs = self.base_jobs(state, time);
        }
        if work.manifest.is_some() || !work.jobs.is_empty() || !work.gone.is_empty() {
            all.desk.change(|desk| desk.work = Some(work));
        }
        Ok(())
    }

    /// Asks those operators for bases that have written enough since their last ones.
    fn base_jobs(&self, state: &mut State, batch: BatchTime) -> Vec<(u32, BaseJob)> {
        let mut jobs = Vec::new();
        for (index, kept) in self.graph.keepers().iter().enumerate() {
            let Some(credit) = state.credits.get_mut(index) else { continue };
            let Ok(bytes @ 1..) = u64::try_from(credit.bytes) else { continue };
            if credit.bytes < BASE_BYTES_MIN && credit.commits < BASE_COMMITS {
                continue;
            }
            credit.commits = 0;
            state.sequence += 1;
            let (epoch, me) = (self.ledger.epoch(), self.engine.me());
            let path = format!("{}/{:010}", base_folder(epoch, me), state.sequence);
            let mine = |of: &&MemberBase| of.member == me && of.epoch == epoch;
            let of_keeper = state.next.keepers.get(index).map_or(&[][..], |kept| &kept.bases);
            let known: Vec<StateBase> = of_keeper.iter().filter(mine).map(|of| of.base.clone()).collect();
            let wanted = BaseWanted { batch, bytes, kept: &known, path: &path };
            match guarded(|| kept.keeper.base(&wanted)) {
                Ok(Some(job)) => {
                    let allowed =
                        state.credits.get_mut(index).map(|credit| std::mem::take(&mut credit.bytes));
                    state.allowed.insert(index as u32, allowed.unwrap_or_default());
                    jobs.push((index as u32, job));
                }
                Ok(None) => {}
                Err(error) => {
                    report(&error, &format!("the base of `{}`", kept.uid(index)));
                    state.failed(true);
                }
            }
        }
        jobs
    }

    /// The end of a job that did not fail: what runs is finished, and a last manifest says what there is.
    pub(super) fn finish_bases(&self, last: BatchTime) -> Result<()> {
        let Some(all) = &self.bases else { return Ok(()) };
        all.wait();
        let job = Job::new(&self.engine, last, self.ledger.epoch(), Arc::clone(&self.cancelled));
        let told = job.all_gather(self.site, || all.take_finished(&self.ledger))?;
        all.take_in(&self.ledger, told);
        let ran = self.control.read(|control| control.last.is_some());
        if self.engine.me() != 0 || !ran {
            return Ok(());
        }
        let work = {
            let state = &mut *all.state.lock();
            Work { manifest: Some(state.manifest(&self.ledger, last)?), ..Work::default() }
        };
        all.desk.change(|desk| desk.work = Some(work));
        all.wait();
        all.take_finished(&self.ledger)?;
        let gone = std::mem::take(&mut all.state.lock().gone);
        all.desk.change(|desk| desk.work = Some(Work { gone, ..Work::default() }));
        Ok(())
    }

    /// The thread ends, once it is done with what it has; it has let the storage go when this returns.
    pub(super) fn end_bases(&self) {
        if let Some(all) = &self.bases {
            all.wait();
            all.desk.change(|desk| desk.ended = true);
            all.desk.wait(|desk| desk.left.then_some(()));
        }
    }
}

impl Bases {
    fn wait(&self) {
        self.desk.wait(|desk| (desk.work.is_none() && !desk.busy).then_some(()));
    }
}

impl Drop for Bases {
    fn drop(&mut self) {
        self.desk.change(|desk| desk.ended = true);
    }
}

fn report(error: &Error, what: &str) {
    metrics::counter!("tidemill_checkpoint_failures_total").increment(1);
    tracing::error!(
        error = %error.chain(),
        "{what} could not be written; the job goes on, and keeps the deltas behind it until it can be"
    );
}
