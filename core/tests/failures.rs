//! What goes wrong in a batch: it names what, where and when; nothing hangs, and no batch is lost silently.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tidemill::testing::{collect_batches, input_batches, local, members, run_batches};
use tidemill::{Conf, Error, StreamingContext, StreamingListener};

fn stopped(ssc: &StreamingContext) -> String {
    run_batches(ssc, 5).unwrap_err().chain()
}

#[test]
fn a_panic_in_a_function_names_operator_place_partition_and_batch() {
    let ssc = local(2);
    let stream = input_batches(&ssc, 2, vec![vec![1, 2], vec![3, 0]]);
    stream.map(|n| 6 / n).foreach_rdd(|rdd, _| {
        rdd.count()?;
        Ok(())
    });

    let error = stopped(&ssc);

    assert!(error.contains("map (core/tests/failures.rs:"), "{error}");
    assert!(error.contains("failed on partition 1 of 2 in the batch of 2000 ms, try 4"), "{error}");
    assert!(error.contains("panic: attempt to divide by zero"), "{error}");
}

#[test]
fn who_waits_learns_why_each_time() {
    let ssc = local(2);
    input_batches(&ssc, 1, vec![vec![1]]).foreach_rdd(|_, _| Err("no table")?);
    let error = stopped(&ssc);

    for again in [ssc.await_termination(), ssc.stop(true)] {
        let again = again.unwrap_err().chain();
        assert_eq!(again, error);
        assert!(again.contains("output `foreach_rdd` (core/tests/failures.rs:"), "{again}");
        assert!(again.contains("in the batch of 1000 ms") && again.contains("no table"), "{again}");
    }
}

#[test]
fn a_task_that_fails_three_times_has_its_result_and_counts_once() {
    let ssc = local(2);
    let tries = Arc::new(AtomicU32::new(0));
    let tried = Arc::clone(&tries);
    let stream = input_batches(&ssc, 1, vec![vec!["sea", "tide", "sea"]]);
    let counts = stream.map(|word| (word.to_string(), 1u64)).reduce_by_key(|a, b| a + b).map(move |pair| {
        assert!(tried.fetch_add(1, Ordering::SeqCst) >= 3, "not yet");
        pair
    });
    let collected = collect_batches(&counts);

    run_batches(&ssc, 1).unwrap();

    let mut counts = collected.batches().remove(0);
    counts.sort();
    assert_eq!(counts, [("sea".to_string(), 2), ("tide".to_string(), 1)]);
}

#[test]
fn a_reducer_that_panics_once_still_gives_the_exact_counts() {
    let ssc = local(2);
    let failed = Arc::new(AtomicU32::new(0));
    let once = Arc::clone(&failed);
    let pairs: Vec<(u32, u64)> = (0..1000).map(|n| (n % 7, u64::from(n))).collect();
    let stream = input_batches(&ssc, 4, vec![pairs.clone()]);
    let sums = stream.reduce_by_key(move |a, b| {
        // Somewhere in the middle of the reduce side, when some of the input has been used up.
        let call = once.fetch_add(1, Ordering::SeqCst);
        assert!(call != 980, "once");
        a + b
    });
    let collected = collect_batches(&sums);

    run_batches(&ssc, 1).unwrap();

    let mut sums = collected.batches().remove(0);
    sums.sort_unstable();
    let model = |key| pairs.iter().filter(|(k, _)| *k == key).map(|(_, v)| v).sum::<u64>();
    assert_eq!(sums, (0..7).map(|key| (key, model(key))).collect::<Vec<_>>());
    assert!(failed.load(Ordering::SeqCst) > 981, "the panic was on the way");
}

#[test]
fn an_action_inside_a_task_says_what_to_do_instead() {
    let ssc = local(2);
    let other = ssc.parallelize(vec![1, 2, 3], 1);
    let stream = input_batches(&ssc, 1, vec![vec![1]]);
    stream.map(move |_| other.count().unwrap()).foreach_rdd(|rdd, _| {
        rdd.count()?;
        Ok(())
    });

    let error = stopped(&ssc);

    assert!(error.contains("`count` was called inside a task"), "{error}");
    assert!(error.contains("broadcast"), "{error}");
}

