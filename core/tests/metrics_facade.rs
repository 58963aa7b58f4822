//! What a job counts through the `metrics` facade: once a batch. The recorder is the process's, so these tests have a
//! process of their own, and take turns.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};
use parking_lot::{Condvar, Mutex, MutexGuard};
use tidemill::testing::receiver::{Script, Step};
use tidemill::testing::{clock, collect_batches, input_batches, local, local_with, run_batches};
use tidemill::{Clock, Conf, Event, EventTime, Retry, StreamingListener, WatermarkSpec};

/// What one metric was told: calls, and their values.
#[derive(Default)]
struct Told {
    calls: AtomicU64,
    sum: AtomicU64,
    values: Mutex<Vec<f64>>,
}

impl CounterFn for Told {
    fn increment(&self, value: u64) {
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.sum.fetch_add(value, Ordering::SeqCst);
    }

    fn absolute(&self, _: u64) {
        panic!("counters are counted up");
    }
}

impl GaugeFn for Told {
    fn increment(&self, _: f64) {
        panic!("gauges are set");
    }

    fn decrement(&self, _: f64) {
        panic!("gauges are set");
    }

    fn set(&self, value: f64) {
        self.values.lock().push(value);
    }
}

impl HistogramFn for Told {
    fn record(&self, value: f64) {
        self.values.lock().push(value);
    }
}

/// All metrics of the process, by name.
#[derive(Default)]
struct Metrics(Mutex<BTreeMap<String, Arc<Told>>>);

impl Metrics {
    fn told(&self, name: &str) -> Arc<Told> {
        Arc::clone(self.0.lock().entry(name.to_owned()).or_default())
    }

    fn sum(&self, name: &str) -> u64 {
        self.told(name).sum.load(Ordering::SeqCst)
    }

    fn calls(&self, name: &str) -> u64 {
        self.told(name).calls.load(Ordering::SeqCst)
    }

    fn values(&self, name: &str) -> Vec<f64> {
        self.told(name).values.lock().clone()
    }
}

struct Installed(&'static Metrics);

impl Recorder for Installed {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.0.told(key.name()))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.0.told(key.name()))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.0.told(key.name()))
    }
}

static METRICS: LazyLock<&'static Metrics> = LazyLock::new(|| {
    let all: &'static Metrics = Box::leak(Box::default());
    metrics::set_global_recorder(Installed(all)).unwrap_or_else(|_| panic!("the first recorder"));
    all
});

static TURN: Mutex<()> = Mutex::new(());

/// The metrics, for one test at a time, from zero.
fn from_zero() -> (&'static Metrics, MutexGuard<'static, ()>) {
    let turn = TURN.lock();
    METRICS.0.lock().clear();
    (*METRICS, turn)
}

#[test]
fn batches_records_and_delays_are_counted_once_a_batch() {
    let (metrics, _turn) = from_zero();
    let ssc = local(2);
    let Clock::Manual(by_hand) = clock(&ssc) else { panic!("a manual clock") };
    let numbers = input_batches(&ssc, 4, vec![(0..100).collect(), vec![], vec![1]]);
    numbers.foreach_rdd(move |rdd, _| {
        by_hand.advance(Duration::from_millis(250));
        rdd.count()?;
        Ok(())
    });

    run_batches(&ssc, 3).unwrap();
    ssc.stop(true).unwrap();

    let batches = metrics.sum("tidemill_batches_completed_total");
    assert!(batches >= 3, "{batches}");
    assert_eq!(metrics.sum("tidemill_records_total"), 101);
    assert_eq!(metrics.calls("tidemill_records_total"), batches, "once a batch");
    assert_eq!(metrics.sum("tidemill_records_handed_on_total"), 101);
    assert_eq!(metrics.calls("tidemill_records_handed_on_total"), batches, "once a batch");
    assert_eq!(metrics.values("tidemill_batch_processing_seconds"), vec![0.25; batches as usize]);
    assert_eq!(metrics.values("tidemill_batch_scheduling_delay_seconds").len(), batches as usize);
    assert!(metrics.values("tidemill_batch_scheduling_delay_seconds")[0].abs() < f64::EPSILON);
    let last = metrics.values("tidemill_last_completed_batch_milliseconds");
    assert_eq!(last[..3], [1000.0, 2000.0, 3000.0]);
    assert_eq!(metrics.sum("tidemill_batches_failed_total"), 0);
}

#[test]
fn a_batch_that_fails_counts_as_failed_and_not_as_completed() {
    let (metrics, _turn) = from_zero();
    let conf = Conf::new().master("local[1]").unwrap().batch_interval(Duration::from_secs(1)).unwrap();
    let ssc = local_with(conf.set("tidemill.batch.on_failure", "skip").unwrap());
    let numbers = input_batches(&ssc, 1, vec![vec![1, 2], vec![3]]);
    numbers.foreach_rdd(|_, time| match time.as_millis() {
        1000 => Err("low water".into()),
        _ => Ok(()),
    });

    run_batches(&ssc, 2).unwrap();

    let count = |name: &str| metrics.sum(&format!("tidemill_{name}_total"));
    assert_eq!((count("batches_failed"), count("batches_completed"), count("records")), (1, 1, 1));
}

