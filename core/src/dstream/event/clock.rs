//! The watermark of an event-timed stream from batch to batch.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use parking_lot::Mutex;

use super::super::Graph;
use super::super::keeper::{BaseJob, BaseWanted, Keeper, Opening};
use super::timed::Seen;
use crate::data::Wire;
use crate::rdd::Job;
use crate::runtime::Site;
use crate::state::{Delta, Shape, StateBase};
use crate::storage::{PutMode, Storage, envelope};
use crate::window::event::Watermarks;
use crate::window::{EventTime, WatermarkSpec};
use crate::words::{BatchTime, Error, Result};

/// Records that windows turned away, in all; each window counts for itself.
const LATE: &str = "tidemill_records_late_total";
/// Those of them that were too far ahead.
const AHEAD: &str = "tidemill_records_ahead_total";
/// How far event time has come, by the place of the stream in the user's code.
const WATERMARK: &str = "tidemill_watermark_milliseconds";

const KIND: envelope::Kind = *b"WMRK";
const VERSION: u16 = 1;
/// The one partition of its deltas, and all groups for its bases.
const PARTITION: u32 = 0;
const GROUPS: u8 = 128;

/// The watermark of one event-timed stream.
///
/// In a batch it is what the batches before have made of it. All members come to the same: what each has seen is gathered.
pub(crate) struct EventClock {
    site: Site,
    spec: WatermarkSpec,
    registered: AtomicBool,
    windows: AtomicU32,
    state: Mutex<Clock>,
}

#[derive(Default)]
struct Clock {
    me: u32,
    now: Watermarks,
    // What the batch that runs makes of it.
    next: Option<(BatchTime, Watermarks)>,
    // Of batches that are not done.
    seen: Vec<Arc<Seen>>,
    turned_away: BTreeMap<(u32, u32), TurnedAway>,
    // What was read from a base, and may not be changed by batches that are in it.
    applied: Option<BatchTime>,
    // The watermark that the last base has.
    based: Option<Watermarks>,
}

/// How many records a window turned away in a partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TurnedAway {
    /// Their window was over.
    pub(super) late: u64,
    /// Their time was too far ahead.
    pub(super) ahead: u64,
}

impl EventClock {
    pub(super) fn new(site: Site, spec: WatermarkSpec) -> Arc<Self> {
        let (registered, windows, state) = (AtomicBool::default(), AtomicU32::default(), Mutex::default());
        Arc::new(Self { site, spec, registered, windows, state })
    }

    pub(super) fn spec(&self) -> &WatermarkSpec {
        &self.spec
    }

    /// The watermark in the batch that runs.
    pub(super) fn watermark(&self) -> EventTime {
        self.state.lock().now.watermark()
    }

    /// A batch is about to be read; what was noted of it when it was tried before is forgotten.
    pub(super) fn sees(&self, seen: Arc<Seen>) {
        let all = &mut self.state.lock().seen;
        all.retain(|other| other.batch != seen.batch);
        all.push(seen);
    }

    /// The number of a new window on this stream.
    pub(super) fn next_window(&self) -> u32 {
        self.windows.fetch_add(1, Ordering::Relaxed)
    }

    /// A window on this stream has just been registered. The first one reads the stream, and so does the keeper behind it know
    /// what was seen.
    pub(super) fn keep(
        self: &Arc<Self>,
        graph: &Graph,
        uid: impl Fn() -> Option<String> + Send + Sync + 'static,
    ) {
        if !self.registered.swap(true, Ordering::Relaxed) {
            graph.keep(uid, Arc::clone(self) as Arc<dyn Keeper>);
        }
    }

    /// A task of `window` is done with a partition; another try of it says it again.
    pub(super) fn turned_away(&self, window: u32, partition: u32, records: TurnedAway) {
        self.state.lock().turned_away.insert((window, partition), records);
    }

    fn count(
        &self,
        turned_away: impl IntoIterator<Item = TurnedAway>,
        watermark: EventTime,
        batch: BatchTime,
    ) {
        let sum = turned_away.into_iter().fold(TurnedAway::default(), |sum, one| TurnedAway {
            late: sum.late + one.late,
            ahead: sum.ahead + one.ahead,
        });
        if sum.ahead > 0 {
            tracing::warn!(
                stream = %self.site, %batch, records = sum.ahead, ahead_max = ?self.spec.ahead_max,
                "event times far ahead of their batch; their records are with the late ones"
            );
        }
        if sum != TurnedAway::default() {
            metrics::counter!(LATE).increment(sum.late + sum.ahead);
            metrics::counter!(AHEAD).increment(sum.ahead);
        }
        metrics::gauge!(WATERMARK, "stream" => self.site.to_string()).set(watermark.as_millis() as f64);
    }

