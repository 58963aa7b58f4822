//! The job's side of the gate.

use tokio::sync::watch;

use super::Gate;
use super::segment::Sealed;
use crate::data::Wire;
use crate::memory::Room;
use crate::rdd::Rejects;
use crate::words::BatchTime;

/// The job's side of a gate.
pub(crate) struct GateControl<T, P> {
    pub(super) gate: Gate<T, P>,
    pub(super) stop: watch::Sender<bool>,
}

impl<T: Wire, P: Wire + Ord> GateControl<T, P> {
    /// The tick: what is in belongs to `batch`.
    pub(crate) fn cut(&self, batch: BatchTime) {
        let mut state = self.gate.0.state.lock();
        state.seal();
        let mut records = 0;
        for block in state.sealed.iter_mut().filter(|block| block.batch.is_none()) {
            block.batch = Some(batch);
            records += block.records;
        }
        self.gate.0.limiter.cut(batch, records);
        state.positions.cut(batch);
        drop(state);
        // So files go with the batches that they hold blocks of.
        self.gate.0.disk.end_file();
    }

    /// From here on what the receiver itself rejects is put aside in `letters`, where somebody wants it.
    pub(crate) fn keep_letters(&self, letters: Option<Room>) {
        let mut state = self.gate.0.state.lock();
        state.rejects = Rejects::new(letters.as_ref());
        state.letters = letters;
    }

    /// The blocks that were cut for `batch` or before it, and what the receiver itself rejected until now.
    pub(crate) fn take(&self, batch: BatchTime) -> (Vec<Sealed<T>>, Rejects) {
        let mut state = self.gate.0.state.lock();
        let due = |block: &mut Sealed<T>| block.batch.is_some_and(|cut| cut <= batch);
        let mut blocks: Vec<_> = state.sealed.extract_if(.., due).collect();
        state.staged_is_taken(&mut blocks, &self.gate.0.budget);
        let next = Rejects::new(state.letters.as_ref());
        (blocks, std::mem::replace(&mut state.rejects, next))
    }

    /// Whether something is in, or was rejected, that belongs to no batch yet, or to one that was not taken.
    pub(crate) fn has_pending(&self) -> bool {
        let state = self.gate.0.state.lock();
        !state.open.segments.is_empty() || !state.sealed.is_empty() || !state.rejects.is_empty()
    }

    /// commit(`batch`) is durable.
    pub(crate) fn committed(&self, batch: BatchTime) {
        self.gate.0.state.lock().positions.committed(batch);
        self.gate.0.durable.notify_waiters();
    }

    /// No batch is committed any more: nothing becomes durable.
    pub(crate) fn close(&self) {
        self.gate.0.state.lock().closed = true;
        self.gate.0.durable.notify_waiters();
    }

    /// How many records came again since this was asked last.
    pub(crate) fn take_repeated(&self) -> u64 {
        self.gate.0.state.lock().positions.take_repeated()
    }

    /// Whether the run that is under way emits no more.
    pub(crate) fn is_finished(&self) -> bool {
        self.gate.0.state.lock().finished
    }

    /// Tells the receiver to stop; those who wait at the gate go through, and get [`Error::Stopping`].
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }
}
