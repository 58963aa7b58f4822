//! The context, its inputs, events and times against what Spark does.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use serde_json::Value;
use tidemill::testing::{collect_batches, input_batches, run_batches};
use tidemill::{
    BatchTime, BoxError, DStream, Error, Event, Gate, Interval, RddQueue, Receiver, Result, StreamingListener,
};

use super::case::Case;

fn strings(value: &Value) -> Vec<String> {
    Case::read(value)
}

pub(crate) fn queue_all_at_once(case: &Case) {
    let ssc = case.context();
    let queue = RddQueue::default();
    let collected = collect_batches(&ssc.queue_stream_with(queue.clone(), false, None));
    let elements = strings(&case.input);
    for batch in [&elements[..3], &elements[3..]] {
        for element in batch {
            queue.push(ssc.parallelize(vec![element.clone()], 1));
        }
        run_batches(&ssc, 1).unwrap();
    }
    assert_eq!(collected.batches(), Case::read::<Vec<Vec<String>>>(&case.expected));
}

/// Sends numbers from several threads of its own, says so, and ends.
struct Many {
    threads: u64,
    each: u64,
    sent: Sender<()>,
}

impl Receiver for Many {
    type Record = u64;
    type Position = ();

    async fn run(&self, gate: Gate<u64, ()>) -> Result<()> {
        let each = self.each;
        let senders: Vec<_> = (0..self.threads)
            .map(|_| {
                let gate = gate.clone();
                std::thread::spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                    runtime.block_on(async {
                        for n in 0..each {
                            gate.emit(n).await.unwrap();
                        }
                    });
                })
            })
            .collect();
        for sender in senders {
            sender.join().unwrap();
        }
        self.sent.send(()).unwrap();
        Ok(())
    }
}

/// How many records a job computes that is stopped gracefully once its receiver has sent all.
fn received(case: &Case, threads: u64, each: u64) -> u64 {
    let ssc = case.context();
    let (sent, all_sent) = channel();
    let counts = collect_batches(&ssc.receiver_stream(Many { threads, each, sent }).count());
    ssc.start().unwrap();
    all_sent.recv().unwrap();
    ssc.stop(true).unwrap();
    counts.batches().concat().iter().sum()
}

pub(crate) fn many_threads_in_one_receiver(case: &Case) {
    assert_eq!(received(case, 10, 1000), case.facts["total_count"].as_u64().unwrap());
}

pub(crate) fn a_graceful_stop_computes_all_that_came_in(case: &Case) {
    assert_eq!(received(case, 1, 15), case.facts["processed"].as_u64().unwrap());
}

/// Keeps all events.
#[derive(Clone, Default)]
struct Events(Arc<Mutex<Vec<Event>>>);

impl StreamingListener for Events {
    fn on_event(&self, event: &Event) {
        self.0.lock().unwrap().push(event.clone());
    }
}

pub(crate) fn numbers_of_inputs(case: &Case) {
    let ssc = case.context();
    let events = Events::default();
    ssc.add_streaming_listener(events.clone());
    let (sent, all_sent) = channel();
    let receivers: Vec<DStream<u64>> =
        (0..2).map(|_| ssc.receiver_stream(Many { threads: 0, each: 0, sent: sent.clone() })).collect();
    let plain: Vec<DStream<u64>> = (0..3).map(|_| input_batches(&ssc, 1, vec![])).collect();
    let _counts = collect_batches(&ssc.union(&[receivers, plain].concat()).count());
    run_batches(&ssc, 1).unwrap();
    (0..2).for_each(|_| all_sent.recv().unwrap());
    ssc.stop(true).unwrap();
    let (mut ids, mut receiver_ids) = (Vec::new(), Vec::new());
    for event in events.0.lock().unwrap().iter() {
        match event {
            Event::BatchStarted(batch) if ids.is_empty() => {
                ids = batch.inputs.iter().map(|input| input.stream_id).collect();
            }
            Event::ReceiverStarted(receiver) => receiver_ids.push(receiver.stream_id),
            _ => {}
        }
    }
    receiver_ids.sort_unstable();
    assert_eq!(ids, Case::read::<Vec<usize>>(&case.facts["ids"]));
    assert_eq!(receiver_ids, Case::read::<Vec<usize>>(&case.facts["receiver_ids"]));
}

