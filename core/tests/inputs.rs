//! Inputs without a receiver of the user's: channels, iterators, and inputs that are asked for ranges.

use std::sync::mpsc::TrySendError;
use std::sync::{Arc, Mutex};

use tidemill::testing::{collect_batches, local, local_with, run_batches};
use tidemill::{
    Ask, Chunk, Chunks, Conf, DirectInput, Error, ReceiverInfo, Rejects, Result, Retry, StreamingListener,
    TaskContext,
};

/// The receiver that has stopped.
#[derive(Clone, Default)]
struct Stopped(Arc<Mutex<Option<ReceiverInfo>>>);

impl StreamingListener for Stopped {
    fn on_receiver_stopped(&self, receiver: &ReceiverInfo) {
        *self.0.lock().unwrap() = Some(receiver.clone());
    }
}

#[test]
fn what_was_sent_before_a_graceful_stop_is_in_a_batch_and_later_sends_fail() {
    let ssc = local(1);
    let (sender, numbers) = ssc.channel_stream::<u64>(1000);
    let collected = collect_batches(&numbers);
    ssc.start().unwrap();
    (0..1000).for_each(|n| sender.send(n).unwrap());

    ssc.stop(true).unwrap();

    assert_eq!(collected.batches().concat(), (0..1000).collect::<Vec<_>>());
    assert_eq!(sender.send(7).unwrap_err().0, 7);
    assert_eq!(sender.try_send(8), Err(TrySendError::Disconnected(8)));
}

#[test]
fn a_full_channel_says_so_and_one_that_never_starts_is_closed() {
    let ssc = local(1);
    let (sender, numbers) = ssc.channel_stream::<u64>(2);
    numbers.pprint();

    sender.send(1).unwrap();
    sender.try_send(2).unwrap();
    assert_eq!(sender.try_send(3), Err(TrySendError::Full(3)));
    ssc.stop(true).unwrap();

    assert_eq!(sender.try_send(3), Err(TrySendError::Disconnected(3)));
}

#[test]
fn a_channel_behind_a_closed_gate_loses_nothing_at_the_stop() {
    let conf = Conf::new().allow_several(true).master("local[1]").unwrap();
    let conf = conf.set("tidemill.memory", "1m").unwrap();
    let ssc = local_with(conf.set("tidemill.memory.disk", "0b").unwrap());
    let (sender, blocks) = ssc.channel_stream::<[[u64; 32]; 4]>(2048);
    let collected = collect_batches(&blocks.map(|block| block[0][0]));
    ssc.start().unwrap();
    // Two megabytes, of which one fits.
    (0..2048).for_each(|n| sender.send([[n; 32]; 4]).unwrap());

    ssc.stop(true).unwrap();

    assert_eq!(collected.batches().concat(), (0..2048).collect::<Vec<_>>());
}

#[test]
fn an_iterator_that_panics_ends_its_stream_and_not_the_job() {
    let ssc = local(1);
    let stopped = Stopped::default();
    ssc.add_streaming_listener(stopped.clone());
    let numbers = ssc.iterator_stream((0..10u64).inspect(|n| assert!(*n < 3, "low water")));
    let collected = collect_batches(&numbers);

    while stopped.0.lock().unwrap().is_none() {
        run_batches(&ssc, 1).unwrap();
    }
    run_batches(&ssc, 1).unwrap();

    assert_eq!(collected.batches().concat(), [0, 1, 2]);
    let stopped = stopped.0.lock().unwrap().clone().unwrap();
    assert!(stopped.last_error.as_ref().unwrap().contains("low water"), "{stopped:?}");
    assert_eq!(stopped.starts, 1);
}

#[test]
fn an_endless_iterator_goes_at_the_pace_of_the_gate_and_ends_with_the_job() {
    let conf = Conf::new().allow_several(true).master("local[1]").unwrap();
    let ssc = local_with(conf.set("tidemill.memory", "1m").unwrap());
    let collected = collect_batches(&ssc.iterator_stream(0u64..));
    while collected.batches().concat().len() < 1000 {
        run_batches(&ssc, 1).unwrap();
    }
    ssc.stop(true).unwrap();

    let all = collected.batches().concat();
    assert_eq!(all, (0..all.len() as u64).collect::<Vec<_>>());
}

