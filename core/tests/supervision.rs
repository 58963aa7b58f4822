//! Who keeps receivers running: their states, what they report, what others notice of one that fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tidemill::prelude::*;
use tidemill::testing::receiver::{Script, Step};
use tidemill::testing::{collect_batches, local, run_batches, seeded};
use tidemill::{
    BatchInfo, Error, Event, Gate, Lane, Receiver, ReceiverInfo, ReceiverState, Retry, StreamingListener,
};

/// What listeners heard of receivers.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<(&'static str, ReceiverInfo)>>>);

impl StreamingListener for Heard {
    fn on_event(&self, event: &Event) {
        let heard = match event {
            Event::ReceiverStarted(info) => ("started", info.clone()),
            Event::ReceiverError(info) => ("error", info.clone()),
            Event::ReceiverStopped(info) => ("stopped", info.clone()),
            _ => return,
        };
        self.0.lock().push(heard);
    }
}

#[test]
fn a_reported_error_is_heard_and_the_receiver_goes_on() {
    let ssc = local(1);
    let heard = Heard::default();
    ssc.add_streaming_listener(heard.clone());
    let script = Script::new();
    let collected = collect_batches(&ssc.receiver_stream(script.clone()));
    ssc.start().unwrap();

    script.run(Step::Emit(1));
    script.run(Step::Report("one of three servers does not answer"));
    script.run(Step::Emit(2));
    ssc.stop(true).unwrap();

    assert_eq!(collected.batches().concat(), [1, 2]);
    let heard = heard.0.lock();
    let names: Vec<&str> = heard.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["started", "error", "stopped"]);
    let (_, reported) = &heard[1];
    assert_eq!(reported.state, ReceiverState::Active);
    assert_eq!((reported.starts, reported.failures, reported.panics), (1, 0, 0));
    assert_eq!(reported.last_error.as_deref(), Some("one of three servers does not answer"));
    assert!(reported.last_error_time.is_some());
    assert_eq!((heard[2].1.state, &heard[2].1.last_error), (ReceiverState::Stopped, &reported.last_error));
}

#[test]
fn each_event_has_the_state_and_counts_failures_and_panics() {
    let heard = Heard::default();
    let all = heard.clone();
    seeded(1, 1, move |ssc| {
        ssc.add_streaming_listener(heard.clone());
        let script = Script::new();
        ssc.receiver_stream(script.clone()).foreach_rdd(|_, _| Ok(()));
        script.push(Step::Fail(Retry::WithBackoff));
        script.push(Step::Panic("high water"));
        script.push(Step::Emit(1));
        script.push(Step::Fail(Retry::Never));
        run_batches(ssc, 60).unwrap();
        ssc.stop(true).unwrap();
    });

    let heard = all.0.lock();
    let events: Vec<(&str, u64, u64, u64)> =
        heard.iter().map(|(name, info)| (*name, info.starts, info.failures, info.panics)).collect();
    let expected = [
        ("started", 1, 0, 0),
        ("error", 1, 1, 0),
        ("started", 2, 1, 0),
        ("error", 2, 2, 1),
        ("started", 3, 2, 1),
        ("error", 3, 3, 1),
        ("stopped", 3, 3, 1),
    ];
    assert_eq!(events, expected);
    let pause = |index: usize| match heard[index].1.state {
        ReceiverState::Restarting { pause } => pause.as_secs_f64(),
        state => panic!("{state:?}"),
    };
    assert!((0.25..=0.5).contains(&pause(1)) && (0.5..=1.0).contains(&pause(3)), "{heard:?}");
    assert!(heard[0].1.is_active() && heard[2].1.is_active() && heard[4].1.is_active());
    assert_eq!((heard[5].1.state, heard[6].1.state), (ReceiverState::Stopped, ReceiverState::Stopped));
    assert!(heard[3].1.last_error.as_ref().unwrap().contains("high water"), "{heard:?}");
}

/// Panics each time it is started.
struct Panics;

