//! Records change partitions: the map side of a shuffle, and what its reduce side takes over.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use super::job::{Job, Letters};
use super::node::{Node, Part, Pull, spread};
use super::refused::no_partitions;
use super::wire::{decode_counted, encode_all};
use crate::data::{Kept, Wire, check_round_trip};
use crate::runtime::{Site, TaskContext, without_effects};
use crate::transport::{Block, Inbox, Member};
use crate::words::{Error, Result};

/// The map side: one partition in, one list of records for each target out.
type Split<T, R> = dyn Fn(Pull<T>, usize) -> Result<Vec<Vec<R>>> + Send + Sync;

/// One input of a shuffle: the records of a node, on their way to `targets` partitions.
pub(crate) struct Exchange<T, R> {
    up: Arc<dyn Node<T>>,
    targets: usize,
    site: Site,
    split: Box<Split<T, R>>,
    checked: AtomicBool,
    arrived: OnceLock<Arrivals<R>>,
}

/// What came for the targets of this member, and the map partitions that it computed itself.
struct Arrivals<R> {
    mine: Vec<usize>,
    targets: Vec<Arrived<R>>,
}

/// What came for one target of this member.
struct Arrived<R> {
    // Typed and moved, from map tasks of this member, by map partition. Taken by the first try of the reduce task; a
    // later one makes them again from lineage.
    local: Mutex<Option<Vec<(u32, Vec<R>)>>>,
    // From other members; they can be decoded again.
    wire: Vec<Block>,
}

impl<T: 'static, R: Wire> Exchange<T, R> {
    pub(crate) fn new(
        up: Arc<dyn Node<T>>,
        targets: usize,
        site: Site,
        split: impl Fn(Pull<T>, usize) -> Result<Vec<Vec<R>>> + Send + Sync + 'static,
    ) -> Self {
        let (checked, arrived) = (AtomicBool::new(false), OnceLock::new());
        Self { up, targets, site, split: Box::new(split), checked, arrived }
    }

    /// Runs the map side and the exchange.
    pub(crate) fn prepare(&self, job: &Arc<Job>) -> Result<()> {
        if self.arrived.get().is_some() {
            return Ok(());
        }
        if self.targets == 0 {
            return Err(no_partitions(self.site));
        }
        self.up.prepare(job)?;
        let (me, members) = (job.engine.me(), job.engine.members());
        let mine = job.mine(&*self.up);
        let of = self.up.partitions();
        let letters = Arc::new(Letters::default());
        let mapped: Vec<Vec<Vec<R>>> = if members == 1 {
            job.stage(self.site, &mine, of, |partition, task| self.map(partition, task))?
        } else {
            job.collective(self.site, Arc::clone(&letters) as Arc<dyn Inbox>, |outbox| {
                job.stage(self.site, &mine, of, |partition, task| {
                    let mut targets = self.map(partition, task)?;
                    // What is for others is written down inside the task, and sent at its end.
                    let mut away = Vec::new();
                    for (target, records) in targets.iter_mut().enumerate() {
                        let owner = spread(target, self.targets, members);
                        if owner != me && !records.is_empty() {
                            away.push((owner, block(partition, target, &std::mem::take(records))?));
                        }
                    }
                    away.into_iter().try_for_each(|(to, block)| outbox.send(Member(to), block))?;
                    Ok(targets)
                })
            })?
        };
        let mut local: Vec<Vec<(u32, Vec<R>)>> = (0..self.targets).map(|_| Vec::new()).collect();
        for (partition, targets) in mine.iter().zip(mapped) {
            for (target, records) in
                targets.into_iter().enumerate().filter(|(_, records)| !records.is_empty())
            {
                local[target].push((*partition as u32, records));
            }
        }
        let mut wire: BTreeMap<u32, Vec<Block>> = BTreeMap::new();
        for block in std::mem::take(&mut *letters.0.lock()) {
            wire.entry(block.to_partition).or_default().push(block);
        }
        let arrived = (0u32..).zip(local).map(|(target, local)| Arrived {
            local: Mutex::new(Some(local)),
            wire: wire.remove(&target).unwrap_or_default(),
        });
        // Somebody else was first only where two jobs share an Rdd; the records are the same then.
        let _ = self.arrived.set(Arrivals { targets: arrived.collect(), mine });
        Ok(())
    }

    fn map(&self, partition: usize, task: &TaskContext) -> Result<Vec<Vec<R>>> {
        let up = Pull::new(self.up.open(partition, task)?, task, self.site);
        let targets = (self.split)(up, partition)?;
        task.at(self.site);
        if !self.checked.load(Ordering::Relaxed)
            && let Some(first) = targets.iter().find_map(|records| records.first())
        {
            check_round_trip(first)?;
            self.checked.store(true, Ordering::Relaxed);
        }
        Ok(targets)
    }

    /// What came for `target`, in the order of (map partition, record), whoever computed it.
    pub(crate) fn take(&self, target: usize, task: &TaskContext) -> Result<Incoming<R>> {
        let Some(arrivals) = self.arrived.get() else {
            return Err(not_run());
        };
        let arrived = &arrivals.targets[target];
        let taken = arrived.local.lock().take();
        let local = match taken {
            Some(local) => local,
            None => self.again(&arrivals.mine, target, task)?,
        };
        let mut from: Vec<(u32, Bucket<R>)> =
            local.into_iter().map(|(partition, records)| (partition, Bucket::Typed(records))).collect();
        from.extend(arrived.wire.iter().map(|block| (block.from_partition, Bucket::Wire(block.clone()))));
        from.sort_by_key(|(partition, _)| *partition);
        Ok(Incoming { from })
    }

    // The first try of the reduce task used its records up: this one computes them from lineage.
    fn again(&self, mine: &[usize], target: usize, task: &TaskContext) -> Result<Vec<(u32, Vec<R>)>> {
        let mut local = Vec::new();
        for &partition in mine {
            // The map task counted already; this is its work a second time.
            let mut targets = without_effects(|| self.map(partition, task))?;
            let records = std::mem::take(&mut targets[target]);
            if !records.is_empty() {
                local.push((partition as u32, records));
            }
        }
        Ok(local)
    }
}

