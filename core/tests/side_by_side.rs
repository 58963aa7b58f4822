//! Two output operations of one batch side by side, where the settings say so.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tidemill::testing::{collect_batches, input_batches, local_with, run_batches};
use tidemill::{BatchTime, Conf, Error, Event, Result, StreamingContext, StreamingListener};

/// How long one output waits for the other; only a broken promise takes that long.
const PATIENCE: Duration = Duration::from_mins(1);

fn two_at_once() -> StreamingContext {
    let conf = Conf::new().master("local[2]").unwrap().batch_interval(Duration::from_secs(1)).unwrap();
    local_with(conf.set("tidemill.streaming.concurrent_jobs", "2").unwrap())
}

/// Where two wait for each other, again and again.
#[derive(Clone, Default)]
struct Meeting(Arc<(Mutex<usize>, Condvar)>);

impl Meeting {
    /// Returns once another one has come too.
    fn meet(&self) -> Result<()> {
        let (come, changed) = &*self.0;
        let mut come = come.lock();
        *come += 1;
        let both = come.div_ceil(2) * 2;
        changed.notify_all();
        let waited = changed.wait_while_for(&mut come, |come| *come < both, PATIENCE);
        if waited.timed_out() { Err(Error::new("nobody came")) } else { Ok(()) }
    }
}

#[test]
fn two_outputs_of_a_batch_run_side_by_side_and_batches_one_after_the_other() {
    let ssc = two_at_once();
    let (meeting, order) = (Meeting::default(), Arc::new(Mutex::new(Vec::new())));
    let numbers = input_batches(&ssc, 2, (0..5).map(|batch| vec![batch, batch]).collect());
    for _ in 0..2 {
        let (meeting, order) = (meeting.clone(), Arc::clone(&order));
        numbers.foreach_rdd(move |rdd, time: BatchTime| {
            order.lock().push(("begins", time.as_millis()));
            meeting.meet()?;
            let count = rdd.count()?;
            assert_eq!(count, 2);
            order.lock().push(("ends", time.as_millis()));
            Ok(())
        });
    }

    run_batches(&ssc, 5).unwrap();

    let expected: Vec<_> = (1..=5)
        .flat_map(|batch| ["begins", "begins", "ends", "ends"].map(|what| (what, batch * 1000)))
        .collect();
    assert_eq!(*order.lock(), expected);
}

#[test]
fn a_shuffle_that_both_outputs_read_is_computed_once() {
    let ssc = two_at_once();
    let (meeting, computed) = (Meeting::default(), Arc::new(AtomicUsize::new(0)));
    let counting = Arc::clone(&computed);
    let pairs = input_batches(&ssc, 3, vec![(0..90u64).collect::<Vec<_>>(); 4]).map(move |n| {
        counting.fetch_add(1, Ordering::SeqCst);
        (n % 7, n)
    });
    let sums = pairs.reduce_by_key(|a, b| a + b);
    // Both ask at once.
    let given: [Arc<Mutex<Vec<u64>>>; 2] = Default::default();
    for given in &given {
        let (meeting, given) = (meeting.clone(), Arc::clone(given));
        sums.foreach_rdd(move |rdd, _| {
            meeting.meet()?;
            given.lock().push(rdd.values().reduce(|a, b| a + b)?.unwrap_or(0));
            Ok(())
        });
    }

    run_batches(&ssc, 4).unwrap();

    for given in &given {
        assert_eq!(*given.lock(), [89 * 90 / 2; 4]);
    }
    assert_eq!(computed.load(Ordering::SeqCst), 4 * 90);
}

#[test]
fn a_third_output_waits_for_the_first_two_and_all_are_reported_in_order() {
    #[derive(Clone, Default)]
    struct Names(Arc<Mutex<Vec<Vec<usize>>>>);
    impl StreamingListener for Names {
        fn on_event(&self, event: &Event) {
            if let Event::BatchCompleted(batch) = event {
                self.0.lock().push(batch.output_operations.iter().map(|output| output.id).collect());
            }
        }
    }
    let ssc = two_at_once();
    let names = Names::default();
    ssc.add_streaming_listener(names.clone());
    let (meeting, ended) = (Meeting::default(), Arc::new(AtomicUsize::new(0)));
    let numbers = input_batches(&ssc, 1, vec![vec![1]]);
    for _ in 0..2 {
        let (meeting, ended) = (meeting.clone(), Arc::clone(&ended));
        numbers.foreach_rdd(move |_, _| {
            meeting.meet()?;
            ended.fetch_add(1, Ordering::SeqCst);
            Ok(())
        });
    }
    let seen = Arc::new(AtomicUsize::new(0));
    let (saw, before) = (Arc::clone(&seen), Arc::clone(&ended));
    numbers.foreach_rdd(move |_, _| {
        saw.store(before.load(Ordering::SeqCst), Ordering::SeqCst);
        Ok(())
    });

    run_batches(&ssc, 1).unwrap();

    assert_eq!(seen.load(Ordering::SeqCst), 2);
    assert_eq!(*names.0.lock(), [[0, 1, 2]]);
}

#[test]
fn without_the_setting_outputs_come_one_after_the_other() {
    let ssc = tidemill::testing::local(2);
    let running = Arc::new(AtomicUsize::new(0));
    let numbers = input_batches(&ssc, 2, vec![vec![1, 2]; 3]);
    for _ in 0..3 {
        let running = Arc::clone(&running);
        numbers.foreach_rdd(move |rdd, _| {
            assert_eq!(running.fetch_add(1, Ordering::SeqCst), 0);
            rdd.count()?;
            running.fetch_sub(1, Ordering::SeqCst);
            Ok(())
        });
    }
    let collected = collect_batches(&numbers);

    run_batches(&ssc, 3).unwrap();

    assert_eq!(collected.batches().len(), 3);
}
