//! The gate's way to the disk: one file at a time, and what happens when there is no room.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::run::{Run, Scratch};
use super::segment::Segment;
use crate::data::Wire;
use crate::memory::{Budget, PieceWriter, Spill};
use crate::words::{Error, Result, panic_text};

/// A new file is begun behind so many bytes: files go as a whole, so what is done with gives its disk back soon.
const FILE_BYTES: u64 = 8 << 20;

/// Behind a refusal the disk is asked again after this time, so that a gate closes in earnest and still goes on by itself.
pub(super) const RETRY: Duration = Duration::from_secs(1);

/// Writes what is beyond the memory.
pub(super) struct Disk {
    spill: Arc<Spill>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    // Out while somebody writes with it: no lock is held for as long as a disk takes.
    writer: Option<Writer>,
    // The file that is being written to takes no more.
    ended: bool,
    // By uptime.
    refused_until: Option<Duration>,
    failing: bool,
}

#[derive(Default)]
struct Writer {
    file: Option<PieceWriter>,
    scratch: Scratch,
}

impl Disk {
    pub(super) fn new(spill: &Arc<Spill>) -> Self {
        Self { spill: Arc::clone(spill), state: Mutex::default() }
    }

    /// Whether nothing is ever written.
    pub(super) fn is_off(&self) -> bool {
        self.spill.is_off()
    }

    /// Whether writing may be tried.
    pub(super) fn is_usable(&self, uptime: Duration) -> bool {
        !self.is_off() && self.state.lock().refused_until.is_none_or(|until| uptime >= until)
    }

    /// How long until it may be tried again.
    pub(super) fn pause(&self, uptime: Duration) -> Duration {
        self.state.lock().refused_until.map_or(Duration::ZERO, |until| until.saturating_sub(uptime))
    }

    /// There was no room, or an error: not to be tried before `until`. Whether the error is the first in a row.
    pub(super) fn refuse(&self, until: Duration, is_error: bool) -> bool {
        let mut state = self.state.lock();
        state.refused_until = Some(until);
        is_error && !std::mem::replace(&mut state.failing, true)
    }

    /// What comes next goes into a new file: the old one goes with what is in it.
    pub(super) fn end_file(&self) {
        let mut state = self.state.lock();
        let file = state.writer.as_mut().map(|writer| writer.file.take());
        state.ended = file.is_none();
        drop(state);
        // Here, and not under the lock: it may be the last handle, and closing takes its time.
        drop(file);
    }

    /// Writes `segments`; `None` where the limit of the disk is reached. It blocks.
    pub(super) fn write<T: Wire>(&self, segments: &[Segment<T>], budget: &Budget) -> Result<Option<Run<T>>> {
        let mut writer = self.state.lock().writer.take().unwrap_or_default();
        // User code writes records down.
        let written = catch_unwind(AssertUnwindSafe(|| {
            let file = match &mut writer.file {
                Some(file) => file,
                none => none.insert(self.spill.pieces()?),
            };
            Run::write(segments, file, &mut writer.scratch, budget)
        }))
        .unwrap_or_else(|panic| Err(Error::Panic(panic_text(&*panic))));
        // A file that nothing was written to would stay for nothing.
        let useless =
            |file: &PieceWriter| file.bytes() == 0 || file.bytes() >= FILE_BYTES || file.is_broken();
        if writer.file.as_ref().is_some_and(useless) || written.is_err() {
            writer.file = None;
        }
        let mut state = self.state.lock();
        if std::mem::take(&mut state.ended) {
            writer.file = None;
        }
        if let Ok(Some(_)) = &written {
            (state.refused_until, state.failing) = (None, false);
        }
        state.writer = Some(writer);
        written
    }
}
