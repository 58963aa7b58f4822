//! Windows in which each key has one value.

use std::any::type_name;
use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::journal::{Journal, Piece, Pieces};
use super::lane::Lane;
use super::results::{Cells, Made, Prepared};
use super::settings::Settings;
use super::shelf::PaneShelf;
use crate::data::{Key, StableHasher, Wire, bucket};
use crate::dstream::keeper::{BaseJob, BaseWanted, Keeper, Opening};
use crate::dstream::{DStream, Stream};
use crate::rdd::{Brought, Function, Job, Rdd, Sizes, spread};
use crate::runtime::{Site, TaskContext};
use crate::state::{Delta, Shape, short_name};
use crate::window::Span;
use crate::words::{BatchTime, Error, Result};

/// A stream with one value for each key of each window on `parent`, in `partitions` partitions, and what remembers its
/// panes. `f` is associative; values come together in the order of time.
pub(in crate::dstream) fn sliding<K: Key, V: Wire>(
    parent: &DStream<(K, V)>,
    site: Site,
    settings: Settings,
    partitions: usize,
    f: impl Fn(V, V) -> V + Function,
) -> (DStream<(K, V)>, Arc<dyn Keeper>) {
    parent.check_partitions(site, partitions);
    let keeper = Arc::new(ByKey {
        site,
        settings,
        partitions,
        parent: Arc::clone(parent.stream()),
        f: Arc::new(f),
        sizes: Sizes::default(),
        lanes: (0..partitions).map(|_| Mutex::new(None)).collect(),
        cells: Cells::default(),
        journal: Journal::default(),
        batches: Mutex::default(),
    });
    let kept = Arc::clone(&keeper);
    let stream = parent.graph().draw(site, settings.slide, move |time, job| {
        let (cell, keeper) = (kept.cells.of(time), Arc::clone(&kept) as Arc<dyn Keeper>);
        let node = Arc::new(Made { cell, time, site, partitions });
        Ok(Some(Rdd::new(Prepared { node, keeper, time }, job)))
    });
    parent.stream().add_child();
    (DStream::new(parent.graph(), stream), keeper)
}

struct ByKey<K, V: Wire, F> {
    site: Site,
    settings: Settings,
    partitions: usize,
    parent: Arc<Stream<(K, V)>>,
    f: Arc<F>,
    sizes: Sizes,
    // By partition; those of this member have one, but while a task works on it.
    lanes: Vec<Mutex<Option<Lane<K, V>>>>,
    cells: Cells<(K, V)>,
    journal: Journal,
    batches: Mutex<Batches>,
}

/// Which batches this operator has run.
#[derive(Clone, Copy, Default)]
struct Batches {
    // The last one that was begun, and whether all of it is there.
    running: Option<(BatchTime, bool)>,
    committed: Option<BatchTime>,
    over: Option<BatchTime>,
}

/// What the tasks of a batch work with.
struct Work<'a, K, V> {
    span: Span,
    time: BatchTime,
    committed: Option<BatchTime>,
    brought: Option<&'a Brought<K, V>>,
    restored: &'a Pieces,
    durable: bool,
}

/// What a task gives: the window, where one ends, and what is written down.
type Given<K, V> = (Option<Vec<(K, V)>>, Option<Vec<u8>>);

impl<K: Key, V: Wire, F: Fn(V, V) -> V + Function> ByKey<K, V, F> {
    /// The work of one task, which has a partition to itself.
    fn task(&self, work: &Work<'_, K, V>, partition: usize, task: &TaskContext) -> Result<Given<K, V>> {
        let mut lane = Borrowed::of(&self.lanes[partition]);
        let lane = lane.get()?;
        let (f, span, time) = (&*self.f, work.span, work.time);
        for (batch, pieces) in work.restored {
            let mine = |key: &K| Ok(bucket(StableHasher::default().hash(key)?, self.partitions) == partition);
            let mine_all = |piece: &Piece| piece.of as usize == self.partitions;
            let pieces =
                pieces.iter().filter(|piece| !mine_all(piece) || piece.partition as usize == partition);
            let pieces = pieces.map(|piece| (&piece.bytes[..], mine_all(piece)));
            let restored = lane.restore(span, *batch, pieces, mine, f);
            restored.map_err(|error| self.journal.window(self.site).unreadable(error))?;
        }
        lane.advance(span, time, work.committed, f)?;
        let mut written = None;
        if let Some(brought) = work.brought {
            brought.take(partition, task, |key, value| lane.put(key, value, f))?;
            lane.filled(time);
            task.at(self.site);
            if work.durable {
                written = Some(lane.written()?);
            }
        }
        Ok((span.is_due(time).then(|| lane.window(f)), written))
    }

