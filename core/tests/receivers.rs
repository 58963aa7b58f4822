//! Receivers: what passes the gate, who starts them again, what is left at the end.

use std::sync::{Arc, Mutex};

use tidemill::testing::receiver::{Script, Step};
use tidemill::testing::{collect_batches, local, local_with, run_batches};
use tidemill::{
    BlockMaker, Chunks, Clock, Conf, Error, Event, Gate, InputBlock, Received, ReceiverInfo, Rejects, Result,
    Retry, StreamingContext, StreamingListener, TaskContext,
};

/// What listeners heard of receivers, and how many records were rejected.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<Event>>>);

impl StreamingListener for Heard {
    fn on_event(&self, event: &Event) {
        self.0.lock().unwrap().push(event.clone());
    }
}

impl Heard {
    fn receivers(&self) -> Vec<(&'static str, ReceiverInfo)> {
        let name = |event: &Event| match event {
            Event::ReceiverStarted(info) => Some(("started", info.clone())),
            Event::ReceiverError(info) => Some(("error", info.clone())),
            Event::ReceiverStopped(info) => Some(("stopped", info.clone())),
            _ => None,
        };
        self.0.lock().unwrap().iter().filter_map(name).collect()
    }
}

/// A started job with a scripted receiver.
fn scripted(ssc: &StreamingContext) -> (Script<u64>, tidemill::testing::Collected<u64>) {
    let script = Script::new();
    let collected = collect_batches(&ssc.receiver_stream(script.clone()));
    ssc.start().unwrap();
    script.wait(|progress| progress.starts == 1);
    (script, collected)
}

#[test]
fn whatever_is_emitted_before_a_tick_is_in_its_batch() {
    let ssc = local(2);
    let (script, collected) = scripted(&ssc);

    script.run(Step::Emit(1));
    script.run(Step::EmitAt("a", 2, 2));
    script.run(Step::EmitAll("a", vec![3, 4], Some(4)));
    script.run(Step::EmitBlock("a", vec![5, 6], 100));
    run_batches(&ssc, 1).unwrap();
    script.run(Step::Emit(7));
    run_batches(&ssc, 2).unwrap();

    assert_eq!(collected.batches(), [vec![1, 2, 3, 4, 5, 6], vec![7], vec![]]);
}

#[test]
fn a_block_is_a_partition_and_a_new_one_begins_with_the_block_interval() {
    let ssc = local(5);
    let script = Script::new();
    let stream = ssc.receiver_stream(script.clone());
    let partitions = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&partitions);
    stream.foreach_rdd(move |rdd, _| {
        seen.lock().unwrap().push((rdd.num_partitions(), rdd.collect()?));
        Ok(())
    });
    ssc.start().unwrap();
    let Clock::Manual(clock) = tidemill::testing::clock(&ssc) else { panic!("a manual clock") };

    // Five slots: a block each 200 ms.
    for step in [(0, 1), (100, 2), (100, 3), (250, 4)] {
        clock.advance(std::time::Duration::from_millis(step.0));
        script.run(Step::Emit(step.1));
    }
    clock.advance(std::time::Duration::from_millis(550));
    ssc.await_batches(1).unwrap();

    assert_eq!(*partitions.lock().unwrap(), [(3, vec![1, 2, 3, 4])]);
}

#[test]
fn a_position_is_durable_once_its_batch_is_committed_and_not_before() {
    let ssc = local(1);
    let (script, _) = scripted(&ssc);

    script.run(Step::EmitAt("a", 1, 10));
    script.run(Step::EmitAt("b", 2, 20));
    script.run(Step::EmitAt("a", 3, 30));
    assert_eq!(script.progress().durable, []);
    run_batches(&ssc, 1).unwrap();
    script.wait(|progress| progress.durable.len() == 2);

    assert_eq!(script.progress().durable, [("a".to_owned(), 30), ("b".to_owned(), 20)]);
}

