//! Carries events to listeners.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use metrics::counter;
use parking_lot::Mutex;

use super::events::Event;
use super::facade;
use super::listener::{StreamingListener, tell};
use crate::runtime::{Monitor, Runtime, spawn_own};

/// A listener, with the number under which it can be removed.
type Registered = (u64, Arc<dyn StreamingListener>);

/// Carries events to listeners, on a thread of its own that starts with the first listener.
pub(crate) struct EventBus {
    runtime: Arc<dyn Runtime>,
    queue_max: usize,
    listeners: Arc<Mutex<(u64, Vec<Registered>)>>,
    queue: Arc<Monitor<Queue>>,
}

#[derive(Debug, Default)]
struct Queue {
    events: VecDeque<Event>,
    running: bool,
    busy: bool,
    closed: bool,
}

impl EventBus {
    pub(crate) fn new(runtime: &Arc<dyn Runtime>, queue_max: usize) -> Arc<Self> {
        Arc::new(Self {
            runtime: Arc::clone(runtime),
            queue_max,
            listeners: Arc::default(),
            queue: Arc::new(Monitor::new(runtime, Queue::default())),
        })
    }

    /// Adds a listener; the number removes it.
    pub(crate) fn add(&self, listener: Arc<dyn StreamingListener>) -> u64 {
        let number = {
            let mut listeners = self.listeners.lock();
            listeners.0 += 1;
            let number = listeners.0;
            listeners.1.push((number, listener));
            number
        };
        let start = self.queue.change(|queue| !std::mem::replace(&mut queue.running, true));
        if start {
            let (queue, listeners) = (Arc::clone(&self.queue), Arc::clone(&self.listeners));
            spawn_own(&self.runtime, "listeners", move || carry(&queue, &listeners));
        }
        number
    }

    /// Removes a listener.
    pub(crate) fn remove(&self, number: u64) {
        self.listeners.lock().1.retain(|(other, _)| *other != number);
    }

    /// Something happened.
    pub(crate) fn post(&self, event: Event) {
        facade::count(&event);
        if !self.queue.read(|queue| queue.running && !queue.closed) {
            return;
        }
        let kept = self.queue.change(|queue| {
            let room = queue.events.len() < self.queue_max;
            if room {
                queue.events.push_back(event);
            }
            room
        });
        if !kept {
            counter!(facade::DROPPED).increment(1);
        }
    }

    /// Carries what is left, waits until it has been heard, and carries nothing after that. Never called by a listener,
    /// which would wait for itself.
    pub(crate) fn close(&self) {
        self.queue.change(|queue| queue.closed = true);
        self.flush();
    }

    /// Waits until everything that was posted has been heard.
    pub(crate) fn flush(&self) {
        self.queue.wait(|queue| (!queue.running || (queue.events.is_empty() && !queue.busy)).then_some(()));
    }
}

fn carry(queue: &Monitor<Queue>, listeners: &Mutex<(u64, Vec<Registered>)>) {
    loop {
        let next = queue.wait(|queue| match queue.events.pop_front() {
            Some(event) => {
                queue.busy = true;
                Some(Some(event))
            }
            None => queue.closed.then_some(None),
        });
        let Some(event) = next else { break };
        let all = listeners.lock().1.clone();
        for (_, listener) in all {
            // A listener is user code: what it does wrong must not stop the job, nor the other listeners.
            if catch_unwind(AssertUnwindSafe(|| tell(&*listener, &event))).is_err() {
                tracing::error!(?event, "a listener panicked");
            }
        }
        queue.change(|queue| queue.busy = false);
    }
    queue.change(|queue| queue.running = false);
}

impl fmt::Debug for EventBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventBus").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::runtime::{Clock, RealRuntime};

    struct Heard(Mutex<Vec<Duration>>);

    impl StreamingListener for Arc<Heard> {
        fn on_streaming_started(&self, time: Duration) {
            self.0.lock().push(time);
        }
    }

    #[test]
    fn what_is_posted_behind_the_end_is_heard_by_nobody() {
        let runtime: Arc<dyn Runtime> = Arc::new(RealRuntime::new(1, Clock::System).unwrap());
        let bus = EventBus::new(&runtime, 10);
        let heard = Arc::new(Heard(Mutex::default()));
        let post = |seconds| bus.post(Event::StreamingStarted { time: Duration::from_secs(seconds) });
        post(1);
        bus.add(Arc::new(Arc::clone(&heard)));
        post(2);
        bus.close();
        post(3);
        bus.add(Arc::new(Arc::clone(&heard)));
        post(4);
        bus.flush();

        assert_eq!(*heard.0.lock(), [Duration::from_secs(2)]);
    }
}
