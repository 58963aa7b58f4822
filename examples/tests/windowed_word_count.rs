//! The word count of a window as its users run it.

mod common;

use common::{Running, output};

const JOB: &str = env!("CARGO_BIN_EXE_windowed_word_count");

#[test]
fn what_was_sent_is_counted_as_long_as_the_window_is_and_then_it_is_gone() {
    let mut job =
        Running::start(JOB, &["--interval=200ms", "--window=1s", "--slide=400ms", "--print", "100"]);

    job.send("sea tide sea\n");
    let mut frames = job.frames_until(|frame| !frame.lines.is_empty());
    let shown = frames.len() - 1;
    frames.extend(job.frames_until(|frame| frame.lines.is_empty()));

    let (last, with_words) = frames[shown..].split_last().unwrap();
    assert!(last.lines.is_empty());
    // A second holds two or three of the times that are 400 ms apart.
    assert!((2..=3).contains(&with_words.len()), "{frames:?}");
    let words = [("sea".to_owned(), 2), ("tide".to_owned(), 1)];
    assert!(with_words.iter().all(|frame| frame.counts().into_iter().eq(words.clone())), "{frames:?}");
    assert!(frames.windows(2).all(|two| two[1].time - two[0].time == 400), "{frames:?}");
    job.interrupt();
}

#[test]
fn a_window_that_is_no_whole_number_of_intervals_is_refused_with_both() {
    let run = output(JOB, &["--interval", "1s", "--window", "1500ms", "--slide", "1s"]);

    assert!(!run.status.success());
    let said = String::from_utf8(run.stderr).unwrap();
    assert!(said.contains("1500 ms") && said.contains("1000 ms"), "{said}");
}