#[test]
fn a_panic_in_foreach_rdd_or_transform_stops_the_job() {
    for in_transform in [true, false] {
        let ssc = local(2);
        let stream = input_batches(&ssc, 1, vec![vec![1]]);
        if in_transform {
            stream.transform(|_| -> tidemill::Rdd<u8> { panic!("no plan") }).pprint();
        } else {
            stream.foreach_rdd(|_, _| panic!("no plan"));
        }

        let error = stopped(&ssc);

        assert!(error.contains("panic: no plan") && error.contains("1000 ms"), "{error}");
    }
}

#[test]
fn a_type_that_cannot_be_read_back_fails_on_the_first_local_run() {
    #[derive(Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
    struct Half {
        kept: u32,
        #[serde(skip_serializing_if = "Option::is_none")]
        left_out: Option<u32>,
    }
    let ssc = local(2);
    let stream = input_batches(&ssc, 1, vec![vec![Half { kept: 1, left_out: None }]]);
    stream.map(|half| (half, 1u64)).reduce_by_key(|a, b| a + b).foreach_rdd(|rdd, _| {
        rdd.count()?;
        Ok(())
    });

    let error = stopped(&ssc);

    assert!(error.contains("Half` cannot be read back"), "{error}");
}

#[test]
fn a_batch_that_fails_may_be_skipped_by_setting() {
    #[derive(Clone, Default)]
    struct Failures(Arc<std::sync::Mutex<Vec<Option<String>>>>);
    impl StreamingListener for Failures {
        fn on_batch_completed(&self, batch: &tidemill::BatchInfo) {
            self.0.lock().unwrap().push(batch.failure_reason.clone());
        }
    }
    let conf = Conf::new().set("tidemill.batch.on_failure", "skip").unwrap();
    let ssc = tidemill::testing::local_with(conf);
    let heard = Failures::default();
    ssc.add_streaming_listener(heard.clone());
    let stream = input_batches(&ssc, 1, vec![vec![1], vec![0], vec![3]]);
    let collected = collect_batches(&stream.map(|n| 6 / n));

    run_batches(&ssc, 3).unwrap();
    ssc.stop(true).unwrap();

    assert_eq!(collected.batches(), [vec![6], vec![2]]);
    let heard = heard.0.lock().unwrap();
    assert_eq!(heard.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true, false], "{heard:?}");
}

#[test]
fn a_failure_on_one_member_stops_all_and_nobody_waits_for_ever() {
    let told = members(3, 2, |ssc| {
        let me = ssc.member();
        let stream = input_batches(ssc, 3, vec![vec![1, 2, 3]]);
        stream.map(|n| (n, 1u64)).reduce_by_key(|a, b| a + b).foreach_rdd(move |rdd, _| {
            if me == 1 {
                Err("the disk of member 1")?;
            }
            rdd.collect()?;
            Ok(())
        });
        run_batches(ssc, 1).unwrap_err().chain()
    });

    assert!(told[1].contains("the disk of member 1"), "{told:?}");
    for other in [&told[0], &told[2]] {
        assert!(other.contains("member 1"), "{told:?}");
    }
}

#[test]
#[allow(clippy::disallowed_methods, reason = "somebody else's thread waits for the job")]
fn stopping_at_once_cancels_the_running_batch_and_is_no_failure() {
    let ssc = local(2);
    let (begun, begins) = std::sync::mpsc::channel();
    let endless = ssc.parallelize(vec![0u64], 1);
    let stream = ssc.constant_stream(endless.flat_map(|_| 0u64..));
    stream.foreach_rdd(move |rdd, _| {
        begun.send(())?;
        rdd.count()?;
        Ok(())
    });
    ssc.start().unwrap();
    let stopping = ssc.clone();
    let waiting = std::thread::spawn(move || run_batches(&stopping, 1));
    begins.recv().unwrap();

    ssc.stop(false).unwrap();

    assert!(matches!(waiting.join().unwrap(), Err(Error::State(_))));
}
