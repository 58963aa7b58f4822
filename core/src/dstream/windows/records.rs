//! Windows of records: each batch is kept as it came.

use std::any::type_name;
use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::journal::{Journal, Pieces};
use super::restored::Restored;
use super::results::{Prepared, gone};
use super::settings::Settings;
use crate::data::Data;
use crate::dstream::keeper::{BaseJob, BaseWanted, Keeper, Opening};
use crate::dstream::{DStream, Stream};
use crate::rdd::{Codec, Job, Node, Pull, Rdd, Stored, StoredPart, Zipped, spread};
use crate::runtime::Site;
use crate::state::{Delta, Shape, short_name};
use crate::window::Span;
use crate::words::{BatchTime, Result};

/// A stream with the records of each window on `parent`, and what remembers them.
pub(in crate::dstream) fn recorded<T: Data>(
    parent: &DStream<T>,
    site: Site,
    settings: Settings,
    codec: Codec<T>,
) -> (DStream<T>, Arc<dyn Keeper>) {
    let keeper = Arc::new(Records {
        site,
        settings,
        codec,
        parent: Arc::clone(parent.stream()),
        kept: Mutex::default(),
        journal: Journal::default(),
    });
    let kept = Arc::clone(&keeper);
    let stream = parent.graph().draw(site, settings.slide, move |time, job| {
        let node = kept.window(time, job)?;
        let keeper = Arc::clone(&kept) as Arc<dyn Keeper>;
        Ok(Some(Rdd::new(Prepared { node, keeper, time }, job)))
    });
    parent.stream().add_child();
    (DStream::new(parent.graph(), stream), keeper)
}

struct Records<T> {
    site: Site,
    settings: Settings,
    codec: Codec<T>,
    parent: Arc<Stream<T>>,
    kept: Mutex<Kept<T>>,
    journal: Journal,
}

/// The batches that windows still need.
struct Kept<T> {
    committed: BTreeMap<BatchTime, Arc<dyn Node<T>>>,
    // Drawn or run, and not over.
    running: Option<(BatchTime, Arc<Stored<T>>)>,
    // All of this batch is there.
    done: Option<BatchTime>,
    over: Option<BatchTime>,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self { committed: BTreeMap::new(), running: None, done: None, over: None }
    }
}

impl<T: Data> Records<T> {
    fn span(&self) -> Result<Span> {
        Ok(self.settings.span(self.parent.zero()?))
    }

    /// The window that ends at `time`; its newest batch may still have to run.
    fn window(&self, time: BatchTime, job: &Arc<Job>) -> Result<Arc<dyn Node<T>>> {
        let span = self.span()?;
        if self.kept.lock().over.is_some_and(|over| time <= over) {
            return Err(gone(self.site, time));
        }
        self.restore(span, time, job)?;
        let newest = self.newest(time, job)?;
        let before = span.before(time);
        let kept = self.kept.lock();
        let batches = kept.committed.iter().filter(|(batch, _)| **batch > before);
        let batches = batches.map(|(_, records)| Arc::clone(records));
        let newest_node = newest.iter().map(|stored| Arc::clone(stored) as Arc<dyn Node<T>>);
        let parents: Vec<Arc<dyn Node<T>>> = batches.chain(newest_node).collect();
        // Batches whose pairs all lie where their keys put them: so does the window then.
        let first = newest.as_ref().map_or(0, |newest| newest.partitions());
        let keyed = first > 0 && parents.iter().all(|node| node.keyed() && node.partitions() == first);
        if keyed && let Some(newest) = newest {
            let members = job.engine.members();
            let owners = (0..first).map(|partition| newest.owner(partition, members)).collect();
            return Ok(Arc::new(Zipped { parents, partitions: first, owners }));
        }
        Ok(Rdd::union_of(parents, job).node())
    }

    /// The place for the records of the batch that runs.
    fn newest(&self, time: BatchTime, job: &Arc<Job>) -> Result<Option<Arc<Stored<T>>>> {
        let known = |kept: &Kept<T>| {
            kept.running
                .as_ref()
                .filter(|(running, _)| *running == time)
                .map(|(_, stored)| Arc::clone(stored))
        };
        if let Some(stored) = known(&self.kept.lock()) {
            return Ok(Some(stored));
        }
        // No lock is held: this may run the functions of `transform`.
        let Some(rdd) = self.parent.rdd(time, job)? else { return Ok(None) };
        let mut kept = self.kept.lock();
        let stored = known(&kept).unwrap_or_else(|| Arc::new(Stored::like(&rdd, self.codec)));
        kept.running = Some((time, Arc::clone(&stored)));
        Ok(Some(stored))
    }