    fn read(&self, path: &str, bytes: &[u8]) -> Result<Watermarks> {
        let mut rest = bytes;
        match Watermarks::decode(&mut rest) {
            Ok(read) if rest.is_empty() => Ok(read),
            _ => Err(Error::Corrupt { path: path.into(), reason: format!("no watermark of {}", self.site) }),
        }
    }
}

impl Keeper for EventClock {
    fn site(&self) -> Site {
        self.site
    }

    fn shape(&self) -> Shape {
        Shape { kind: self.site.operator().into(), version: VERSION.into(), ..Shape::default() }
    }

    fn must_checkpoint(&self) -> bool {
        false
    }

    fn open(&self, opening: &Opening<'_>) -> Result<()> {
        let mut clock = Clock { me: opening.engine.me(), ..Clock::default() };
        let newest = opening.bases.iter().max_by_key(|base| base.applied);
        if let Some(path) = newest.and_then(|base| base.objects.first()) {
            let missing =
                || Error::Corrupt { path: path.clone(), reason: "the object of a base is missing".into() };
            let sealed = opening.storage.get(path, None)?.ok_or_else(missing)?;
            let (version, payload) = envelope::open(KIND, path, &sealed)?;
            if version != VERSION {
                let reason =
                    format!("the watermark was written in format {version}, and this build reads {VERSION}");
                return Err(Error::Corrupt { path: path.clone(), reason });
            }
            clock.now = self.read(path, payload)?;
            clock.applied = newest.and_then(|base| base.applied);
        }
        *self.state.lock() = clock;
        Ok(())
    }

    fn replay(&self, batch: BatchTime, deltas: &[Delta]) -> Result<()> {
        let mut state = self.state.lock();
        if let Some(delta) = deltas.iter().find(|delta| delta.partition == PARTITION)
            && Some(batch) > state.applied
        {
            state.now = self.read(&format!("the delta of {batch}"), &delta.bytes)?;
        }
        Ok(())
    }

    fn run(&self, time: BatchTime, job: &Arc<Job>) -> Result<bool> {
        let (seen, now) = {
            let state = self.state.lock();
            (state.seen.iter().find(|seen| seen.batch == time).cloned(), state.now.clone())
        };
        // Where the stream has no Rdd nothing was seen, and time goes on for those that are idle.
        let mine = || Ok(seen.map(|seen| seen.lanes()).unwrap_or_default());
        let all = job.all_gather(self.site, mine)?.concat();
        self.state.lock().next = Some((time, now.after(time, &all, &self.spec)));
        Ok(true)
    }

    fn delta(&self, batch: BatchTime) -> Result<Vec<Delta>> {
        let state = self.state.lock();
        let Some((_, next)) = state.next.as_ref().filter(|(time, next)| *time == batch && *next != state.now)
        else {
            return Ok(Vec::new());
        };
        // The same on all members: one writes it down.
        if state.me != 0 {
            return Ok(Vec::new());
        }
        let mut bytes = Vec::new();
        next.encode(&mut bytes)?;
        Ok(vec![Delta { partition: PARTITION, bytes }])
    }

    fn commit(&self, batch: BatchTime) -> Result<()> {
        let (turned_away, watermark) = {
            let mut state = self.state.lock();
            if let Some((_, next)) = state.next.take_if(|(time, _)| *time == batch) {
                state.now = next;
            }
            state.seen.retain(|seen| seen.batch > batch);
            (std::mem::take(&mut state.turned_away), state.now.watermark())
        };
        self.count(turned_away.into_values(), watermark, batch);
        Ok(())
    }

    fn abandon(&self, batch: BatchTime) {
        let mut state = self.state.lock();
        state.next.take_if(|(time, _)| *time == batch);
        state.seen.retain(|seen| seen.batch > batch);
        state.turned_away.clear();
    }

    fn base(&self, wanted: &BaseWanted<'_>) -> Result<Option<BaseJob>> {
        let mut state = self.state.lock();
        // A few bytes, so it is written as often as it may be; not again where nothing has changed.
        if state.me != 0 || state.based.as_ref() == Some(&state.now) {
            return Ok(None);
        }
        state.based = Some(state.now.clone());
        let mut payload = Vec::new();
        state.now.encode(&mut payload)?;
        let (path, applied) = (format!("{}/watermark", wanted.path), wanted.batch);
        Ok(Some(Box::new(move |storage: &dyn Storage| {
            let sealed = envelope::seal(KIND, VERSION, &payload);
            let _ = storage.put(&path, &sealed, PutMode::Replace)?;
            let bytes = sealed.len() as u64;
            Ok(vec![StateBase { groups: 0..GROUPS, applied: Some(applied), objects: vec![path], bytes }])
        })))
    }
}

#[cfg(test)]
mod tests;
