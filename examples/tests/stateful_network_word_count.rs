//! The word count with a memory as its users run it: twice.

mod common;

use common::Running;

const JOB: &str = env!("CARGO_BIN_EXE_stateful_network_word_count");

fn pairs<const N: usize>(counts: [(&str, u64); N]) -> impl Iterator<Item = (String, u64)> {
    counts.map(|(word, count)| (word.to_owned(), count)).into_iter()
}

#[test]
fn a_second_run_goes_on_where_the_first_one_ended() {
    let folder = tempfile::tempdir().unwrap();
    let args = ["--interval=200ms", "--print=100", "--checkpoint", folder.path().to_str().unwrap()];

    let mut first = Running::start(JOB, &args);
    first.send("sea tide sea\n");
    let frames = first.frames_until(|frame| frame.counts().contains_key("sea"));
    let (last, before) = frames.split_last().unwrap();
    // Spark's example begins with these two.
    assert!(before.iter().all(|frame| frame.counts().into_iter().eq(pairs([("hello", 1), ("world", 1)]))));
    let all = last.counts();
    assert!(
        all.clone().into_iter().eq(pairs([("hello", 1), ("sea", 2), ("tide", 1), ("world", 1)])),
        "{all:?}"
    );
    first.interrupt();

    let mut second = Running::start(JOB, &args);
    let (_, begin) = second.frame();
    assert_eq!(begin.counts(), all, "no word was counted anew, and no first state given again");
    second.send("sea hello\n");
    let frames = second.frames_until(|frame| frame.counts()["sea"] != 2);
    let now = frames.last().unwrap().counts();
    assert!(
        now.clone().into_iter().eq(pairs([("hello", 2), ("sea", 3), ("tide", 1), ("world", 1)])),
        "{now:?}"
    );
    second.interrupt();
}
