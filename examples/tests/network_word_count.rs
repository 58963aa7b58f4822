//! The word count as its users run it.

mod common;

use std::collections::BTreeMap;

use common::{Running, frames, output};

const JOB: &str = env!("CARGO_BIN_EXE_network_word_count");

#[test]
fn without_a_server_it_brings_its_own_and_stops_after_its_batches() {
    let run = output(JOB, &["--interval", "200ms", "--batches", "3", "--print", "2"]);
    assert!(run.status.success(), "{run:?}");
    let frames = frames(&String::from_utf8(run.stdout).unwrap());
    // What came in while it stopped is one more batch.
    assert!((3..=4).contains(&frames.len()), "{frames:?}");
    assert!(frames.iter().all(|frame| frame.time.is_multiple_of(200)), "not on the grid: {frames:?}");
    assert!(frames.iter().any(|frame| frame.counts().len() == 2 && frame.more()), "{frames:?}");
    let words: Vec<&str> = include_str!("../text/tide-mill.txt").split_whitespace().collect();
    let counted = frames.iter().flat_map(|frame| frame.counts().into_keys());
    assert!(counted.into_iter().all(|word| words.contains(&word.as_str())));
}

#[test]
fn it_counts_what_a_server_sends_and_ctrl_c_stops_it_gracefully() {
    let mut job = Running::start(JOB, &["--interval=200ms", "--print", "100"]);

    job.send("sea tide sea\nmill sea\n");
    let mut counts = BTreeMap::new();
    while counts.values().sum::<u64>() < 5 {
        for (word, count) in job.frame().1.counts() {
            *counts.entry(word).or_default() += count;
        }
    }

    assert_eq!(counts, BTreeMap::from([("mill".into(), 1), ("sea".into(), 3), ("tide".into(), 1)]));
    job.interrupt();
}

#[test]
fn a_setting_that_is_wrong_is_named() {
    for (args, named) in [
        (&["--interval", "0s"][..], "tidemill.streaming.batch_interval"),
        (&["--conf", "tidemill.streaming.blok_interval=1s"], "tidemill.streaming.block_interval"),
        (&["--master", "remote"], "tidemill.master"),
        (&["localhost"], "<PORT>"),
        (&["localhost", "99999"], "99999"),
    ] {
        let run = output(JOB, args);
        assert!(!run.status.success(), "{args:?}");
        let said = String::from_utf8(run.stderr).unwrap();
        assert!(said.contains(named), "{args:?}: {said}");
    }
}
