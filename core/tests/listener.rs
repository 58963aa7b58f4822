//! What listeners hear of a job: which events, in which order, with which fields; and what they cannot do to it.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tidemill::testing::receiver::{Script, Step};
use tidemill::testing::{clock, collect_batches, input_batches, local, local_with, run_batches};
use tidemill::{
    BatchInfo, Clock, Conf, Event, ManualClock, OutputOperationInfo, ReceiverInfo, Retry, StreamingContext,
    StreamingListener,
};

/// What was heard by each callback, and by `on_event` before it.
#[derive(Clone, Default)]
struct Log {
    calls: Arc<Mutex<Vec<String>>>,
    events: Arc<(Mutex<Vec<Event>>, Condvar)>,
}

impl Log {
    fn call(&self, name: &str, of: impl std::fmt::Display) {
        self.calls.lock().push(format!("{name} {of}"));
    }

    fn calls(&self) -> Vec<String> {
        self.calls.lock().clone()
    }

    fn events(&self) -> Vec<Event> {
        self.events.0.lock().clone()
    }

    /// Waits for an event.
    fn wait(&self, is_it: impl Fn(&Event) -> bool) {
        self.events.1.wait_while(&mut self.events.0.lock(), |events| !events.iter().any(&is_it));
    }

    /// The batches that were completed.
    fn completed(&self) -> Vec<BatchInfo> {
        let completed = |event| if let Event::BatchCompleted(batch) = event { Some(batch) } else { None };
        self.events().into_iter().filter_map(completed).collect()
    }
}

impl StreamingListener for Log {
    fn on_streaming_started(&self, time: Duration) {
        self.call("started", time.as_millis());
    }

    fn on_receiver_started(&self, receiver: &ReceiverInfo) {
        self.call("receiver started", &receiver.name);
    }

    fn on_receiver_error(&self, receiver: &ReceiverInfo) {
        self.call("receiver error", &receiver.name);
    }

    fn on_receiver_stopped(&self, receiver: &ReceiverInfo) {
        self.call("receiver stopped", &receiver.name);
    }

    fn on_batch_submitted(&self, batch: &BatchInfo) {
        self.call("submitted", batch.batch_time);
    }

    fn on_batch_started(&self, batch: &BatchInfo) {
        self.call("began", batch.batch_time);
    }

    fn on_batch_completed(&self, batch: &BatchInfo) {
        self.call("completed", batch.batch_time);
    }

    fn on_output_operation_started(&self, operation: &OutputOperationInfo) {
        self.call("output began", format!("{} {}", operation.batch_time, operation.id));
    }

    fn on_output_operation_completed(&self, operation: &OutputOperationInfo) {
        self.call("output completed", format!("{} {}", operation.batch_time, operation.id));
    }

    fn on_event(&self, event: &Event) {
        self.events.0.lock().push(event.clone());
        self.events.1.notify_all();
    }
}

/// Adds a listener that keeps everything.
fn log(ssc: &StreamingContext) -> Log {
    let log = Log::default();
    ssc.add_streaming_listener(log.clone());
    log
}

