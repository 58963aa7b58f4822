//! Bad records are data: each is counted once, has one dead letter, and too many of them stop the job.

#[path = "rejects/source.rs"]
mod source;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;
use source::{Batch, Heard, Numbers, Read, conf, letters_of, shown, some};
use tidemill::testing::receiver::{Script, Step};
use tidemill::testing::sinks::CollectingSink;
use tidemill::testing::{
    collect_batches, input_batches, local, local_with, members, members_with, run_batches, seeded,
};
use tidemill::{Error, Gate, InputInfo, Receiver, Rejected, Result, Retry};

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
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

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
fn a_take_counts_what_it_has_read_and_has_letters_of_that() {
    let ssc = local(1);
    let (heard, sink) = (Heard::on(&ssc), CollectingSink::default());
    ssc.dead_letters_to(sink.clone());
    // Chunks of three: the second bad record is not seen.
    Read::Take(1).draw(&ssc.input_stream(Numbers::new(vec![vec![vec![1, -2, 3, 4, -5, 6], vec![7]]])));

    run_batches(&ssc, 1).unwrap();

    assert_eq!(heard.counts(), [[7, 2, 1, 0, 4]]);
    assert_eq!(shown(&sink), [(1000, Some(0), "number 1".to_owned(), "-2".to_owned())]);
}

#[test]
fn an_input_that_gives_fewer_records_than_it_planned_has_as_many_as_were_found() {
    let ssc = local(1);
    let heard = Heard::on(&ssc);
    Read::Again.draw(&ssc.input_stream(Numbers { promised: 5, ..Numbers::new(some()) }));

    run_batches(&ssc, 1).unwrap();

    assert_eq!(heard.counts(), [[6, 4, 2, 0, 0]]);
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
fn what_receivers_reject_themselves_has_letters_without_a_partition() {
    for count in [1, 2] {
        let sink = CollectingSink::default();
        let (shared, scripts) = (sink.clone(), [Script::new(), Script::new()]);
        for (script, number) in scripts.iter().zip([1u64, 2]) {
            script.push(Step::Emit(number));
            script.push(Step::Reject("half"));
            script.push(Step::Reject("torn"));
        }
        // With two members each has one of the receivers.
        let heard = members(count, 2, move |ssc| {
            let heard = Heard::on(ssc);
            ssc.dead_letters_to(shared.clone());
            for script in &scripts {
                let _numbers = collect_batches(&ssc.receiver_stream(script.clone()));
            }
            ssc.start().unwrap();
            scripts.iter().for_each(|script| script.wait(|progress| progress.done == 3));
            ssc.stop(true).unwrap();
            heard
        });

        let letters = sink.shown().concat();
        let seen = letters.iter().map(|letter| (letter.stream_id, letter.partition, &*letter.bytes));
        let of = |stream| [(Some(stream), None, &b"half"[..]), (Some(stream), None, b"torn")];
        assert_eq!(seen.collect::<Vec<_>>(), [of(0), of(1)].concat(), "{count} members");
        for heard in heard {
            for stream in [0, 1] {
                let batches = heard.batches();
                let sum = |of: fn(&InputInfo) -> u64| -> u64 {
                    batches.iter().map(|batch| of(&batch.inputs[stream])).sum()
                };
                let sums =
                    [sum(|i| i.records), sum(|i| i.handed_on), sum(|i| i.rejected), sum(|i| i.not_read)];
                assert_eq!(sums, [3, 1, 2, 0], "{count} members");
            }
            assert_eq!(heard.rejected().iter().map(|told| told.2).sum::<u64>(), 4);
        }
    }
}

/// Reads from the beginning at each start, and fails once behind its records; every third is bad.
struct FromTheBeginning(AtomicU64);

impl Receiver for FromTheBeginning {
    type Record = u64;
    type Position = u64;

    async fn run(&self, gate: Gate<u64, u64>) -> Result<()> {
        for n in 1..=9 {
            if n % 3 == 0 {
                gate.reject_at("all", Rejected::new(n.to_string(), "a third", n.to_string()), n);
            } else {
                gate.emit_at("all", n, n).await?;
            }
        }
        match self.0.fetch_add(1, Ordering::Relaxed) {
            0 => {
                let (connector, what) = ("test", "the tape jammed".into());
                Err(Error::Connector { connector, what, retry: Retry::WithBackoff, source: None })
            }
            _ => Ok(()),
        }
    }
}

#[test]
fn what_a_receiver_rejects_again_behind_a_restart_has_one_letter() {
    let (starts, letters, numbers) = seeded(1, 2, |ssc| {
        let (heard, sink) = (Heard::on(ssc), CollectingSink::default());
        ssc.dead_letters_to(sink.clone());
        let numbers = collect_batches(&ssc.receiver_stream(FromTheBeginning(AtomicU64::new(0))));
        while heard.starts() < 2 {
            run_batches(ssc, 1).unwrap();
        }
        run_batches(ssc, 2).unwrap();
        ssc.stop(true).unwrap();
        (heard.starts(), shown(&sink), numbers.batches().concat())
    });

    assert_eq!(starts, 2);
    assert_eq!(numbers, [1, 2, 4, 5, 7, 8]);
    let places: Vec<&str> = letters.iter().map(|letter| letter.2.as_str()).collect();
    assert_eq!(places, ["3", "6", "9"]);
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
