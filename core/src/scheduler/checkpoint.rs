//! What a commit makes durable of what operators remember.

use std::sync::Arc;

use super::bases::Told;
use super::batch::guarded;
use super::driver::Driver;
use crate::ledger::{DeltaObject, Deltas, KeeperDeltas, delta_object, delta_path};
use crate::rdd::Job;
use crate::storage::{Put, PutMode};
use crate::words::{BatchTime, Error, Result};

impl Driver {
    /// What the batch adds to what operators remember, where it outlives the process: with one member it goes behind the
    /// entry of the commit, with several each has written an object by now.
    pub(super) fn deltas(
        &self,
        time: BatchTime,
        job: &Arc<Job>,
        skipped: bool,
    ) -> Result<(Deltas, Vec<KeeperDeltas>)> {
        let Some(bases) = &self.bases else { return Ok((Deltas::Inline, Vec::new())) };
        let mine = || -> Result<Vec<KeeperDeltas>> {
            if skipped {
                return Ok(Vec::new());
            }
            let mut all = Vec::new();
            for (index, kept) in self.graph.keepers().iter().enumerate() {
                let deltas = guarded(|| kept.keeper.delta(time))?;
                if !deltas.is_empty() {
                    let deltas = KeeperDeltas { uid: kept.uid(index), deltas };
                    bases.wrote(index, deltas.bytes());
                    all.push(deltas);
                }
            }
            Ok(all)
        };
        if self.engine.members() == 1 {
            bases.take_in(&self.ledger, vec![bases.take_finished(&self.ledger)?]);
            return Ok((Deltas::Inline, mine()?));
        }
        let told: Vec<(Option<DeltaObject>, Told)> = job.all_gather(self.site, || {
            let (finished, deltas) = (bases.take_finished(&self.ledger)?, mine()?);
            if deltas.is_empty() {
                return Ok((None, finished));
            }
            let path = delta_path(self.ledger.epoch(), time, self.engine.me());
            let (object, bytes) = delta_object(path, &deltas)?;
            match self.ledger.storage().put(&object.path, &bytes, PutMode::IfAbsent)? {
                Put::Done => Ok((Some(object), finished)),
                Put::Exists => {
                    Err(Error::Fenced(format!("another run of this job has written `{}`", object.path)))
                }
            }
        })?;
        let (objects, finished): (Vec<Option<DeltaObject>>, Vec<Told>) = told.into_iter().unzip();
        bases.take_in(&self.ledger, finished);
        Ok((Deltas::Objects(objects.into_iter().flatten().collect()), Vec::new()))
    }
}