impl Receiver for Panics {
    type Record = u64;
    type Position = ();

    async fn run(&self, gate: Gate<u64, ()>) -> Result<()> {
        gate.sleep(Duration::from_millis(10)).await;
        panic!("the pump is dry");
    }
}

/// Counts to 40, ten a second.
struct Counts(u64);

impl Receiver for Counts {
    type Record = u64;
    type Position = ();

    async fn run(&self, gate: Gate<u64, ()>) -> Result<()> {
        for n in 0..40 {
            gate.emit(self.0 + n).await?;
            gate.sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }
}

#[test]
fn a_receiver_that_panics_again_and_again_does_not_disturb_those_united_with_it() {
    for seed in 0..5 {
        let heard = Heard::default();
        let all = heard.clone();
        let mut numbers = seeded(seed, 2, move |ssc| {
            ssc.add_streaming_listener(heard.clone());
            let dry = ssc.receiver_stream(Panics);
            let streams = [ssc.receiver_stream(Counts(0)), dry, ssc.receiver_stream(Counts(1000))];
            let numbers = collect_batches(&ssc.union(&streams));
            run_batches(ssc, 20).unwrap();
            ssc.stop(true).unwrap();
            numbers.batches().concat()
        });

        numbers.sort_unstable();
        assert_eq!(numbers, (0..40).chain(1000..1040).collect::<Vec<_>>(), "seed {seed}");
        let heard = all.0.lock();
        let (_, last) = heard.iter().rfind(|(_, info)| info.stream_id == 0).unwrap();
        assert!(last.panics >= 3 && last.panics == last.failures, "seed {seed}: {last:?}");
        let others = heard.iter().filter(|(_, info)| info.stream_id != 0);
        assert!(others.clone().all(|(_, info)| info.starts == 1 && info.failures == 0), "seed {seed}");
    }
}

/// Fails whenever it is started or stopped.
struct FailsAtTheStop(Arc<AtomicU64>);

impl Receiver for FailsAtTheStop {
    type Record = u64;
    type Position = ();