    fn over(&self, batch: BatchTime, committed: bool) {
        self.journal.over(batch, committed);
        self.cells.over(batch);
        let mut batches = self.batches.lock();
        batches.over = batches.over.max(Some(batch));
        if batches.running.take() == Some((batch, true)) && committed {
            batches.committed = Some(batch);
        }
    }
}

impl<K: Key, V: Wire, F: Fn(V, V) -> V + Function> Keeper for ByKey<K, V, F> {
    fn site(&self) -> Site {
        self.site
    }

    fn shape(&self) -> Shape {
        // Keys find their partition again, whatever the number is.
        Shape {
            kind: self.site.operator().into(),
            version: 1,
            partitions: None,
            key: Some(short_name(type_name::<K>())),
            value: Some(short_name(type_name::<V>())),
        }
    }

    fn must_checkpoint(&self) -> bool {
        false
    }

    fn open(&self, opening: &Opening<'_>) -> Result<()> {
        let engine = opening.engine;
        for (partition, lane) in self.lanes.iter().enumerate() {
            if spread(partition, self.partitions, engine.members()) == engine.me() {
                // Where the grid begins is not known yet, and does not matter to the number of panes.
                let span = self.settings.span(BatchTime::from_millis(0));
                *lane.lock() = Some(Lane::new(span, PaneShelf::new(engine.room())));
            }
        }
        self.journal.open(opening)
    }

    fn replay(&self, batch: BatchTime, deltas: &[Delta]) -> Result<()> {
        self.journal.replay(batch, deltas)
    }

    fn run(&self, time: BatchTime, job: &Arc<Job>) -> Result<bool> {
        let zero = self.parent.zero()?;
        if !time.is_due(self.parent.slide(), zero) {
            return Ok(false);
        }
        let committed = {
            let mut batches = self.batches.lock();
            if batches.running == Some((time, true)) || batches.over >= Some(time) {
                return Ok(true);
            }
            batches.running = Some((time, false));
            batches.committed
        };
        let span = self.settings.span(zero);
        let rdd = if span.covers(time) { self.parent.rdd(time, job)? } else { None };
        let brought =
            rdd.map(|rdd| Brought::new(&rdd, self.site, self.partitions, &self.sizes, Arc::clone(&self.f)));
        if let Some(brought) = &brought {
            brought.prepare(job)?;
        }
        // Behind all that may fail before the tasks, which say where it was taken in.
        let restored = self.journal.restored(span.before(span.due(time)));
        let durable = self.journal.is_durable();
        let work = Work { span, time, committed, brought: brought.as_ref(), restored: &restored, durable };
        let (me, members, of) = (job.engine.me(), job.engine.members(), self.partitions);
        let mine: Vec<usize> = (0..of).filter(|p| spread(*p, of, members) == me).collect();
        let given = job.stage_told(self.site, &mine, of, |partition, task| self.task(&work, partition, task));
        let given = given.inspect_err(|_| self.journal.restore_again(&restored))?;
        let windows = self.journal.ran(time, mine, of, given).into_iter();
        if span.is_due(time) {
            let windows: BTreeMap<_, _> =
                windows.filter_map(|(partition, window)| Some((partition, window?))).collect();
            self.cells.of(time).fill(of, windows);
        }
        self.batches.lock().running = Some((time, true));
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

/// A lane that is taken out for as long as a task works on it, so that no lock is held while the user's code runs; put back
/// also where that panics.
struct Borrowed<'a, K, V: Wire> {
    place: &'a Mutex<Option<Lane<K, V>>>,
    lane: Option<Lane<K, V>>,
}

impl<'a, K, V: Wire> Borrowed<'a, K, V> {
    fn of(place: &'a Mutex<Option<Lane<K, V>>>) -> Self {
        let lane = place.lock().take();
        Self { place, lane }
    }

    fn get(&mut self) -> Result<&mut Lane<K, V>> {
        // Only a mistake in this room can lead here.
        self.lane
            .as_mut()
            .ok_or_else(|| Error::new("a window was run before it was opened; please report this"))
    }
}

impl<K, V: Wire> Drop for Borrowed<'_, K, V> {
    fn drop(&mut self) {
        *self.place.lock() = self.lane.take();
    }
}