#[test]
fn a_receiver_that_fails_or_panics_starts_again_behind_what_is_in() {
    let ssc = local(1);
    let heard = Heard::default();
    ssc.add_streaming_listener(heard.clone());
    let (script, collected) = scripted(&ssc);

    script.run(Step::EmitAt("a", 1, 1));
    script.push(Step::Fail(Retry::WithBackoff));
    script.wait(|progress| !progress.running);
    // The pause is by the job's clock: two seconds at first, and four at most behind the second failure.
    while script.progress().starts < 2 {
        run_batches(&ssc, 1).unwrap();
    }
    script.run(Step::EmitAt("a", 2, 2));
    script.push(Step::Panic("high water"));
    script.wait(|progress| !progress.running);
    while script.progress().starts < 3 {
        run_batches(&ssc, 1).unwrap();
    }
    script.run(Step::EmitAt("a", 3, 3));
    run_batches(&ssc, 1).unwrap();

    assert_eq!(collected.batches().concat(), [1, 2, 3]);
    let at = |position| vec![("a".to_owned(), position)];
    assert_eq!(script.progress().resumed, [vec![], at(1), at(2)]);
    let events = heard.receivers();
    let names: Vec<&str> = events.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["started", "error", "started", "error", "started"]);
    let (_, failed) = &events[1];
    assert_eq!(
        (failed.stream_id, failed.name.as_str(), failed.is_active(), failed.starts),
        (0, "script", false, 1)
    );
    assert!(failed.last_error.as_ref().unwrap().contains("the script says so"), "{failed:?}");
    let (_, panicked) = &events[3];
    assert!(panicked.last_error.as_ref().unwrap().contains("high water"), "{panicked:?}");
    assert_eq!((events[4].1.starts, events[4].1.is_active()), (3, true));
}

#[test]
fn a_restart_waits_for_at_least_half_of_the_pause() {
    let conf = Conf::new().allow_several(true).master("local[1]").unwrap();
    let ssc = local_with(conf.set("tidemill.streaming.receiver_restart_delay", "10s").unwrap());
    let (script, _) = scripted(&ssc);

    script.push(Step::Fail(Retry::WithBackoff));
    script.wait(|progress| !progress.running);
    // The pause may begin while the clock moves already, so it has a least number of batches and no most.
    let mut batches = 0;
    while script.progress().starts < 2 {
        run_batches(&ssc, 1).unwrap();
        batches += 1;
    }

    assert!(batches >= 5, "the pause was over within {batches} s");
}

#[test]
fn a_receiver_that_cannot_help_itself_stays_down_and_the_job_lives() {
    let ssc = local(1);
    let heard = Heard::default();
    ssc.add_streaming_listener(heard.clone());
    let (script, collected) = scripted(&ssc);

    script.run(Step::Emit(1));
    script.push(Step::Fail(Retry::Never));
    script.wait(|progress| !progress.running);
    run_batches(&ssc, 100).unwrap();
    ssc.stop(true).unwrap();

    assert_eq!(script.progress().starts, 1);
    assert_eq!(collected.batches().concat(), [1]);
    let names: Vec<&str> = heard.receivers().iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["started", "error", "stopped"]);
}

#[test]
fn a_graceful_stop_gives_everything_that_was_emitted() {
    let ssc = local(2);
    let (script, collected) = scripted(&ssc);
    run_batches(&ssc, 1).unwrap();
    (0..100).for_each(|n| script.push(Step::Emit(n)));
    script.run(Step::EmitAll("a", vec![100], Some(100)));

    ssc.stop(true).unwrap();

    assert_eq!(collected.batches().concat(), (0..=100).collect::<Vec<_>>());
    assert!(!script.progress().running);
}