    async fn run(&self, gate: Gate<u64, ()>) -> Result<()> {
        self.0.fetch_add(1, Ordering::Relaxed);
        gate.stopped().await;
        let what = "closing".into();
        Err(Error::Connector { connector: "test", what, retry: Retry::WithBackoff, source: None })
    }
}

#[test]
fn a_receiver_that_fails_while_the_job_stops_is_not_started_again() {
    let starts = Arc::new(AtomicU64::new(0));
    let started = Arc::clone(&starts);
    seeded(1, 1, move |ssc| {
        ssc.receiver_stream(FailsAtTheStop(Arc::clone(&started))).foreach_rdd(|_, _| Ok(()));
        run_batches(ssc, 1).unwrap();
        ssc.stop(true).unwrap();
    });
    assert_eq!(starts.load(Ordering::Relaxed), 1);
}

/// What was named as durable, by who heard it.
type Named = Arc<Mutex<Vec<(&'static str, Vec<(Lane, u64)>)>>>;

/// Emits to two lanes, and waits for what is durable in two tasks.
struct TwoTasks {
    named: Named,
    fails: Mutex<bool>,
}

async fn listen(who: &'static str, gate: Gate<u64, u64>, named: &Named) {
    while let Some(last) = gate.durable().await {
        named.lock().push((who, last));
    }
    named.lock().push((who, Vec::new()));
}

impl Receiver for TwoTasks {
    type Record = u64;
    type Position = u64;

    async fn run(&self, gate: Gate<u64, u64>) -> Result<()> {
        let emit = async {
            if gate.resume("a").is_none() {
                gate.emit_at("a", 1, 1).await?;
                gate.emit_at("b", 1, 1).await?;
                // A batch, and nobody asks what it made durable.
                gate.sleep(Duration::from_secs(2)).await;
            }
            if std::mem::take(&mut *self.fails.lock()) {
                let what = "reading".into();
                let (connector, retry) = ("test", Retry::WithBackoff);
                return Err(Error::Connector { connector, what, retry, source: None });
            }
            gate.emit_at("b", 2, 2).await?;
            gate.stopped().await;
            gate.emit_at("a", 2, 2).await.unwrap_err();
            gate.finish();
            Ok(())
        };
        let first = self.fails.lock().to_owned();
        if first {
            return emit.await;
        }
        let (one, two) = (listen("one", gate.clone(), &self.named), listen("two", gate.clone(), &self.named));
        let (emitted, (), ()) = tokio::join!(emit, one, two);
        emitted
    }
}

#[test]
fn each_task_hears_of_each_lane_that_moved_also_behind_a_restart_and_at_a_graceful_stop() {
    for seed in 0..10 {
        let named = Named::default();
        let heard = Arc::clone(&named);
        let stopped_within = seeded(seed, 2, move |ssc| {
            let times = Times::default();
            ssc.add_streaming_listener(times.clone());
            let receiver = TwoTasks { named: Arc::clone(&named), fails: Mutex::new(true) };
            ssc.receiver_stream(receiver).foreach_rdd(|_, _| Ok(()));
            run_batches(ssc, 10).unwrap();
            ssc.stop(true).unwrap();
            let times = times.0.lock();
            times[times.len() - 1].saturating_sub(times[9])
        });
        // Ten batches would be the patience of the stop with receivers that do not listen.
        assert!(stopped_within < Duration::from_secs(2), "seed {seed}: {stopped_within:?}");
        let heard = heard.lock();
        for who in ["one", "two"] {
            let of = heard.iter().filter(|(name, _)| *name == who);
            let of: Vec<Vec<(&str, u64)>> =
                of.map(|(_, last)| last.iter().map(|(lane, at)| (&**lane, *at)).collect()).collect();
            // What the first run did not ask for; the lane that moved; the last batch; the end.
            let expected = [vec![("a", 1), ("b", 1)], vec![("b", 2)], vec![("a", 2)], vec![]];
            assert_eq!(of, expected, "{who}, seed {seed}");
        }
    }
}

/// When batches began.
#[derive(Clone, Default)]
struct Times(Arc<Mutex<Vec<Duration>>>);

impl StreamingListener for Times {
    fn on_batch_started(&self, batch: &BatchInfo) {
        self.0.lock().extend(batch.processing_start_time);
    }
}

/// Emits one record, finishes, and waits until it is durable.
struct EndsOnceDurable(Arc<Mutex<Vec<Option<u64>>>>);

impl Receiver for EndsOnceDurable {
    type Record = u64;
    type Position = u64;

    async fn run(&self, gate: Gate<u64, u64>) -> Result<()> {
        gate.emit_at("a", 7, 7).await?;
        gate.finish();
        while let Some(last) = gate.durable().await {
            self.0.lock().push(Some(last[0].1));
        }
        self.0.lock().push(None);
        Ok(())
    }
}

#[test]
fn a_source_that_has_ended_is_told_of_its_last_record_while_the_job_goes_on() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&told);
    let in_time = seeded(1, 1, move |ssc| {
        ssc.receiver_stream(EndsOnceDurable(Arc::clone(&told))).foreach_rdd(|_, _| Ok(()));
        run_batches(ssc, 3).unwrap();
        let in_time = told.lock().clone();
        ssc.stop(true).unwrap();
        in_time
    });
    assert_eq!((in_time, seen.lock().len()), (vec![Some(7), None], 2));
}

#[test]
fn a_job_that_fails_lets_those_go_who_wait_for_what_is_durable() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&told);
    seeded(1, 1, move |ssc| {
        let numbers = ssc.receiver_stream(EndsOnceDurable(Arc::clone(&told)));
        numbers.foreach_rdd(|rdd, _| if rdd.count()? > 0 { Err("spring tide".into()) } else { Ok(()) });
        run_batches(ssc, 3).unwrap_err();
    });
    assert_eq!(*seen.lock(), [None]);
}
