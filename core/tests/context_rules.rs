//! The states of a context, and what it says of calls that they do not allow.

use std::time::Duration;

use tidemill::testing::{collect_batches, input_batches, local, run_batches};
use tidemill::{Conf, Error, StreamingContext};

/// Contexts of this process that do not allow several; they must not run side by side in these tests.
static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());

fn real(conf: Conf) -> StreamingContext {
    StreamingContext::from_conf(conf.batch_interval(Duration::from_millis(10)).unwrap()).unwrap()
}

fn text(error: &Error) -> String {
    error.chain()
}

#[test]
fn a_master_that_is_none_says_what_to_write() {
    for master in ["spark://host:7077", "local[0]", "local[x]", "yarn", ""] {
        let error = StreamingContext::new(master, "job", Duration::from_secs(1)).unwrap_err();
        assert!(matches!(error, Error::Setting { .. }), "{master}: {error}");
        assert!(text(&error).contains("local[2]") || text(&error).contains("local[N]"), "{master}: {error}");
    }
}

#[test]
fn an_interval_of_nothing_is_refused() {
    for interval in [Duration::ZERO, Duration::from_micros(1500)] {
        let error = StreamingContext::new("local[2]", "job", interval).unwrap_err();
        assert!(text(&error).contains("batch_interval"), "{error}");
    }
}

#[test]
fn a_plan_without_output_has_nothing_to_do() {
    let ssc = local(2);
    let _stream = input_batches(&ssc, 1, vec![vec![1]]);

    let error = ssc.start().unwrap_err();

    assert!(text(&error).contains("no output operations registered, so nothing to execute"), "{error}");
}

#[test]
fn a_failed_start_leaves_the_context_stopped() {
    let ssc = local(2);
    ssc.start().unwrap_err();

    let again = ssc.start().unwrap_err();

    assert!(text(&again).contains("already been stopped"), "{again}");
    ssc.await_termination().unwrap();
}

#[test]
fn all_mistakes_come_out_of_start_with_their_places() {
    let ssc = local(2);
    let stream = input_batches(&ssc, 1, vec![vec![1]]);
    stream.pprint();
    ssc.remember(Duration::from_secs(5));
    ssc.remember(Duration::from_secs(6));
    ssc.remember(Duration::from_secs(7));

    let error = ssc.start().unwrap_err();

    let Error::Plan(mistakes) = &error else { panic!("{error}") };
    assert_eq!(mistakes.len(), 2, "{error}");
    for mistake in mistakes {
        assert!(mistake.site.unwrap().file().ends_with("context_rules.rs"), "{mistake}");
        assert!(mistake.message.contains("remember duration already set as 5s"), "{mistake}");
    }
}

#[test]
fn starting_twice_says_so_and_the_job_goes_on() {
    let ssc = local(2);
    let collected = collect_batches(&input_batches(&ssc, 1, vec![vec![1], vec![2]]));
    run_batches(&ssc, 1).unwrap();

    let error = ssc.start().unwrap_err();

    assert!(text(&error).contains("already been started"), "{error}");
    run_batches(&ssc, 1).unwrap();
    assert_eq!(collected.batches(), [vec![1], vec![2]]);
}

#[test]
fn stopping_is_for_good_and_may_be_repeated() {
    let ssc = local(2);
    input_batches(&ssc, 1, vec![vec![1]]).pprint();
    run_batches(&ssc, 1).unwrap();

    ssc.stop(true).unwrap();
    ssc.stop(true).unwrap();
    ssc.stop(false).unwrap();

    assert!(text(&ssc.start().unwrap_err()).contains("already been stopped"));
    ssc.await_termination().unwrap();
    assert!(ssc.await_termination_or_timeout(Duration::ZERO).unwrap());
}

#[test]
fn a_context_may_be_stopped_before_it_started() {
    let ssc = local(2);
    ssc.stop(false).unwrap();
    assert!(text(&ssc.start().unwrap_err()).contains("already been stopped"));
}

#[test]
fn waiting_for_a_job_that_was_not_started_is_an_error_and_no_hang() {
    let error = local(2).await_termination().unwrap_err();
    assert!(text(&error).contains("not been started"), "{error}");
}

#[test]
fn drawing_after_the_start_comes_out_of_await_termination() {
    let ssc = local(2);
    let stream = input_batches(&ssc, 1, vec![vec![1], vec![2]]);
    stream.pprint();
    run_batches(&ssc, 1).unwrap();

    stream.map(|n| n + 1).pprint();
    run_batches(&ssc, 1).unwrap();
    let error = ssc.stop(true).unwrap_err();

    assert!(text(&error).contains("after starting a context is not supported"), "{error}");
    assert!(text(&error).contains("context_rules.rs"), "{error}");
}

#[test]
fn a_second_context_in_the_process_is_told_where_the_first_was_started() {
    let _alone = ONE_AT_A_TIME.lock();
    let first = real(Conf::new());
    first.constant_stream(first.parallelize(vec![1], 1)).foreach_rdd(|_, _| Ok(()));
    first.start().unwrap();
    let second = real(Conf::new());
    second.constant_stream(second.parallelize(vec![1], 1)).foreach_rdd(|_, _| Ok(()));

    let error = second.start().unwrap_err();

    assert!(text(&error).contains("only one StreamingContext may be started in this process"), "{error}");
    assert!(text(&error).contains("context_rules.rs"), "{error}");
    assert!(text(&error).contains("allow_several"), "{error}");
    first.stop(false).unwrap();
    let third = real(Conf::new());
    third.constant_stream(third.parallelize(vec![1], 1)).foreach_rdd(|_, _| Ok(()));
    third.start().unwrap();
    third.await_batches(1).unwrap();
    third.stop(true).unwrap();
}

#[test]
fn a_context_starts_and_drops_inside_tokio() {
    let _alone = ONE_AT_A_TIME.lock();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    runtime.block_on(async {
        let ssc = real(Conf::new());
        let words = ssc.constant_stream(ssc.parallelize(vec!["tide".to_string()], 1));
        words.map(|word| (word, 1u64)).reduce_by_key(|a, b| a + b).foreach_rdd(|rdd, _| {
            rdd.collect()?;
            Ok(())
        });
        ssc.start().unwrap();
        ssc.await_batches(2).unwrap();
        // Dropped while it runs.
    });
}

#[test]
fn the_first_batch_lies_on_the_grid_of_the_epoch() {
    let _alone = ONE_AT_A_TIME.lock();
    let ssc = real(Conf::new().allow_several(true));
    let collected = collect_batches(&ssc.constant_stream(ssc.parallelize(vec![1], 1)));
    ssc.start().unwrap();
    ssc.await_batches(3).unwrap();
    ssc.stop(true).unwrap();

    let times: Vec<u64> = collected.times().iter().map(|time| time.as_millis()).collect();
    assert!(times.iter().all(|time| time % 10 == 0), "{times:?}");
    assert!(times.windows(2).all(|two| two[1] == two[0] + 10), "{times:?}");
}
