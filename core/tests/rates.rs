//! Limited rates in whole jobs: how much comes in, what a stop takes along, what direct inputs are asked for.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tidemill::testing::{collect_batches, local_with, run_batches, seeded_members};
use tidemill::{
    Ask, BatchInfo, BatchReport, Chunk, Chunks, Clock, Conf, DirectInput, Gate, Rate, RateEstimator,
    Received, Receiver, Rejects, Result, StreamingContext, StreamingListener, TaskContext,
};

/// Numbers without end, `together` at a time.
struct Numbers {
    together: u64,
}

impl Receiver for Numbers {
    type Record = u64;
    type Position = ();

    async fn run(&self, gate: Gate<u64, ()>) -> Result<()> {
        let mut next = 0;
        loop {
            let records = (next..next + self.together).collect();
            next += self.together;
            gate.emit_all(Received { lane: "numbers".into(), records, last: None }).await?;
        }
    }
}

/// The same rate behind each batch, and the reports.
#[derive(Clone)]
struct Constant {
    rate: f64,
    reports: Arc<Mutex<Vec<BatchReport>>>,
}

impl Constant {
    fn new(rate: f64) -> Self {
        Self { rate, reports: Arc::default() }
    }
}

impl RateEstimator for Constant {
    fn update(&mut self, done: &BatchReport) -> Option<Rate> {
        self.reports.lock().unwrap().push(done.clone());
        Rate::per_second(self.rate)
    }
}

#[derive(Clone, Default)]
struct Batches(Arc<Mutex<Vec<BatchInfo>>>);

impl StreamingListener for Batches {
    fn on_batch_completed(&self, batch: &BatchInfo) {
        self.0.lock().unwrap().push(batch.clone());
    }
}

/// By a clock by hand.
fn with(settings: &[(&str, &str)]) -> StreamingContext {
    let conf = Conf::new().allow_several(true).master("local[1]").unwrap();
    local_with(
        settings
            .iter()
            .fold(conf, |conf, (key, value)| conf.set(&format!("tidemill.streaming.{key}"), *value).unwrap()),
    )
}

/// Records, and the limits in records a second, of six batches that a source without end gives.
fn limited_run(seed: u64) -> (Vec<(u64, Option<f64>)>, Vec<tidemill::testing::Turn>) {
    let (mut results, turns) = seeded_members(seed, 1, 2, |ssc| {
        let estimator = Constant::new(300.0);
        ssc.rate_estimator(move |_| estimator.clone());
        let batches = Batches::default();
        ssc.add_streaming_listener(batches.clone());
        ssc.receiver_stream(Numbers { together: 10 }).foreach_rdd(|_, _| Ok(()));
        run_batches(ssc, 6).unwrap();
        ssc.stop(true).unwrap();
        let batches = batches.0.lock().unwrap();
        let seen = |batch: &BatchInfo| (batch.records(), batch.inputs[0].rate_limit.map(Rate::as_per_second));
        batches.iter().map(seen).take(6).collect::<Vec<_>>()
    });
    (results.remove(0), turns)
}

#[test]
fn the_rate_of_the_estimator_holds_from_the_first_batch_on() {
    let (batches, _) = limited_run(1);
    // The first rate is 10,000 a second, and of the first batch's as many are inside.
    assert!(batches[0].0 <= 12_000, "{batches:?}");
    assert_eq!(batches[0].1, Some(10_000.0));
    for (records, limit) in &batches[1..] {
        assert_eq!(*limit, Some(300.0), "{batches:?}");
        // Permits come by ten, and a block may be saved up.
        assert!(*records <= 300 + 60 + 10, "{batches:?}");
    }
    assert!(batches.last().unwrap().0 >= 290, "{batches:?}");
}

#[test]
fn the_same_seed_is_the_same_run_with_a_limit_too() {
    assert_eq!(limited_run(7), limited_run(7));
}

#[test]
fn a_stop_takes_along_what_waits_for_the_rate() {
    /// Three tasks at one gate; each notes what it is about to emit.
    struct Three(Arc<Mutex<Vec<u64>>>);

    impl Receiver for Three {
        type Record = u64;
        type Position = ();

        async fn run(&self, gate: Gate<u64, ()>) -> Result<()> {
            let task = |task: u64| {
                let (gate, emitted) = (gate.clone(), Arc::clone(&self.0));
                async move {
                    for n in 0.. {
                        emitted.lock().unwrap().push(task * 1000 + n);
                        gate.emit(task * 1000 + n).await?;
                    }
                    Ok(())
                }
            };
            let (a, b, c) = tokio::join!(task(0), task(1), task(2));
            a.and(b).and(c)
        }
    }

    let ssc = with(&[("receiver.max_rate", "10")]);
    let emitted = Arc::new(Mutex::new(Vec::new()));
    let collected = collect_batches(&ssc.receiver_stream(Three(Arc::clone(&emitted))));
    run_batches(&ssc, 3).unwrap();
    ssc.stop(true).unwrap();

    let (mut emitted, mut taken) = (emitted.lock().unwrap().clone(), collected.batches().concat());
    emitted.sort_unstable();
    taken.sort_unstable();
    assert_eq!(taken, emitted);
    // Ten a second, one block of two to begin with, and one of each task at the stop.
    assert!(taken.len() <= 30 + 2 + 3, "{}", taken.len());
}

