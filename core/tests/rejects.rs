//! Bad records are data: each is counted once, has one dead letter, and too many of them stop the job.

#[path = "rejects/source.rs"]
mod source;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex};

use proptest::prelude::*;
use source::{Batch, Heard, Numbers, letters_of, shown};
use tidemill::testing::receiver::{Script, Step};
use tidemill::testing::sinks::{self, CollectingSink, FailingSink};
use tidemill::testing::{
    collect_batches, input_batches, local, local_with, members, members_with, run_batches,
};
use tidemill::{
    BatchTime, Conf, DStream, DeadLetter, Epoch, MemoryStorage, ObjectFiles, OutputId, Receipt, Result,
    Retry, Rows, Sink, Storage, StreamingContext, TaskContext, TextFiles,
};

fn conf(settings: &[(&str, &str)]) -> Conf {
    let conf = Conf::new().allow_several(true).master("local[2]").unwrap();
    settings.iter().fold(conf, |conf, (key, value)| conf.set(key, *value).unwrap())
}

/// Two batches with three bad records in two partitions.
fn some() -> Vec<Batch> {
    vec![vec![vec![1, -2, 3, 4, -5], vec![6]], vec![vec![7], vec![-8]]]
}

/// How the records of a batch are read.
#[derive(Clone, Copy, Debug)]
enum Read {
    /// By one action.
    Once,
    /// By several, each from the source.
    Again,
    /// By two outputs, one of which fails once; the stream is kept.
    Shared,
    /// As far as so many records need.
    Take(usize),
    /// By nobody.
    Not,
}

impl Read {
    fn draw(self, numbers: &DStream<i64>) {
        match self {
            Self::Once => numbers.map(|n| n + 1).foreach_rdd(|rdd, _| {
                rdd.collect()?;
                Ok(())
            }),
            Self::Again => numbers.foreach_rdd(|rdd, _| {
                rdd.take(2)?;
                rdd.count()?;
                rdd.is_empty()?;
                rdd.collect()?;
                Ok(())
            }),
            Self::Shared => {
                let failed = AtomicU64::new(0);
                let fragile = numbers.try_map(move |n| match failed.fetch_add(1, Ordering::Relaxed) {
                    0 => Err("once".into()),
                    _ => Ok(n),
                });
                fragile.foreach_rdd(|rdd, _| {
                    rdd.count()?;
                    Ok(())
                });
                numbers.foreach_rdd(|rdd, _| {
                    rdd.collect()?;
                    Ok(())
                });
            }
            Self::Take(n) => numbers.foreach_rdd(move |rdd, _| {
                rdd.take(n)?;
                Ok(())
            }),
            Self::Not => numbers.foreach_rdd(|_, _| Ok(())),
        }
    }

    fn is_whole(self) -> bool {
        matches!(self, Self::Once | Self::Again | Self::Shared)
    }
}

fn reads() -> impl Strategy<Value = Read> {
    prop_oneof![
        Just(Read::Once),
        Just(Read::Again),
        Just(Read::Shared),
        (0..9usize).prop_map(Read::Take),
        Just(Read::Not)
    ]
}

fn batches() -> impl Strategy<Value = Vec<Batch>> {
    let partition = prop::collection::vec(-20..40i64, 0..12);
    // An input moves on by its ranges: a batch without any would be planned again.
    prop::collection::vec(prop::collection::vec(partition, 1..4), 1..3)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_record_is_handed_on_rejected_or_not_read_and_each_rejected_one_has_one_letter(
        batches in batches(),
        read in reads(),
        known in any::<bool>(),
        failures in 0..3u64,
        count in 1..4u32,
    ) {
        let sink = CollectingSink::default();
        let (shared, given) = (sink.clone(), batches.clone());
        let heard = members(count, 2, move |ssc| {
            let heard = Heard::on(ssc);
            ssc.dead_letters_to(shared.clone());
            let numbers = Numbers { known, ..Numbers::new(given.clone()) };
            numbers.failures.store(failures, Ordering::Relaxed);
            read.draw(&ssc.input_stream(numbers));
            run_batches(ssc, given.len() as u64).unwrap();
            ssc.stop(true).unwrap();
            heard
        });

        let letters = shown(&sink);
        for heard in &heard {
            for (index, counts) in heard.counts().into_iter().enumerate() {
                let [records, handed_on, rejected, lost, not_read] = counts;
                prop_assert_eq!(records, handed_on + rejected + lost + not_read);
                let time = (index as u64 + 1) * 1000;
                let of_batch = letters.iter().filter(|letter| letter.0 == time).count() as u64;
                prop_assert_eq!(rejected, of_batch, "letters of {}", time);
                let told: u64 = heard.rejected().iter().filter(|told| told.0 == time).map(|told| told.2).sum();
                prop_assert_eq!(rejected, told);
                let all: Vec<i64> = batches.get(index).map(|batch| batch.concat()).unwrap_or_default();
                let bad = all.iter().filter(|n| **n < 0).count() as u64;
                if read.is_whole() {
                    prop_assert_eq!(counts, [all.len() as u64, all.len() as u64 - bad, bad, 0, 0]);
                } else if known {
                    prop_assert_eq!(records, all.len() as u64);
                }
            }
        }
        let expected = letters_of(&batches);
        if read.is_whole() {
            prop_assert_eq!(&letters, &expected);
        }
        // In part: those that were seen, each once and in order.
        let mut rest = expected.iter();
        prop_assert!(letters.iter().all(|letter| rest.any(|other| other == letter)), "{:?}", letters);
    }
}

