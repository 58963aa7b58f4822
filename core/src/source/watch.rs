//! What listeners are told of one receiver.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::metrics::{Event, EventBus, ReceiverInfo, ReceiverState};
use crate::runtime::Runtime;
use crate::words::{Error, chain_of};

/// Keeps the state of a receiver, and tells listeners of each change.
pub(crate) struct Watch {
    runtime: Arc<dyn Runtime>,
    events: Arc<EventBus>,
    // Called when the receiver will emit no more.
    done: Arc<dyn Fn() + Send + Sync>,
    name: String,
    info: Mutex<ReceiverInfo>,
}

impl Watch {
    /// Of a receiver that was not started yet.
    pub(crate) fn new(
        runtime: &Arc<dyn Runtime>,
        events: &Arc<EventBus>,
        done: &Arc<dyn Fn() + Send + Sync>,
        (stream_id, name): (usize, String),
        member: u32,
    ) -> Arc<Self> {
        let info = ReceiverInfo {
            stream_id,
            name: name.clone(),
            state: ReceiverState::Stopped,
            member,
            last_error: None,
            last_error_time: None,
            starts: 0,
            failures: 0,
            panics: 0,
        };
        Arc::new(Self {
            runtime: Arc::clone(runtime),
            events: Arc::clone(events),
            done: Arc::clone(done),
            name,
            info: Mutex::new(info),
        })
    }

    /// A run begins.
    pub(super) fn started(&self) {
        self.tell(Event::ReceiverStarted, |info| {
            info.starts += 1;
            info.state = ReceiverState::Active;
        });
    }

    /// The run reported an error and goes on.
    pub(super) fn reported(&self, error: &(dyn std::error::Error + 'static)) {
        let (error, now) = (chain_of(error), self.runtime.now());
        tracing::warn!(receiver = self.name, error, "receiver reported an error");
        self.tell(Event::ReceiverError, |info| {
            (info.last_error, info.last_error_time) = (Some(error), Some(now));
        });
    }

    /// The run has failed; the next one begins behind `pause`, if there is one.
    pub(super) fn failed(&self, error: &Error, pause: Option<Duration>) {
        let (text, now) = (error.chain(), self.runtime.now());
        tracing::warn!(receiver = self.name, error = text, ?pause, "receiver failed");
        self.tell(Event::ReceiverError, |info| {
            info.state = pause.map_or(ReceiverState::Stopped, |pause| ReceiverState::Restarting { pause });
            info.failures += 1;
            info.panics += u64::from(matches!(error, Error::Panic(_)));
            (info.last_error, info.last_error_time) = (Some(text), Some(now));
        });
    }

    /// What goes beyond the memory cannot be written to disk.
    pub(super) fn cannot_spill(&self, error: &Error) {
        let (stream_id, input, error) = (self.info.lock().stream_id, self.name.clone(), error.chain());
        tracing::warn!(receiver = input, error, "cannot spill: the receiver waits for memory");
        self.events.post(Event::SpillFailed { stream_id, input, error });
    }

    /// The receiver emits no more, though its run may go on.
    pub(super) fn done(&self) {
        (self.done)();
    }

    /// The receiver has ended for good.
    pub(super) fn stopped(&self) {
        self.tell(Event::ReceiverStopped, |info| info.state = ReceiverState::Stopped);
    }

    fn tell(&self, event: fn(ReceiverInfo) -> Event, change: impl FnOnce(&mut ReceiverInfo)) {
        let told = {
            let mut info = self.info.lock();
            change(&mut info);
            info.clone()
        };
        self.events.post(event(told));
    }
}