/// Only a mistake of an operator in this room can lead here.
pub(super) fn not_run() -> Error {
    Error::new("a shuffle was read before it was run; please report this")
}

fn block<R: Wire>(from: usize, to: usize, records: &[R]) -> Result<Block> {
    let bytes = encode_all(records)?;
    Ok(Block {
        from_partition: from as u32,
        to_partition: to as u32,
        records: records.len() as u32,
        bytes: bytes.into(),
    })
}

/// What came for one target, in the order of (map partition, record).
pub(crate) struct Incoming<R> {
    from: Vec<(u32, Bucket<R>)>,
}

enum Bucket<R> {
    Typed(Vec<R>),
    Wire(Block),
}

impl<R: Wire> Incoming<R> {
    /// The largest number of records from one map partition: with keys combined before, a good first size of a table.
    /// The same on every member, so that a table's order is too.
    pub(crate) fn largest(&self) -> usize {
        self.from.iter().map(|(_, bucket)| bucket.len()).max().unwrap_or(0)
    }

    /// How many records there are.
    pub(crate) fn len(&self) -> usize {
        self.from.iter().map(|(_, bucket)| bucket.len()).sum()
    }

    /// All records in their order.
    pub(crate) fn into_records(self) -> Result<Vec<R>> {
        let mut all = Vec::with_capacity(self.len());
        for (_, bucket) in self.from {
            match bucket {
                Bucket::Typed(mut records) => all.append(&mut records),
                Bucket::Wire(block) => decode_counted(&block.bytes, block.records as usize, |record| {
                    all.push(record);
                    Ok(())
                })?,
            }
        }
        Ok(all)
    }

    /// Calls `each` with the map partition and the record.
    pub(crate) fn for_each(self, mut each: impl FnMut(u32, R) -> Result<()>) -> Result<()> {
        for (partition, bucket) in self.from {
            match bucket {
                Bucket::Typed(records) => {
                    records.into_iter().try_for_each(|record| each(partition, record))?;
                }
                Bucket::Wire(block) => {
                    decode_counted(&block.bytes, block.records as usize, |record| each(partition, record))?;
                }
            }
        }
        Ok(())
    }
}

impl<R> Bucket<R> {
    fn len(&self) -> usize {
        match self {
            Self::Typed(records) => records.len(),
            Self::Wire(block) => block.records as usize,
        }
    }
}