pub(crate) fn inputs_of_old_batches_are_dropped(case: &Case) {
    let ssc = case.context();
    let batches: Vec<Vec<Arc<String>>> = Case::read::<Vec<Vec<String>>>(&case.input)
        .into_iter()
        .map(|batch| batch.into_iter().map(Arc::new).collect())
        .collect();
    let held: Vec<Weak<String>> = batches.iter().map(|batch| Arc::downgrade(&batch[0])).collect();
    let count = batches.len() as u64;
    let _counts = collect_batches(&input_batches(&ssc, 1, batches).map(|text| text).count());
    run_batches(&ssc, count).unwrap();
    let valid: Vec<bool> = held.iter().map(|element| element.strong_count() > 0).collect();
    assert_eq!(valid.last().copied(), case.facts["latest_block_rdd_valid"].as_bool());
    assert_eq!(valid.first().copied(), case.facts["earliest_block_rdd_valid"].as_bool());
    assert_eq!(valid.first().map(|valid| !valid), case.facts["earliest_blocks_removed_from_store"].as_bool());
}

pub(crate) fn waiting_for_the_end(case: &Case) {
    let ssc = case.context();
    let _all = collect_batches(&input_batches(&ssc, 1, vec![vec![1]]));
    run_batches(&ssc, 1).unwrap();
    let ended = ssc.await_termination_or_timeout(Duration::ZERO).unwrap();
    assert_eq!(Some(ended), case.facts["timeout_500ms_running"].as_bool());
    ssc.stop(false).unwrap();
    let ended = ssc.await_termination_or_timeout(Duration::from_millis(500)).unwrap();
    assert_eq!(Some(ended), case.facts["after_stop"].as_bool());

    // Each who waits learns the error, every time.
    let in_task: fn(&DStream<i32>) =
        |numbers| numbers.try_map(|_| Err::<i32, BoxError>("low water".into())).pprint();
    let in_generation: fn(&DStream<i32>) =
        |numbers| numbers.try_transform(|_| Err::<tidemill::Rdd<i32>, BoxError>("low water".into())).pprint();
    for draw in [in_task, in_generation] {
        let ssc = case.context();
        draw(&input_batches(&ssc, 1, vec![vec![1]]));
        run_batches(&ssc, 1).unwrap_err();
        for _ in 0..2 {
            let error = ssc.await_termination().unwrap_err();
            assert!(error.chain().ends_with("low water"), "{error:?}");
        }
    }
}

pub(crate) fn a_plan_is_fixed_at_the_start(case: &Case) {
    for (fact, stopped) in [("active_error_contains", false), ("stopped_error_contains", true)] {
        let word = case.facts[fact].as_str().unwrap();
        let ssc = case.context();
        let numbers = input_batches(&ssc, 1, vec![vec![1]]);
        let _all = collect_batches(&numbers);
        ssc.start().unwrap();
        if stopped {
            ssc.stop(false).unwrap();
        }
        let _input = input_batches(&ssc, 1, vec![vec![2]]);
        let _stream = numbers.map(|n| n);
        let _late = collect_batches(&numbers);
        if !stopped {
            ssc.stop(false).unwrap_err();
        }
        let Err(Error::Plan(mistakes)) = ssc.await_termination() else { panic!("no mistake") };
        assert_eq!(mistakes.len(), 3, "{mistakes:?}");
        assert!(
            mistakes.iter().all(|mistake| mistake.message.contains(&format!("after {word}"))),
            "{mistakes:?}"
        );
    }
}