/// Numbers from 0 on; notes what it is asked for.
#[derive(Clone, Default)]
struct Asked {
    most: Arc<Mutex<Vec<Option<u64>>>>,
    knows_its_records: bool,
}

impl DirectInput for Asked {
    type Record = u64;
    type Range = (u64, u64);
    type Position = u64;

    fn advance(position: &mut u64, range: &(u64, u64)) {
        *position = range.1;
    }

    fn plan(&self, position: &u64, ask: &Ask) -> Result<Vec<(u64, u64)>> {
        self.most.lock().unwrap().push(ask.records_max);
        Ok(vec![(*position, position + ask.records_max.unwrap_or(1000))])
    }

    fn records(&self, range: &(u64, u64)) -> Option<u64> {
        self.knows_its_records.then_some(range.1 - range.0)
    }

    fn read(
        &self,
        range: &(u64, u64),
        _rejects: &Rejects,
        _task: &TaskContext,
    ) -> Result<Box<dyn Chunks<u64>>> {
        struct Once(Vec<u64>, bool);
        impl Chunks<u64> for Once {
            fn next(&mut self) -> Result<Option<Chunk<'_, u64>>> {
                let first = !std::mem::replace(&mut self.1, true);
                Ok(first.then_some(Chunk::Ref(&self.0)))
            }
        }
        Ok(Box::new(Once((range.0..range.1).collect(), false)))
    }
}

#[test]
fn a_direct_input_is_asked_for_what_the_rate_allows_and_for_half_where_a_batch_is_late() {
    let ssc = with(&[("backpressure.initial_rate", "40")]);
    let estimator = Constant::new(100.5);
    let reports = Arc::clone(&estimator.reports);
    ssc.rate_estimator(move |_| estimator.clone());
    let input = Asked { knows_its_records: true, ..Asked::default() };
    ssc.input_stream(input.clone()).foreach_rdd(|_, _| Ok(()));
    run_batches(&ssc, 2).unwrap();
    // Five ticks at once: the third batch waits for four seconds already, and behind it two are late by more than one.
    let Clock::Manual(clock) = tidemill::testing::clock(&ssc) else { panic!("a clock by hand") };
    clock.advance(Duration::from_secs(5));
    ssc.await_batches(7).unwrap();
    ssc.stop(true).unwrap();

    assert_eq!(*input.most.lock().unwrap(), [40, 100, 100, 50, 50, 100, 100].map(Some));
    let reports = reports.lock().unwrap();
    let seen: Vec<(u64, bool)> = reports.iter().map(|done| (done.records, done.held_back)).take(4).collect();
    assert_eq!(seen, [(40, true), (100, true), (100, true), (50, true)]);
    let delays: Vec<u64> = reports.iter().map(|done| done.scheduling_delay.as_secs()).collect();
    assert_eq!(delays, [0, 0, 4, 3, 2, 1, 0]);
}

#[test]
fn a_direct_input_that_cannot_count_before_it_reads_is_not_limited_for_ever() {
    let ssc = with(&[("backpressure.initial_rate", "40")]);
    let input = Asked::default();
    ssc.input_stream(input.clone()).foreach_rdd(|_, _| Ok(()));
    run_batches(&ssc, 3).unwrap();
    ssc.stop(true).unwrap();
    assert_eq!(*input.most.lock().unwrap(), [Some(40), None, None]);
}

#[test]
fn a_rate_that_estimators_go_beyond_stays_at_the_receivers_limit() {
    let ssc = with(&[("receiver.max_rate", "20"), ("backpressure.initial_rate", "1000")]);
    ssc.rate_estimator(|_| Constant::new(5000.0));
    let batches = Batches::default();
    ssc.add_streaming_listener(batches.clone());
    ssc.receiver_stream(Numbers { together: 1 }).foreach_rdd(|_, _| Ok(()));
    run_batches(&ssc, 5).unwrap();
    ssc.stop(true).unwrap();
    for batch in batches.0.lock().unwrap().iter() {
        assert_eq!(batch.inputs[0].rate_limit, Rate::per_second(20.0));
        assert!(batch.records() <= 20 + 4 + 1, "{}", batch.records());
    }
}