/// The reduce side: computes each target once, and keeps it until the batch is forgotten.
pub(crate) struct Shuffled<U> {
    targets: usize,
    site: Site,
    inputs: Vec<Box<dyn Fn(&Arc<Job>) -> Result<()> + Send + Sync>>,
    reduce: Box<dyn Fn(usize, &TaskContext) -> Result<Vec<U>> + Send + Sync>,
    out: OnceLock<Vec<Option<Arc<Vec<U>>>>>,
    keyed: bool,
}

impl<U: Send + Sync + 'static> Shuffled<U> {
    /// A shuffle of one input.
    pub(crate) fn one<T: 'static, R: Wire>(
        input: Exchange<T, R>,
        reduce: impl Fn(Incoming<R>, &TaskContext) -> Result<Vec<U>> + Send + Sync + 'static,
    ) -> Self {
        let (targets, site, input) = (input.targets, input.site, Arc::new(input));
        let reducing = Arc::clone(&input);
        Self::new(targets, site, vec![Box::new(move |job| input.prepare(job))], move |target, task| {
            let incoming = reducing.take(target, task)?;
            task.at(reducing.site);
            reduce(incoming, task)
        })
    }

    /// A shuffle of two inputs into the same targets.
    pub(crate) fn two<A: 'static, B: 'static, R: Wire, S: Wire>(
        here: Arc<Exchange<A, R>>,
        there: Arc<Exchange<B, S>>,
        reduce: impl Fn(Incoming<R>, Incoming<S>, &TaskContext) -> Result<Vec<U>> + Send + Sync + 'static,
    ) -> Self {
        let (targets, site) = (here.targets, here.site);
        let inputs = (Arc::clone(&here), Arc::clone(&there));
        let prepare = move |job: &Arc<Job>| inputs.0.prepare(job).and_then(|()| inputs.1.prepare(job));
        Self::new(targets, site, vec![Box::new(prepare)], move |target, task| {
            let incoming = (here.take(target, task)?, there.take(target, task)?);
            task.at(site);
            reduce(incoming.0, incoming.1, task)
        })
    }

    /// A shuffle of any inputs: `prepare` runs each, `reduce` takes from each.
    pub(crate) fn new(
        targets: usize,
        site: Site,
        inputs: Vec<Box<dyn Fn(&Arc<Job>) -> Result<()> + Send + Sync>>,
        reduce: impl Fn(usize, &TaskContext) -> Result<Vec<U>> + Send + Sync + 'static,
    ) -> Self {
        Self { targets, site, inputs, reduce: Box::new(reduce), out: OnceLock::new(), keyed: false }
    }

    /// Says that the results are pairs, each in the partition that its key's stable hash names.
    pub(crate) fn keyed(mut self) -> Self {
        self.keyed = true;
        self
    }

    fn run(&self, job: &Arc<Job>) -> Result<()> {
        self.inputs.iter().try_for_each(|prepare| prepare(job))?;
        let members = job.engine.members();
        let mine: Vec<usize> = (0..self.targets)
            .filter(|target| spread(*target, self.targets, members) == job.engine.me())
            .collect();
        // With several members a failure is told at the next collective: every stage is followed by one.
        let reduced =
            job.stage_told(self.site, &mine, self.targets, |target, task| (self.reduce)(target, task))?;
        let mut out: Vec<Option<Arc<Vec<U>>>> = (0..self.targets).map(|_| None).collect();
        for (target, records) in mine.into_iter().zip(reduced) {
            out[target] = Some(Arc::new(records));
        }
        let _ = self.out.set(out);
        Ok(())
    }
}

impl<U: Send + Sync + 'static> Node<U> for Shuffled<U> {
    fn partitions(&self) -> usize {
        self.targets
    }

    fn owner(&self, partition: usize, members: u32) -> u32 {
        spread(partition, self.targets, members)
    }

    fn keyed(&self) -> bool {
        self.keyed
    }

    fn prepare(&self, job: &Arc<Job>) -> Result<()> {
        let identity = std::ptr::from_ref(self).addr();
        job.prepare_once(identity, || self.out.get().is_some(), || self.run(job))
    }

    fn open(&self, partition: usize, _task: &TaskContext) -> Result<Part<U>> {
        let kept = self.out.get().and_then(|out| out[partition].clone());
        let Some(records) = kept else {
            return Err(not_run());
        };
        Ok(Box::new(Kept { records, at: 0 }))
    }
}