pub(crate) fn events_of_batches(case: &Case) {
    let facts = &case.facts;
    let ssc = case.context();
    let events = Events::default();
    ssc.add_streaming_listener(events.clone());
    let batches: Vec<Vec<i32>> = Case::read(&case.input);
    let numbers = input_batches(&ssc, 1, batches.clone());
    (0..3).for_each(|_| numbers.foreach_rdd(|rdd, _| rdd.count().map(drop).map_err(Into::into)));
    run_batches(&ssc, batches.len() as u64).unwrap();
    let events = std::mem::take(&mut *events.0.lock().unwrap());
    let (mut submitted, mut started, mut completed, mut outputs) = (0, 0, 0, Vec::new());
    for event in &events {
        match event {
            Event::BatchSubmitted(batch) => {
                submitted += 1;
                assert_eq!(batch.scheduling_delay(), None, "{}", facts["submitted_delays"]);
            }
            Event::BatchStarted(batch) => {
                started += 1;
                assert_eq!(Some(batch.records()), facts["numRecords_each"].as_u64());
                assert!(batch.scheduling_delay().is_some() && batch.processing_delay().is_none());
            }
            Event::BatchCompleted(batch) => {
                completed += 1;
                assert_eq!(Some(batch.records()), facts["numRecords_each"].as_u64());
                assert!(batch.total_delay().is_some());
                outputs = batch.output_operations.iter().map(|output| output.id).collect();
            }
            _ => {}
        }
    }
    let counted = [submitted, started, completed];
    assert_eq!(
        counted.map(Value::from),
        ["submitted", "started", "completed"].map(|name| facts[name].clone())
    );
    assert_eq!(outputs, Case::read::<Vec<usize>>(&facts["output_op_order"]));
    assert_eq!(Some(a_failure_has_its_reason(case)), facts["failed_op_reason_present"].as_bool());
}

fn a_failure_has_its_reason(case: &Case) -> bool {
    let ssc = case.context();
    let events = Events::default();
    ssc.add_streaming_listener(events.clone());
    input_batches(&ssc, 1, vec![vec![1]]).foreach_rdd(|_, _| Err("low water".into()));
    run_batches(&ssc, 1).unwrap_err();
    ssc.stop(false).unwrap_err();
    let reasons = events.0.lock().unwrap();
    let mut reasons = reasons.iter().filter_map(|event| match event {
        Event::OutputOperationCompleted(output) => output.failure_reason.as_deref(),
        _ => None,
    });
    reasons.any(|reason| reason.contains("low water"))
}

fn millis(text: &str) -> BatchTime {
    BatchTime::from_millis(text.parse().unwrap())
}

fn interval(text: &str) -> Interval {
    Interval::from_millis(text.parse().unwrap()).unwrap()
}

/// Facts are named as in `1350/200 zero 50`.
pub(crate) fn floors_of_times(case: &Case) {
    let facts = case.facts.as_object().unwrap();
    for (name, expected) in facts {
        let (what, zero) = name.split_once(" zero ").unwrap_or((name, "0"));
        let (time, step) = what.split_once('/').unwrap();
        let floor = millis(time).floor(interval(step), millis(zero));
        assert_eq!(Some(floor.as_millis()), expected.as_u64(), "{name}");
    }
    assert!(facts.len() > 5);
}

/// Facts are named as in `1000 until 1100 by 30`.
pub(crate) fn ranges_of_times(case: &Case) {
    let facts = case.facts.as_object().unwrap();
    for (name, expected) in facts {
        let words: Vec<&str> = name.split(' ').collect();
        let (from, to, step) = (millis(words[0]), millis(words[2]), interval(words[4]));
        let times: Vec<BatchTime> =
            if words[1] == "to" { from.to(to, step).collect() } else { from.until(to, step).collect() };
        let times: Vec<u64> = times.iter().map(|time| time.as_millis()).collect();
        assert_eq!(times, Case::read::<Vec<u64>>(expected), "{name}");
    }
    assert!(facts.len() > 5);
}

/// Spark's timer calls back at its start too; a batch's first tick is one interval later.
pub(crate) fn ticks(case: &Case) {
    let ssc = case.context();
    let collected = collect_batches(&input_batches(&ssc, 1, vec![vec![1]]));
    let callbacks: Vec<u64> = Case::read(&case.facts["callbacks"]);
    run_batches(&ssc, callbacks.len() as u64 - 1).unwrap();
    ssc.stop(true).unwrap();
    let times: Vec<u64> = collected.times().iter().map(|time| time.as_millis()).collect();
    assert_eq!(times, callbacks[1..]);
    assert_eq!(times.last().copied(), case.facts["stop_returns"].as_u64());
}
