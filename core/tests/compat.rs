//! Where tidemill differs from Spark on purpose: a test for each row of COMPAT.md that no other test proves.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};

use tidemill::testing::{collect_batches, input_batches, input_gaps, local, run_batches};
use tidemill::{
    BatchInfo, DStream, Error, Gate, MemoryStorage, RddQueue, Receiver, Result, StreamingContext,
    StreamingListener,
};

#[test]
fn a_failed_batch_stops_the_job_with_its_error() {
    let ssc = local(2);
    let texts = input_batches(&ssc, 1, vec![vec!["1"], vec!["two"], vec!["3"]]);
    let numbers = collect_batches(&texts.try_map(|text| Ok(text.parse::<u32>()?)));
    run_batches(&ssc, 3).unwrap_err();
    assert_eq!(numbers.batches(), [[1]]);
    let error = ssc.await_termination().unwrap_err().chain();
    assert!(
        error.contains("in the batch of 2000 ms") && error.ends_with("invalid digit found in string"),
        "{error}"
    );
}

/// Emits one number, says so, and waits for the end of the job.
struct One(Sender<()>);

impl Receiver for One {
    type Record = u64;
    type Position = ();

    async fn run(&self, gate: Gate<u64, ()>) -> Result<()> {
        gate.emit(7).await?;
        self.0.send(()).unwrap();
        gate.stopped().await;
        Ok(())
    }
}

#[test]
fn a_receiver_takes_no_task_slot() {
    let ssc = local(1);
    let (sent, all_sent) = channel();
    let collected = collect_batches(&ssc.receiver_stream(One(sent)));
    ssc.start().unwrap();
    all_sent.recv().unwrap();
    ssc.stop(true).unwrap();
    assert_eq!(collected.batches().concat(), [7]);
}

#[test]
fn one_error_at_the_start_lists_all_mistakes_with_their_places() {
    let ssc = local(2);
    let (here, there) = (input_batches(&ssc, 1, vec![vec![1]]), input_batches(&local(2), 1, vec![vec![2]]));
    let _all = collect_batches(&here.union(&there).uid(""));
    let Err(Error::Plan(mistakes)) = ssc.start() else { panic!("a plan with mistakes has started") };
    let said: Vec<&str> = mistakes.iter().map(|mistake| mistake.message.as_str()).collect();
    assert!(said.len() == 2 && said[0].contains("streams of one context only"), "{said:?}");
    assert!(said[1].contains("uid"), "{said:?}");
    assert!(mistakes.iter().all(|mistake| mistake.site.unwrap().file() == file!()));
}

/// Keeps how many records each batch had.
struct Records(Arc<Mutex<Vec<u64>>>);

impl StreamingListener for Records {
    fn on_batch_completed(&self, batch: &BatchInfo) {
        self.0.lock().unwrap().push(batch.records());
    }
}

#[test]
fn a_queue_tells_how_many_records_it_gave() {
    let ssc = local(2);
    let seen = Arc::new(Mutex::new(Vec::new()));
    ssc.add_streaming_listener(Records(Arc::clone(&seen)));
    let _all = collect_batches(&input_batches(&ssc, 2, vec![vec![1, 2, 3], vec![]]));
    run_batches(&ssc, 2).unwrap();
    assert_eq!(*seen.lock().unwrap(), [3, 0]);
}

#[test]
fn a_batch_without_partitions_has_the_count_0() {
    let ssc = local(2);
    let silent = ssc.queue_stream(RddQueue::<u64>::default());
    let (parts, counts) = (collect_batches(&silent.glom()), collect_batches(&silent.count()));
    run_batches(&ssc, 2).unwrap();
    assert_eq!(parts.batches(), [Vec::<Vec<u64>>::new(), vec![]]);
    assert_eq!(counts.batches(), [[0], [0]]);
}

#[test]
fn a_queue_may_be_filled_while_the_job_runs() {
    let ssc = local(2);
    let queue = RddQueue::default();
    let collected = collect_batches(&ssc.queue_stream(queue.clone()));
    run_batches(&ssc, 1).unwrap();
    queue.push(ssc.parallelize(vec![1, 2], 2));
    run_batches(&ssc, 1).unwrap();
    assert_eq!(collected.batches(), [vec![], vec![1, 2]]);
}

#[test]
fn no_batch_begins_after_a_stop() {
    let ssc = local(2);
    let collected = collect_batches(&input_batches(&ssc, 1, vec![vec![1], vec![2], vec![3]]));
    run_batches(&ssc, 1).unwrap();
    ssc.stop(false).unwrap();
    run_batches(&ssc, 2).unwrap_err();
    assert_eq!(collected.batches(), [[1]]);
}

#[test]
fn a_reduction_keeps_the_order_of_elements() {
    let ssc = local(3);
    let words = input_batches(&ssc, 3, vec![["low ", "water ", "at ", "noon"].map(String::from).to_vec()]);
    let whole = collect_batches(&words.reduce(|a, b| a + &b));
    run_batches(&ssc, 1).unwrap();
    assert_eq!(whole.batches(), [["low water at noon"]]);
}

type Pairs = Vec<(String, u64)>;

/// All states in each batch: what has come of each key.
fn sums(pairs: &DStream<(String, u64)>) -> DStream<(String, u64)> {
    pairs.update_state_by_key(|new, sum| Some(new.sum::<u64>() + sum.unwrap_or(0))).uid("sums")
}

#[test]
fn a_changed_program_goes_on_with_the_state_of_the_one_before() {
    let storage = MemoryStorage::new();
    let start = || {
        let ssc = local(2);
        ssc.checkpoint_to(storage.clone());
        let pairs = input_batches(&ssc, 2, vec![vec![("sea".to_owned(), 1u64), ("mill".to_owned(), 2)]]);
        (ssc, pairs)
    };
    let run = |ssc: StreamingContext, sums: DStream<(String, u64)>| {
        let sums = collect_batches(&sums);
        run_batches(&ssc, 1).unwrap();
        ssc.stop(true).unwrap();
        let mut last: Pairs = sums.batches().swap_remove(0);
        last.sort();
        last
    };

    let (ssc, pairs) = start();
    assert_eq!(run(ssc, sums(&pairs)), [("mill".to_owned(), 2), ("sea".to_owned(), 1)]);

    // Another input before it, other operators and outputs around it, another function in it.
    let (ssc, pairs) = start();
    input_batches(&ssc, 1, vec![vec![1]]).foreach_rdd(|_, _| Ok(()));
    let tens = pairs.filter(|(word, _)| word == "sea").map(|(word, n)| (word, 10 * n));
    let sums = tens.update_state_by_key(|new, sum| Some(sum.unwrap_or(0).max(new.max().unwrap_or(0))));
    let sums = sums.uid("sums").map(|(word, sum)| (word.to_uppercase(), sum));
    assert_eq!(run(ssc, sums), [("MILL".to_owned(), 2), ("SEA".to_owned(), 10)]);
}

#[test]
fn states_are_updated_in_batches_without_an_rdd_too() {
    let ssc = local(2);
    let pairs = input_gaps(&ssc, 2, vec![vec![("sea".to_owned(), 1u64)]]);
    let ages =
        pairs.update_state_by_key(|new, age| Some(if new.len() > 0 { 0u64 } else { age.unwrap_or(0) + 1 }));
    let ages = collect_batches(&ages);

    run_batches(&ssc, 3).unwrap();

    let expected: Vec<Pairs> = (0..3).map(|age| vec![("sea".to_owned(), age)]).collect();
    assert_eq!(ages.batches(), expected);
}