#[test]
fn rejected_and_repeated_records_and_receiver_errors_are_counted() {
    let (metrics, _turn) = from_zero();
    let ssc = local(1);
    let script = Script::<u64>::new();
    collect_batches(&ssc.receiver_stream(script.clone()));
    ssc.start().unwrap();
    (0..3).for_each(|_| script.run(Step::Reject("half a record")));
    for at in [5, 5, 4, 6] {
        script.run(Step::EmitAt("a", at, at));
    }
    script.run(Step::Report("one of three servers does not answer"));
    script.push(Step::Fail(Retry::Never));
    script.wait(|progress| progress.starts == 1 && !progress.running);

    run_batches(&ssc, 1).unwrap();
    ssc.stop(true).unwrap();

    assert_eq!(metrics.sum("tidemill_records_rejected_total"), 3);
    assert_eq!(metrics.calls("tidemill_records_rejected_total"), 1, "once a batch");
    assert_eq!(metrics.sum("tidemill_records_repeated_total"), 2);
    assert_eq!(metrics.calls("tidemill_records_repeated_total"), 1, "once a batch");
    assert_eq!(metrics.sum("tidemill_receiver_errors_total"), 2);
}

#[test]
fn what_operators_reject_is_counted_apart_from_what_inputs_do() {
    let (metrics, _turn) = from_zero();
    let ssc = local(1);
    let numbers = input_batches(&ssc, 2, vec![vec![1, 2, 3]]);
    collect_batches(&numbers.map_or_reject(|n| if *n > 1 { Err("high".into()) } else { Ok(*n) }));

    run_batches(&ssc, 1).unwrap();

    assert_eq!(metrics.sum("tidemill_records_rejected_by_operators_total"), 2);
    assert_eq!(metrics.calls("tidemill_records_rejected_by_operators_total"), 1, "once a batch");
    assert_eq!(metrics.sum("tidemill_records_rejected_total"), 0);
    assert_eq!(metrics.sum("tidemill_records_handed_on_total"), 3);
}

/// A listener that hears its first event for as long as the test wants.
#[derive(Clone, Default)]
struct Slow(Arc<(Mutex<(u64, bool)>, Condvar)>);

impl Slow {
    fn wait(&self, ready: impl Fn(&(u64, bool)) -> bool) {
        let mut state = self.0.0.lock();
        self.0.1.wait_while(&mut state, |state| !ready(state));
    }

    fn change(&self, change: impl FnOnce(&mut (u64, bool))) {
        change(&mut self.0.0.lock());
        self.0.1.notify_all();
    }
}

impl StreamingListener for Slow {
    fn on_event(&self, _: &Event) {
        self.change(|(heard, _)| *heard += 1);
        self.wait(|(_, released)| *released);
    }
}

#[test]
fn a_slow_listener_delays_no_batch_and_what_it_misses_is_counted() {
    let (metrics, _turn) = from_zero();
    let conf = Conf::new().master("local[1]").unwrap().batch_interval(Duration::from_secs(1)).unwrap();
    let ssc = local_with(conf.set("tidemill.listener.queue_max", "2").unwrap());
    let Clock::Manual(by_hand) = clock(&ssc) else { panic!("a manual clock") };
    let slow = Slow::default();
    ssc.add_streaming_listener(slow.clone());
    let collected = collect_batches(&input_batches::<u64>(&ssc, 1, vec![vec![1], vec![2], vec![3]]));
    ssc.start().unwrap();
    slow.wait(|(heard, _)| *heard == 1);

    for batch in 1..=3 {
        by_hand.advance(Duration::from_secs(1));
        ssc.await_batches(batch).unwrap();
    }

    assert_eq!(collected.batches(), [[1], [2], [3]]);
    // Five events a batch; one is being heard, two wait.
    assert_eq!(metrics.sum("tidemill_listener_events_dropped_total"), 3 * 5 - 2);
    slow.change(|(_, released)| *released = true);
    ssc.stop(true).unwrap();
    assert_eq!(slow.0.0.lock().0, 3);
}

#[test]
fn late_records_are_counted_once_though_a_task_is_tried_again_and_nobody_reads_them() {
    let (metrics, _turn) = from_zero();
    let ssc = local(2);
    // The second batch has the watermark 20: 3 is late, and the last one far ahead.
    let times = input_batches(&ssc, 1, vec![vec![1, 20], vec![3, 25, 1 << 50]]);
    let failed = AtomicU64::new(0);
    let counts = times
        .event_time(WatermarkSpec::new(), |time| EventTime::from_millis(*time))
        .map(|time| ('a', time))
        .tumbling_windows(Duration::from_millis(10))
        .aggregate_by_key(
            0,
            move |n, time| {
                assert!(
                    time < 25 || failed.fetch_add(1, Ordering::SeqCst) > 0,
                    "a try that fails on purpose"
                );
                n + 1
            },
            |a, b| a + b,
        );
    let _counts = collect_batches(&counts);

    run_batches(&ssc, 2).unwrap();

    assert_eq!(metrics.sum("tidemill_records_late_total"), 2);
    assert_eq!(metrics.sum("tidemill_records_ahead_total"), 1);
    assert_eq!(*metrics.told("tidemill_watermark_milliseconds").values.lock(), [20.0, 25.0]);
}
