//! A test's clock may be moved in any moment of a start, also between two looks at it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use super::{Ground, StreamingContext};
use crate::metrics::{BatchInfo, StreamingListener};
use crate::runtime::{Clock, Hooked, ManualClock, RealRuntime, Runtime};
use crate::transport::Alone;
use crate::words::Conf;

const SECOND: Duration = Duration::from_secs(1);

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
        // Moved by a second once the clock has been looked at so many times, behind what was seen.
        let left = Arc::new(AtomicI64::new(looks));
        let (of_clock, moved) = (Arc::clone(&left), clock.clone());
        let look = move || {
            if of_clock.fetch_sub(1, Ordering::SeqCst) == 0 {
                moved.advance(SECOND);
            }
        };
        let runtime = Arc::new(Hooked::new(inner, look, |bell| bell));
        let ground = Ground {
            runtime: runtime.clone(),
            transport: Arc::new(Alone),
            clock: Clock::Manual(clock.clone()),
        };
        let conf = Conf::new().allow_several(true).batch_interval(SECOND).unwrap();
        let ssc = StreamingContext::on(conf, ground).unwrap();
        ssc.constant_stream(ssc.parallelize(vec![1], 1)).count().foreach_rdd(|_, _| Ok(()));
        let (told, times) = channel();
        let heard = || times.recv_timeout(Duration::from_mins(1));
        ssc.add_streaming_listener(Told(told));
        ssc.start().unwrap();
        let started = heard().unwrap();
        while left.load(Ordering::SeqCst) >= 0 {
            runtime.uptime();
        }
        if started >= SECOND {
            // Moved before the first batch was named: that one is a second away.
            clock.advance(SECOND);
        }
        let batch = heard().unwrap_or_else(|_| panic!("no batch behind look {looks}"));
        assert_eq!(batch, started + SECOND);
        ssc.stop(false).unwrap();
    }
}