#[test]
fn without_a_disk_a_gate_is_closed_while_memory_is_used_up_and_loses_nothing() {
    let conf = Conf::new().allow_several(true).master("local[1]").unwrap();
    let conf = conf.set("tidemill.memory", "1m").unwrap();
    let ssc = local_with(conf.set("tidemill.memory.disk", "0b").unwrap());
    let (script, collected) = scripted(&ssc);
    (0..6).for_each(|n| script.push(Step::EmitBlock("a", vec![n], 400_000)));

    // Two blocks fit; the third waits at the gate.
    script.wait(|progress| progress.begun == 3);
    run_batches(&ssc, 1).unwrap();
    assert_eq!(script.progress().done, 2);
    assert_eq!(collected.batches(), [[0, 1]]);
    for _ in 0..100 {
        if collected.batches().concat().len() == 6 {
            break;
        }
        run_batches(&ssc, 1).unwrap();
    }
    script.wait(|progress| progress.done == 6);
    ssc.stop(true).unwrap();

    assert_eq!(collected.batches().concat(), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn what_the_receiver_rejects_is_reported_with_its_batch() {
    let ssc = local(1);
    let heard = Heard::default();
    ssc.add_streaming_listener(heard.clone());
    let (script, _) = scripted(&ssc);

    script.run(Step::Reject("half a record"));
    script.run(Step::Reject("another one"));
    run_batches(&ssc, 1).unwrap();

    let rejected = |event: &Event| match event {
        Event::RecordsRejected { batch, records, reason, .. } => {
            Some((batch.as_millis(), *records, reason.clone()))
        }
        _ => None,
    };
    let all: Vec<_> = heard.0.lock().unwrap().iter().filter_map(rejected).collect();
    assert_eq!(all, [(1000, 2, "half a record".to_owned())]);
}

#[test]
fn what_waits_at_the_gate_when_the_job_stops_is_taken() {
    let conf = Conf::new().allow_several(true).master("local[1]").unwrap();
    let conf = conf.set("tidemill.memory", "1m").unwrap();
    let ssc = local_with(conf.set("tidemill.memory.disk", "0b").unwrap());
    let (script, collected) = scripted(&ssc);
    (0..4).for_each(|n| script.push(Step::EmitBlock("a", vec![n], 400_000)));
    // Two blocks fit; the third waits, and the receiver has not come to the fourth.
    script.wait(|progress| progress.begun == 3);

    ssc.stop(true).unwrap();

    assert_eq!(collected.batches().concat(), [0, 1, 2]);
    // It was told by the error that came behind the third.
    assert_eq!((script.progress().done, script.progress().running), (2, false));
}

/// Reads three records, and comes to the gate with them once the job stops.
struct Late(std::sync::mpsc::Sender<Vec<bool>>);

impl tidemill::Receiver for Late {
    type Record = u64;
    type Position = u64;

    async fn run(&self, gate: Gate<u64, u64>) -> Result<()> {
        gate.stopped().await;
        let records = Received { lane: "a".into(), records: vec![3], last: Some(3) };
        let emitted = [gate.emit(1).await, gate.emit_at("a", 2, 2).await, gate.emit_all(records).await];
        let _ = self.0.send(emitted.iter().map(|emitted| matches!(emitted, Err(Error::Stopping))).collect());
        assert_eq!(gate.resume("a"), Some(3));
        Ok(())
    }
}

#[test]
fn what_comes_to_the_gate_behind_a_stop_is_taken_and_the_receiver_is_told_to_return() {
    let ssc = local(1);
    let (sender, told) = std::sync::mpsc::channel();
    let collected = collect_batches(&ssc.receiver_stream(Late(sender)));
    ssc.start().unwrap();

    ssc.stop(true).unwrap();

    assert_eq!(told.recv().unwrap(), [true, true, true]);
    assert_eq!(collected.batches().concat(), [1, 2, 3]);
}

/// A receiver of one block that cannot be decoded, as the block says or by a panic.
struct Torn {
    panics: bool,
}

struct TornBlock {
    panics: bool,
}

impl tidemill::Receiver for Torn {
    type Record = u64;
    type Position = ();

    async fn run(&self, gate: Gate<u64, ()>) -> Result<()> {
        gate.emit_block("tape", TornBlock { panics: self.panics }, None).await?;
        gate.stopped().await;
        Ok(())
    }
}

impl InputBlock<u64> for TornBlock {
    fn records(&self) -> u64 {
        1
    }

    fn size(&self) -> usize {
        100
    }

    fn open(&self, _: &Rejects, _: &TaskContext) -> Result<Box<dyn Chunks<u64>>> {
        assert!(!self.panics, "the tape is torn");
        Err(Error::new("the tape is torn"))
    }

    fn encode(&self, _: &mut Vec<u8>) -> Result<()> {
        Ok(())
    }

    fn maker(&self) -> BlockMaker<u64> {
        let panics = self.panics;
        Arc::new(move |_| Ok(Arc::new(Self { panics })))
    }
}

#[test]
fn an_error_in_a_stream_of_a_connector_names_its_method_and_where_it_was_called() {
    for panics in [false, true] {
        let ssc = local(1);
        let tape = ssc.receiver_stream_named("tape_stream", Torn { panics });
        let line = line!() - 1;
        let _doubled = collect_batches(&tape.map(|n| n * 2));
        ssc.start().unwrap();

        // The first batch that has the block fails.
        let error = (0..1000).find_map(|_| run_batches(&ssc, 1).err()).expect("a torn tape").chain();

        assert!(error.contains(&format!("tape_stream ({}:{line}", file!())), "{error}");
        assert!(error.contains("the tape is torn"), "{error}");
    }
}