/// Numbers up to `end`, three a batch in two ranges; its reads fail as often as they are told to.
struct Numbers {
    end: u64,
    plan_fails_at: Option<u64>,
    read_failures: Mutex<u32>,
    committed: Arc<Mutex<Vec<u64>>>,
}

impl DirectInput for Numbers {
    type Record = u64;
    type Range = (u64, u64);
    type Position = u64;

    fn advance(position: &mut u64, range: &(u64, u64)) {
        *position = range.1;
    }

    fn plan(&self, position: &u64, _: &Ask) -> Result<Vec<(u64, u64)>> {
        if self.plan_fails_at.is_some_and(|at| *position >= at) {
            return Err(Error::new("the broker is gone"));
        }
        let (from, to) = (*position, (*position + 3).min(self.end));
        let middle = (from + 2).min(to);
        Ok([(from, middle), (middle, to)].into_iter().filter(|(from, to)| from < to).collect())
    }

    fn records(&self, range: &(u64, u64)) -> Option<u64> {
        Some(range.1 - range.0)
    }

    fn read(&self, range: &(u64, u64), _: &Rejects, _: &TaskContext) -> Result<Box<dyn Chunks<u64>>> {
        let mut failures = self.read_failures.lock().unwrap();
        if *failures > 0 {
            *failures -= 1;
            let what = "reading".into();
            return Err(Error::Connector {
                connector: "numbers",
                what,
                retry: Retry::WithBackoff,
                source: None,
            });
        }
        Ok(Box::new(Given((range.0..range.1).collect(), false)))
    }

    fn committed(&self, position: &u64) -> Result<()> {
        self.committed.lock().unwrap().push(*position);
        Ok(())
    }

    fn name(&self) -> String {
        "numbers".into()
    }
}

struct Given(Vec<u64>, bool);

impl Chunks<u64> for Given {
    fn next(&mut self) -> Result<Option<Chunk<'_, u64>>> {
        let lent = std::mem::replace(&mut self.1, true);
        Ok((!lent).then_some(Chunk::Ref(&self.0)))
    }
}

fn numbers(end: u64, plan_fails_at: Option<u64>, read_failures: u32) -> Numbers {
    let (read_failures, committed) = (Mutex::new(read_failures), Arc::default());
    Numbers { end, plan_fails_at, read_failures, committed }
}

#[test]
fn ranges_are_read_exactly_and_told_once_they_are_committed() {
    let ssc = local(2);
    let input = numbers(5, None, 0);
    let committed = Arc::clone(&input.committed);
    let collected = collect_batches(&ssc.input_stream(input));

    run_batches(&ssc, 3).unwrap();

    assert_eq!(collected.batches(), [vec![0, 1, 2], vec![3, 4], vec![]]);
    assert_eq!(*committed.lock().unwrap(), [3, 5, 5]);
}

#[test]
fn a_read_that_fails_is_tried_again() {
    let ssc = local_with(Conf::new().allow_several(true).master("local[1,4]").unwrap());
    let collected = collect_batches(&ssc.input_stream(numbers(3, None, 3)));

    run_batches(&ssc, 1).unwrap();

    assert_eq!(collected.batches(), [[0, 1, 2]]);
}

#[test]
fn a_plan_that_fails_ends_the_job_with_its_reason() {
    let ssc = local(1);
    let collected = collect_batches(&ssc.input_stream(numbers(9, Some(3), 0)));

    run_batches(&ssc, 1).unwrap();
    let error = run_batches(&ssc, 1).unwrap_err().chain();

    assert!(error.contains("the broker is gone"), "{error}");
    assert_eq!(collected.batches(), [[0, 1, 2]]);
}

#[test]
fn an_input_that_panics_while_it_plans_ends_the_job_and_does_not_hang_it() {
    struct Panics;
    impl DirectInput for Panics {
        type Record = u64;
        type Range = u64;
        type Position = u64;
        fn advance(_: &mut u64, _: &u64) {}
        fn plan(&self, _: &u64, _: &Ask) -> Result<Vec<u64>> {
            panic!("spring tide")
        }
        fn read(&self, _: &u64, _: &Rejects, _: &TaskContext) -> Result<Box<dyn Chunks<u64>>> {
            Err(Error::new("never planned"))
        }
    }
    let ssc = local(1);
    ssc.input_stream(Panics).pprint();

    let error = run_batches(&ssc, 1).unwrap_err().chain();

    assert!(error.contains("spring tide"), "{error}");
}