    /// Takes in what was read back; the first batch finds it.
    fn restore(&self, span: Span, time: BatchTime, job: &Arc<Job>) -> Result<()> {
        let restored = self.journal.restored(span.before(span.due(time)));
        self.take_back(&restored, job).inspect_err(|_| self.journal.restore_again(&restored))
    }

    fn take_back(&self, restored: &Pieces, job: &Arc<Job>) -> Result<()> {
        let (me, members) = (job.engine.me(), job.engine.members());
        for (batch, pieces) in restored {
            let Some(of) = pieces.iter().map(|piece| piece.of as usize).max() else { continue };
            let owners: Vec<u32> = (0..of).map(|partition| spread(partition, of, members)).collect();
            let mut parts = BTreeMap::new();
            for (partition, owner) in owners.iter().enumerate() {
                if *owner == me {
                    let bytes = pieces.iter().find(|piece| piece.partition as usize == partition);
                    let bytes = bytes.map_or(&[][..], |piece| &piece.bytes);
                    parts.insert(partition, Arc::new(StoredPart::from_bytes(bytes, &job.engine.room())?));
                }
            }
            // Another number of partitions may place keys elsewhere, so nothing is said of that.
            let stored = Stored::owned_by(owners, false, self.codec);
            stored.fill(parts);
            let restored = Restored { stored, window: self.journal.window(self.site) };
            self.kept.lock().committed.insert(*batch, Arc::new(restored));
        }
        Ok(())
    }

    fn over(&self, batch: BatchTime, committed: bool) {
        self.journal.over(batch, committed);
        let mut kept = self.kept.lock();
        kept.over = kept.over.max(Some(batch));
        if let Some((running, stored)) = kept.running.take_if(|(running, _)| *running <= batch)
            && running == batch
            && kept.done == Some(batch)
            && committed
        {
            kept.committed.insert(batch, stored);
        }
    }
}

impl<T: Data> Keeper for Records<T> {
    fn site(&self) -> Site {
        self.site
    }

    fn shape(&self) -> Shape {
        Shape {
            kind: self.site.operator().into(),
            version: 1,
            value: Some(short_name(type_name::<T>())),
            ..Shape::default()
        }
    }

    fn must_checkpoint(&self) -> bool {
        false
    }

    fn open(&self, opening: &Opening<'_>) -> Result<()> {
        self.journal.open(opening)
    }

    fn replay(&self, batch: BatchTime, deltas: &[Delta]) -> Result<()> {
        self.journal.replay(batch, deltas)
    }

    fn run(&self, time: BatchTime, job: &Arc<Job>) -> Result<bool> {
        if !time.is_due(self.parent.slide(), self.parent.zero()?) {
            return Ok(false);
        }
        {
            let mut kept = self.kept.lock();
            if kept.done == Some(time) || kept.over >= Some(time) {
                return Ok(true);
            }
            kept.done = None;
        }
        let span = self.span()?;
        self.restore(span, time, job)?;
        // What the batch before needed last goes now, outside of the lock: it may be large.
        let until = span.before(span.due(time));
        let _old: Vec<_> = self.kept.lock().committed.extract_if(..=until, |_, _| true).collect();
        if !span.covers(time) {
            return Ok(false);
        }
        let (Some(rdd), Some(newest)) = (self.parent.rdd(time, job)?, self.newest(time, job)?) else {
            return Ok(true);
        };
        let node = rdd.node();
        node.prepare(job)?;
        let (mine, of, room) = (job.mine(&*node), node.partitions(), job.engine.room());
        let durable = self.journal.is_durable();
        let parts = job.stage_told(self.site, &mine, of, |partition, task| {
            let up = Pull::new(node.open(partition, task)?, task, self.site);
            let part = StoredPart::write(up, self.codec, &room)?;
            let written = if durable { Some(part.bytes()?) } else { None };
            Ok((Arc::new(part), written))
        })?;
        newest.fill(self.journal.ran(time, mine, of, parts));
        self.kept.lock().done = Some(time);
        Ok(true)
    }

    fn delta(&self, batch: BatchTime) -> Result<Vec<Delta>> {
        Ok(self.journal.delta(batch))
    }

    fn commit(&self, batch: BatchTime) -> Result<()> {
        self.over(batch, true);
        Ok(())
    }

    fn abandon(&self, batch: BatchTime) {
        self.over(batch, false);
    }

    fn base(&self, wanted: &BaseWanted<'_>) -> Result<Option<BaseJob>> {
        self.journal.base(wanted, self.settings, &self.parent)
    }
}