#[test]
fn what_was_kept_by_a_try_that_failed_behind_it_has_its_letters() {
    let ssc = local(1);
    let sink = CollectingSink::default();
    ssc.dead_letters_to(sink.clone());
    let kept = ssc.input_stream(Numbers::new(some())).cache();
    let tries = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&tries);
    let numbers = collect_batches(&kept.try_map(move |n| match counted.fetch_add(1, Ordering::Relaxed) {
        0 => Err("once".into()),
        _ => Ok(n),
    }));

    run_batches(&ssc, 2).unwrap();

    assert_eq!(numbers.batches(), [vec![1, 3, 4, 6], vec![7]]);
    assert_eq!(shown(&sink), letters_of(&some()));
    assert!(tries.load(Ordering::Relaxed) > 5, "it has failed");
}

#[test]
fn without_a_sink_records_are_counted_and_the_first_of_a_read_alone_is_asked_for() {
    let ssc = local(1);
    let heard = Heard::on(&ssc);
    let numbers = Numbers::new(vec![vec![vec![-1; 1000], vec![2]]]);
    let asked = Arc::clone(&numbers.asked);
    ssc.input_stream(numbers).foreach_rdd(|rdd, _| {
        rdd.count()?;
        Ok(())
    });

    run_batches(&ssc, 1).unwrap();

    assert_eq!(asked.load(Ordering::Relaxed), 1);
    assert_eq!(heard.counts(), [[1001, 1, 1000, 0, 0]]);
    assert_eq!(heard.rejected(), [(1000, Some(0), 1000, "-1 is negative".to_owned())]);
}

#[test]
fn what_a_receiver_rejects_itself_has_letters_without_a_partition() {
    for count in [1, 2] {
        let sink = CollectingSink::default();
        let (shared, fed) = (sink.clone(), Arc::new(Barrier::new(count as usize)));
        // Receiver 1 of two members runs on the second.
        let heard = members(count, 2, move |ssc| {
            let (heard, script) = (Heard::on(ssc), Script::new());
            ssc.dead_letters_to(shared.clone());
            ssc.queue_stream(tidemill::RddQueue::<u64>::default()).foreach_rdd(|_, _| Ok(()));
            let _numbers = collect_batches(&ssc.receiver_stream(script.clone()));
            if ssc.member() + 1 == count {
                for step in [Step::Emit(1u64), Step::Reject("half"), Step::Reject("torn")] {
                    script.push(step);
                }
            }
            ssc.start().unwrap();
            if ssc.member() + 1 == count {
                script.wait(|progress| progress.done == 3);
            }
            fed.wait();
            ssc.stop(true).unwrap();
            heard
        });

        let letters = sink.shown().concat();
        let seen = letters.iter().map(|letter| (letter.stream_id, letter.partition, &*letter.bytes));
        assert_eq!(seen.collect::<Vec<_>>(), [(Some(1), None, &b"half"[..]), (Some(1), None, b"torn")]);
        for heard in heard {
            let inputs: Vec<_> = heard.batches().iter().map(|batch| batch.inputs[1].clone()).collect();
            let sum = |of: fn(&tidemill::InputInfo) -> u64| inputs.iter().map(of).sum::<u64>();
            assert_eq!(
                [sum(|i| i.records), sum(|i| i.handed_on), sum(|i| i.rejected), sum(|i| i.not_read)],
                [3, 1, 2, 0],
                "{count} members"
            );
            assert_eq!(heard.rejected().iter().map(|told| told.2).sum::<u64>(), 2);
        }
    }
}

