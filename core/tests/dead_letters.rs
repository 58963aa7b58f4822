//! Where dead letters go: under which names, in how much memory, into which files.

#[path = "rejects/source.rs"]
mod source;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use source::{Numbers, Read, conf, letters_of, shown, some};
use tidemill::testing::sinks::{self, CollectingSink, FailingSink};
use tidemill::testing::{input_batches, local, local_with, members, run_batches};
use tidemill::{
    BatchTime, DeadLetter, Epoch, MemoryStorage, ObjectFiles, OutputId, Receipt, Result, Retry, Rows, Sink,
    Storage, StreamingContext, TaskContext, TextFiles,
};

/// A list of who wrote what.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<(OutputId, Vec<DeadLetter>)>>>);

impl Sink<DeadLetter> for Written {
    fn write(&self, id: &OutputId, _: Epoch, mut rows: Rows<DeadLetter>, _: &TaskContext) -> Result<Receipt> {
        let mut all = Vec::new();
        rows.for_each(|row| {
            all.push(row.clone());
            Ok(())
        })?;
        // The job's name is new each time.
        let id = OutputId { job: String::new(), ..id.clone() };
        self.0.lock().unwrap().push((id, all));
        Ok(Receipt { token: Vec::new(), rows: rows.count() })
    }
}

#[test]
fn a_batch_that_runs_again_writes_the_same_letters_under_the_same_ids() {
    let run = |count, failures: u64, read: Read| {
        let sink = Written::default();
        let shared = sink.clone();
        members(count, 2, move |ssc| {
            ssc.dead_letters_to(shared.clone());
            let numbers = Numbers::new(some());
            numbers.failures.store(failures, Ordering::Relaxed);
            let numbers = ssc.input_stream(numbers);
            read.draw(&numbers.map_or_reject(|n| if *n == 4 { Err("four".into()) } else { Ok(*n) }));
            run_batches(ssc, 2).unwrap();
        });
        let mut all = sink.0.lock().unwrap().clone();
        all.sort_by_key(|(id, _)| (id.batch, id.partition));
        all
    };

    let first = run(1, 0, Read::Once);

    let ids: Vec<_> = first.iter().map(|(id, _)| (id.batch.as_millis(), id.ordinal, id.partition)).collect();
    // Two partitions of the input, then those of the operator: each has a number.
    assert_eq!(ids, [(1000, 0, 0), (1000, 0, 2), (2000, 0, 1)]);
    assert!(first.iter().all(|(id, _)| id.sink == "dead-letters"));
    for (count, failures, read) in [(1, 3, Read::Again), (2, 2, Read::Once), (3, 0, Read::Shared)] {
        assert_eq!(run(count, failures, read), first, "{count} members, {failures} failures, {read:?}");
    }
}

#[test]
fn letters_that_do_not_fit_into_memory_go_to_disk_and_all_arrive() {
    let ssc = local_with(conf(&[("tidemill.memory", "1m")]));
    let sink = CollectingSink::default();
    ssc.dead_letters_to(sink.clone());
    let batches = vec![vec![(1..=300).map(|n| -n).collect(), vec![-1]]];
    let numbers = Numbers { bytes: 10_000, ..Numbers::new(batches.clone()) };
    ssc.input_stream(numbers).foreach_rdd(|rdd, _| {
        rdd.count()?;
        Ok(())
    });

    run_batches(&ssc, 1).unwrap();

    assert_eq!(shown(&sink), letters_of(&batches));
    assert!(sink.shown().concat().iter().all(|letter| letter.bytes.len() == 10_000));
}

#[test]
fn a_letter_without_any_room_stops_the_job_and_the_error_says_what_to_do() {
    let ssc = local_with(conf(&[("tidemill.memory", "1m"), ("tidemill.memory.disk", "0b")]));
    ssc.dead_letters_to(CollectingSink::default());
    let numbers = Numbers { bytes: 10_000, ..Numbers::new(vec![vec![(1..=300).map(|n| -n).collect()]]) };
    ssc.input_stream(numbers).foreach_rdd(|rdd, _| {
        rdd.count()?;
        Ok(())
    });

    let error = run_batches(&ssc, 1).unwrap_err().chain();

    assert!(error.contains("raise `tidemill.memory` or `tidemill.memory.disk`"), "{error}");
}

#[test]
fn a_sink_of_letters_that_fails_once_is_asked_again_and_shows_each_letter_once() {
    let ssc = local(1);
    let sink = CollectingSink::default();
    let failing = FailingSink::new(sink.clone());
    failing.fail(sinks::Step::AfterWrite, 1, Retry::WithBackoff);
    ssc.dead_letters_to(failing);
    ssc.input_stream(Numbers::new(some())).foreach_rdd(|rdd, _| {
        rdd.count()?;
        Ok(())
    });

    run_batches(&ssc, 2).unwrap();

    assert_eq!(shown(&sink), letters_of(&some()));
}

#[test]
fn letters_can_be_files_for_people_and_files_for_programs() {
    let storage = Arc::new(MemoryStorage::new());
    let run = |sink: &dyn Fn(&StreamingContext)| {
        let ssc = local(1);
        sink(&ssc);
        ssc.input_stream(Numbers::new(some())).foreach_rdd(|rdd, _| {
            rdd.count()?;
            Ok(())
        });
        run_batches(&ssc, 2).unwrap();
    };
    run(&|ssc| ssc.dead_letters_to(TextFiles::new(storage.clone(), "text", "txt")));
    let folder = tempfile::tempdir().unwrap();
    let files = Arc::new(tidemill::FileStorage::new(folder.path()).unwrap());
    run(&|ssc| ssc.dead_letters_to(ObjectFiles::new(files.clone(), "letters", "")));

    let text = storage.get("text-1000.txt/part-00000", None).unwrap().unwrap();
    let lines = r#"batch=1000 origin="numbers" stream=0 partition=0 at="number 1" error="-2 is negative" bytes="-2.."
batch=1000 origin="numbers" stream=0 partition=0 at="number 4" error="-5 is negative" bytes="-5.."
"#;
    assert_eq!(String::from_utf8_lossy(&text), lines);
    let letters = local(1).object_file::<DeadLetter>(folder.path().join("letters-2000").to_str().unwrap());
    let letters = letters.unwrap().collect().unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!((letters[0].batch, &*letters[0].bytes), (BatchTime::from_millis(2000), &b"-8.."[..]));
}

#[test]
fn a_second_sink_and_a_stream_with_the_letters_name_are_mistakes() {
    let ssc = local(1);
    ssc.dead_letters_to(CollectingSink::default());
    ssc.dead_letters_to(CollectingSink::default());
    input_batches(&ssc, 1, vec![vec![1]]).uid("dead-letters").foreach_rdd(|_, _| Ok(()));

    let error = ssc.start().unwrap_err().chain();

    assert!(error.contains("2 mistake(s)"), "{error}");
    assert!(error.contains("dead letters have a sink already"), "{error}");
    assert!(error.contains("the uid `dead-letters` is taken"), "{error}");
}
