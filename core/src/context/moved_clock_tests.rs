//! A test's clock may be moved in any moment of a start, also between two looks at it.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use super::{Ground, StreamingContext};
use crate::metrics::{BatchInfo, StreamingListener};
use crate::runtime::{Bell, BoxFuture, Clock, ManualClock, RealRuntime, Runtime};
use crate::transport::Alone;
use crate::words::Conf;

const SECOND: Duration = Duration::from_secs(1);

/// Moves the clock by a second once it has been looked at so many times, and gives what was seen before.
struct Moved {
    runtime: RealRuntime,
    clock: ManualClock,
    looks: AtomicI64,
}

impl Moved {
    fn look(&self, seen: Duration) -> Duration {
        if self.looks.fetch_sub(1, Ordering::SeqCst) == 0 {
            self.clock.advance(SECOND);
        }
        seen
    }
}

impl fmt::Debug for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Moved").finish_non_exhaustive()
    }
}

impl Runtime for Moved {
    fn slots(&self) -> usize {
        self.runtime.slots()
    }
    fn run_tasks(&self, count: usize, task: &(dyn Fn(usize) + Sync)) {
        self.runtime.run_tasks(count, task);
    }
    fn spawn_thread(&self, name: &str, body: Box<dyn FnOnce() + Send>) {
        self.runtime.spawn_thread(name, body);
    }
    fn spawn_io(&self, name: &str, future: BoxFuture<'static, ()>) {
        self.runtime.spawn_io(name, future);
    }
    fn now(&self) -> Duration {
        self.look(self.runtime.now())
    }
    fn uptime(&self) -> Duration {
        self.look(self.runtime.uptime())
    }
    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        self.runtime.sleep(time)
    }
    fn bell(&self) -> Arc<dyn Bell> {
        self.runtime.bell()
    }
    fn block_on_for(&self, future: Pin<&mut (dyn Future<Output = ()> + '_)>, patience: Duration) -> bool {
        self.runtime.block_on_for(future, patience)
    }
    fn random(&self) -> u64 {
        self.runtime.random()
    }
}

/// When the job started, and then each batch.
struct Told(Sender<Duration>);

impl StreamingListener for Told {
    fn on_streaming_started(&self, time: Duration) {
        let _ = self.0.send(time);
    }
    fn on_batch_completed(&self, batch: &BatchInfo) {
        let _ = self.0.send(batch.batch_time.since_epoch());
    }
}

#[test]
fn a_clock_that_is_moved_between_two_looks_delays_no_batch() {
    for looks in 0..40 {
        let clock = ManualClock::default();
        let inner = RealRuntime::new(1, Clock::Manual(clock.clone())).unwrap();
        let runtime = Arc::new(Moved { runtime: inner, clock: clock.clone(), looks: AtomicI64::new(looks) });
        let ground =
            Ground { runtime: runtime.clone(), transport: Arc::new(Alone), clock: Clock::Manual(clock) };
        let conf = Conf::new().allow_several(true).batch_interval(SECOND).unwrap();
        let ssc = StreamingContext::on(conf, ground).unwrap();
        ssc.constant_stream(ssc.parallelize(vec![1], 1)).count().foreach_rdd(|_, _| Ok(()));
        let (told, times) = channel();
        let heard = || times.recv_timeout(Duration::from_mins(1));
        ssc.add_streaming_listener(Told(told));
        ssc.start().unwrap();
        let started = heard().unwrap();
        while runtime.looks.load(Ordering::SeqCst) >= 0 {
            runtime.uptime();
        }
        if started >= SECOND {
            // Moved before the first batch was named: that one is a second away.
            runtime.clock.advance(SECOND);
        }
        let batch = heard().unwrap_or_else(|_| panic!("no batch behind look {looks}"));
        assert_eq!(batch, started + SECOND);
        ssc.stop(false).unwrap();
    }
}