fn manual(ssc: &StreamingContext) -> ManualClock {
    let Clock::Manual(clock) = clock(ssc) else { panic!("a manual clock") };
    clock
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn a_batch_is_submitted_then_begins_then_its_outputs_one_by_one_and_is_completed_last() {
    let ssc = local(2);
    let log = log(&ssc);
    let numbers = input_batches(&ssc, 2, vec![vec![1, 2, 3], vec![]]);
    collect_batches(&numbers);
    collect_batches(&numbers.map(|n| n + 1));

    run_batches(&ssc, 2).unwrap();
    ssc.stop(true).unwrap();

    let of = |time: u64| {
        [
            format!("submitted {time} ms"),
            format!("began {time} ms"),
            format!("output began {time} ms 0"),
            format!("output completed {time} ms 0"),
            format!("output began {time} ms 1"),
            format!("output completed {time} ms 1"),
            format!("completed {time} ms"),
        ]
    };
    let expected = [&["started 0".to_owned()][..], &of(1000), &of(2000)].concat();
    assert_eq!(log.calls(), expected);
    assert_eq!(log.events().len(), expected.len(), "each callback stands behind `on_event`");
}

#[test]
fn the_fields_of_a_batch_say_what_went_in_and_how_long_it_took() {
    let ssc = local(1);
    let log = log(&ssc);
    let by_hand = manual(&ssc);
    let numbers = input_batches(&ssc, 2, vec![vec![1, 2, 3], vec![4]]);
    let others = input_batches(&ssc, 1, vec![vec!['a'], vec!['b', 'c']]);
    let moved = by_hand.clone();
    numbers.foreach_rdd(move |_, _| {
        moved.advance(millis(300));
        Ok(())
    });
    let line = line!() + 1;
    others.foreach_rdd(move |_, _| {
        by_hand.advance(millis(1200));
        Ok(())
    });

    // The first batch ends at 2500: by then the second has waited for half a second.
    run_batches(&ssc, 2).unwrap();
    ssc.stop(true).unwrap();

    let batches = log.completed();
    let first = &batches[0];
    assert_eq!((first.batch_time.as_millis(), first.records()), (1000, 4));
    let inputs: Vec<_> = first.inputs.iter().map(|input| (input.stream_id, input.records)).collect();
    assert_eq!(inputs, [(0, 3), (1, 1)]);
    assert_eq!(first.submission_time, millis(1000));
    assert_eq!(first.processing_start_time, Some(millis(1000)));
    assert_eq!(first.processing_end_time, Some(millis(2500)));
    assert_eq!(first.scheduling_delay(), Some(millis(0)));
    assert_eq!((first.processing_delay(), first.total_delay()), (Some(millis(1500)), Some(millis(1500))));
    assert_eq!(first.failure_reason, None);
    let outputs: Vec<_> =
        first.output_operations.iter().map(|output| (output.id, output.name.as_str())).collect();
    assert_eq!(outputs, [(0, "foreach_rdd"), (1, "foreach_rdd")]);
    let second_output = &first.output_operations[1];
    assert_eq!((second_output.site.line(), second_output.batch_time), (line, first.batch_time));
    assert!(second_output.site.file().ends_with("listener.rs"));
    assert_eq!(second_output.start_time, Some(millis(1300)));
    assert_eq!((second_output.end_time, second_output.duration()), (Some(millis(2500)), Some(millis(1200))));

    let second = &batches[1];
    assert_eq!((second.submission_time, second.records()), (millis(2000), 3));
    assert!(second.scheduling_delay() >= Some(millis(500)), "{second:?}");
    let submitted = |event: &Event| {
        matches!(event, Event::BatchSubmitted(batch) if batch.submission_time
        == batch.batch_time.since_epoch() && batch.inputs.is_empty() && batch.processing_start_time.is_none())
    };
    // The clock ticks on behind the last of them.
    assert!(log.events().iter().filter(|event| submitted(event)).count() >= 2, "{:?}", log.events());
}

#[test]
fn a_batch_that_began_has_its_inputs_and_no_end() {
    let ssc = local(1);
    let log = log(&ssc);
    collect_batches(&input_batches(&ssc, 1, vec![vec![1, 2]]));

    run_batches(&ssc, 1).unwrap();

    let began = |event| if let Event::BatchStarted(batch) = event { Some(batch) } else { None };
    let began: Vec<BatchInfo> = log.events().into_iter().filter_map(began).collect();
    assert_eq!((began.len(), began[0].records()), (1, 2));
    assert_eq!((began[0].processing_start_time, began[0].processing_end_time), (Some(millis(1000)), None));
    assert_eq!((began[0].processing_delay(), began[0].total_delay()), (None, None));
}

#[test]
fn an_output_that_fails_and_its_batch_say_why() {
    let conf = Conf::new().master("local[1]").unwrap().batch_interval(millis(1000)).unwrap();
    let ssc = local_with(conf.set("tidemill.batch.on_failure", "skip").unwrap());
    let log = log(&ssc);
    let numbers = input_batches(&ssc, 1, vec![vec![1], vec![2]]);
    numbers.foreach_rdd(|_, time| if time.as_millis() == 1000 { Err("low water".into()) } else { Ok(()) });
    collect_batches(&numbers);

    run_batches(&ssc, 2).unwrap();
    ssc.stop(true).unwrap();

    let batches = log.completed();
    let reason = batches[0].failure_reason.as_ref().unwrap();
    assert!(reason.contains("low water") && reason.contains("listener.rs"), "{reason}");
    // The output behind the one that failed did not begin.
    assert_eq!(batches[0].output_operations.len(), 1);
    assert_eq!(batches[0].output_operations[0].failure_reason, batches[0].failure_reason);
    assert_eq!((&batches[1].failure_reason, batches[1].output_operations.len()), (&None, 2));
}

#[test]
fn a_receiver_is_heard_of_when_it_starts_fails_and_stops() {
    let ssc = local(1);
    let log = log(&ssc);
    let script = Script::<u64>::new();
    collect_batches(&input_batches::<u64>(&ssc, 1, vec![]));
    collect_batches(&ssc.receiver_stream(script.clone()));
    run_batches(&ssc, 1).unwrap();
    script.push(Step::Fail(Retry::Never));
    log.wait(|event| matches!(event, Event::ReceiverStopped(_)));

    run_batches(&ssc, 1).unwrap();
    ssc.stop(true).unwrap();

    let receiver = |event| match event {
        Event::ReceiverStarted(info) => Some(("started", info)),
        Event::ReceiverError(info) => Some(("error", info)),
        Event::ReceiverStopped(info) => Some(("stopped", info)),
        _ => None,
    };
    let heard: Vec<_> = log.events().into_iter().filter_map(receiver).collect();
    let states: Vec<_> = heard.iter().map(|(name, info)| (*name, info.is_active())).collect();
    assert_eq!(states, [("started", true), ("error", false), ("stopped", false)]);
    for (name, info) in &heard {
        let of = (info.stream_id, info.name.as_str(), info.member, info.starts);
        assert_eq!(of, (1, "script", 0, 1), "{name}");
        let failed = *name != "started";
        assert_eq!(info.last_error_time, failed.then_some(millis(1000)), "{name}");
        let error = info.last_error.as_deref().unwrap_or_default();
        assert_eq!(error.contains("the script says so"), failed, "{name}: {error}");
    }
    let names: Vec<String> = log.calls().into_iter().filter(|call| call.starts_with("receiver")).collect();
    assert_eq!(names, ["receiver started script", "receiver error script", "receiver stopped script"]);
}

#[test]
fn a_clock_that_jumps_is_heard_of() {
    let ssc = local(1);
    let log = log(&ssc);
    collect_batches(&input_batches::<u64>(&ssc, 1, vec![]));
    run_batches(&ssc, 1).unwrap();

    manual(&ssc).set(Duration::from_hours(3));
    manual(&ssc).advance(millis(1000));
    log.wait(|event| matches!(event, Event::ClockJumped { .. }));
    ssc.await_batches(2).unwrap();
    ssc.stop(true).unwrap();
    let jumped = |event| match event {
        Event::ClockJumped { from, to } => Some((from.as_millis(), to.as_millis())),
        _ => None,
    };
    let jumps: Vec<_> = log.events().into_iter().filter_map(jumped).collect();
    let [(from, to)] = jumps[..] else { panic!("{jumps:?}") };
    assert_eq!(from, 2000);
    // The clock's thread looks when it waits for the next batch, before or behind the second that passes.
    let jumped_to = 3 * 3_600_000;
    assert!(to == jumped_to || to == jumped_to + 1000, "{to}");

    let times: Vec<_> = log.completed().iter().map(|batch| batch.batch_time.as_millis()).collect();
    assert_eq!(times[..2], [1000, to]);
}

/// A listener that can do nothing right.
struct Panics;

impl StreamingListener for Panics {
    fn on_event(&self, _: &Event) {
        panic!("spring tide");
    }
}

#[test]
fn a_listener_that_panics_stops_neither_the_job_nor_the_others() {
    let ssc = local(1);
    ssc.add_streaming_listener(Panics);
    let log = log(&ssc);
    let collected = collect_batches(&input_batches(&ssc, 1, vec![vec![1], vec![2]]));

    run_batches(&ssc, 2).unwrap();
    ssc.stop(true).unwrap();

    assert_eq!(collected.batches(), [[1], [2]]);
    assert_eq!(log.completed().len(), 2);
}

#[test]
fn a_listener_that_was_removed_hears_nothing_more_and_the_others_do() {
    let ssc = local(1);
    let gone = Log::default();
    let number = ssc.add_streaming_listener(gone.clone());
    let stays = log(&ssc);
    collect_batches(&input_batches(&ssc, 1, vec![vec![1], vec![2]]));
    run_batches(&ssc, 1).unwrap();

    ssc.remove_streaming_listener(number);
    run_batches(&ssc, 1).unwrap();
    ssc.stop(true).unwrap();

    assert_eq!((gone.completed().len(), stays.completed().len()), (1, 2));
}

#[test]
fn a_listener_may_ask_for_the_stop_of_the_job() {
    struct Stops(StreamingContext);
    impl StreamingListener for Stops {
        fn on_batch_completed(&self, _: &BatchInfo) {
            self.0.stop(true).unwrap();
        }
    }
    let ssc = local(1);
    let log = log(&ssc);
    ssc.add_streaming_listener(Stops(ssc.clone()));
    collect_batches(&input_batches(&ssc, 1, vec![vec![1]]));
    ssc.start().unwrap();
    manual(&ssc).advance(millis(1000));

    ssc.await_termination().unwrap();

    assert_eq!(log.calls().last().unwrap(), "completed 1000 ms");
    let heard = log.events().len();
    assert!(ssc.start().is_err());
    assert_eq!(log.events().len(), heard, "nothing comes behind the end");
}