#[test]
fn map_or_reject_gives_a_letter_for_each_element_once_and_the_input_is_not_blamed() {
    for count in [1, 3] {
        let sink = CollectingSink::default();
        let shared = sink.clone();
        let line = line!() + 7;
        let heard = members(count, 2, move |ssc| {
            let heard = Heard::on(ssc);
            ssc.dead_letters_to(shared.clone());
            let texts = ["1", "two", "3", "four", "5", "six"].map(String::from).to_vec();
            let texts = input_batches(ssc, 3, vec![texts]);
            let failed = AtomicU64::new(0);
            let numbers = texts.map_or_reject(|text| Ok(text.parse::<u32>()?));
            let fragile = numbers.try_map(move |n| match failed.fetch_add(1, Ordering::Relaxed) {
                0 => Err("once".into()),
                _ => Ok(n),
            });
            fragile.foreach_rdd(|rdd, _| {
                assert_eq!(rdd.collect()?, [1, 3, 5]);
                Ok(())
            });
            numbers.foreach_rdd(|rdd, _| {
                rdd.count()?;
                Ok(())
            });
            run_batches(ssc, 1).unwrap();
            heard
        });

        let letters = sink.shown().concat();
        let texts: Vec<String> = letters.iter().map(|letter| letter.element().unwrap()).collect();
        assert_eq!(texts, ["two", "four", "six"], "{count} members");
        let places: Vec<_> = letters.iter().map(|letter| (letter.partition, letter.at.as_str())).collect();
        assert_eq!(places, [(Some(0), "element 1"), (Some(1), "element 1"), (Some(2), "element 1")]);
        assert!(letters[0].origin.starts_with(&format!("map_or_reject ({}:{line}:", file!())), "{letters:?}");
        assert_eq!(
            (letters[0].stream_id, letters[0].error.as_str()),
            (None, "invalid digit found in string")
        );
        for heard in heard {
            assert_eq!(heard.counts()[0], [6, 6, 0, 0, 0]);
            assert_eq!(heard.rejected(), [(1000, None, 3, "invalid digit found in string".to_owned())]);
        }
    }
}

#[test]
fn more_bad_records_than_allowed_stop_the_job_and_nothing_of_the_batch_is_shown() {
    for on_failure in ["stop", "skip"] {
        for count in [1, 2] {
            let (letters, numbers) = (CollectingSink::default(), CollectingSink::default());
            let (to, shared) = (letters.clone(), numbers.clone());
            let conf =
                conf(&[("tidemill.source.rejected_max", "2"), ("tidemill.batch.on_failure", on_failure)]);
            let errors = members_with(conf, count, 2, move |ssc| {
                ssc.dead_letters_to(to.clone());
                let batches =
                    vec![vec![vec![-1, 2], vec![-3]], vec![vec![4, -5], vec![-6, -7]], vec![vec![8]]];
                ssc.input_stream(Numbers::new(batches)).save_to(shared.clone());
                run_batches(ssc, 1).unwrap();
                run_batches(ssc, 1).unwrap_err().chain()
            });

            for part in
                ["`numbers`", "3 records", "2000 ms", "`tidemill.source.rejected_max` is 2", "-5 is negative"]
            {
                for error in &errors {
                    assert!(error.contains(part), "{part} in {error}");
                }
            }
            assert_eq!(numbers.shown(), [[2]]);
            assert_eq!(shown(&letters).len(), 2);
        }
    }
}

#[test]
fn a_batch_that_is_skipped_has_no_letters_and_is_counted_all_the_same() {
    let ssc = local_with(conf(&[("tidemill.batch.on_failure", "skip"), ("tidemill.task.max_failures", "1")]));
    let (heard, sink) = (Heard::on(&ssc), CollectingSink::default());
    ssc.dead_letters_to(sink.clone());
    let numbers = ssc.input_stream(Numbers::new(some()));
    let fragile = numbers.try_map(|n| if n == 6 { Err("six".into()) } else { Ok(n) });
    fragile.foreach_rdd(|rdd, _| {
        rdd.count()?;
        Ok(())
    });

    run_batches(&ssc, 2).unwrap();

    assert_eq!(shown(&sink), [(2000, Some(1), "number 0".to_owned(), "-8".to_owned())]);
    assert_eq!(heard.counts()[1], [2, 1, 1, 0, 0]);
    let [records, handed_on, rejected, lost, not_read] = heard.counts()[0];
    assert_eq!((records, lost), (6, 0));
    assert_eq!(handed_on + rejected + not_read, 6);
    assert_eq!(heard.rejected().len(), heard.counts().iter().filter(|counts| counts[2] > 0).count());
}

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
fn a_queue_and_an_input_that_knows_no_counts_say_how_many_records_were_read() {
    let ssc = local(2);
    let heard = Heard::on(&ssc);
    let queue =
        [ssc.parallelize((0..10).collect(), 3), ssc.parallelize((0..7).collect(), 2).filter(|n| *n > 2)];
    ssc.queue_stream(queue).foreach_rdd(|rdd, _| {
        rdd.count()?;
        Ok(())
    });
    let numbers = Numbers { known: false, ..Numbers::new(some()) };
    ssc.input_stream(numbers).foreach_rdd(|rdd, _| {
        rdd.count()?;
        Ok(())
    });

    run_batches(&ssc, 3).unwrap();

    assert_eq!(heard.counts(), [[10, 10, 0, 0, 0], [4, 4, 0, 0, 0], [0; 5]]);
    let unknown: Vec<u64> = heard.batches().iter().map(|batch| batch.inputs[1].records).collect();
    assert_eq!(unknown, [6, 2, 0]);
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
