//! The word count, end to end, by a manual clock.

use std::sync::{Arc, Mutex};

use tidemill::testing::{collect_batches, input_batches, local, members, run_batches, seeded_members};
use tidemill::{Event, StreamingContext, StreamingListener, Text};

#[test]
fn words_are_counted_batch_by_batch() {
    let ssc = local(2);
    let lines = input_batches(&ssc, 2, vec![vec!["sea tide sea", "mill"], vec![], vec!["sea"]]);
    let words = lines.flat_map(|line| line.split(' ').map(String::from).collect::<Vec<_>>());
    let counts = words.map(|word| (word, 1u64)).reduce_by_key(|a, b| a + b);
    let collected = collect_batches(&counts);

    run_batches(&ssc, 3).unwrap();
    ssc.stop(true).unwrap();

    let mut batches = collected.batches();
    batches.iter_mut().for_each(|batch| batch.sort());
    let pair = |word: &str, n| (word.to_string(), n);
    assert_eq!(
        batches,
        [vec![pair("mill", 1), pair("sea", 2), pair("tide", 1)], vec![], vec![pair("sea", 1)]]
    );
    let times: Vec<u64> = collected.times().iter().map(|time| time.as_millis()).collect();
    assert_eq!(times, [1000, 2000, 3000]);
}

/// Draws the word count, runs it for three batches, and gives its batches back.
fn counted(ssc: &StreamingContext) -> Vec<Vec<(Text, u64)>> {
    let batch = |lines: &[&str]| lines.iter().copied().map(Text::from).collect::<Vec<_>>();
    let batches = vec![
        batch(&["sea tide sea", "mill", "a word that is longer than what is kept inline"]),
        batch(&[]),
        batch(&["sea", "tide tide", "mill sea"]),
    ];
    let lines = input_batches(ssc, 4, batches);
    let counts = lines.flat_map(|line| line.split(' ')).map(|word| (word, 1u64)).reduce_by_key(|a, b| a + b);
    let collected = collect_batches(&counts);
    run_batches(ssc, 3).unwrap();
    ssc.stop(true).unwrap();
    // Virtual time passes by itself: there may be more batches than were waited for.
    collected.batches().into_iter().take(3).collect()
}

#[test]
fn one_two_and_three_members_count_the_same_in_the_same_order() {
    let alone = members(1, 2, counted);
    for count in [2, 3] {
        for result in members(count, 2, counted) {
            assert_eq!(result, alone[0], "{count} members");
        }
    }
}

/// All that a listener heard.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<Event>>>);

impl StreamingListener for Heard {
    fn on_event(&self, event: &Event) {
        self.0.lock().unwrap().push(event.clone());
    }
}

/// As [`counted`], with the log of events.
fn counted_and_heard(ssc: &StreamingContext) -> (Vec<Vec<(Text, u64)>>, Vec<Event>) {
    let heard = Heard::default();
    ssc.add_streaming_listener(heard.clone());
    let batches = counted(ssc);
    let heard = heard.0.lock().unwrap().clone();
    (batches, heard)
}

#[test]
fn three_members_on_the_seeded_runtime_do_the_same_twice() {
    let alone = members(1, 2, counted);
    let (first, trace) = seeded_members(7, 3, 2, counted_and_heard);
    let (second, same) = seeded_members(7, 3, 2, counted_and_heard);
    let (third, other) = seeded_members(8, 3, 2, counted_and_heard);

    assert_eq!(trace, same);
    assert_ne!(trace, other, "another seed gives another order");
    for ((batches, heard), again) in first.iter().zip(&second) {
        assert_eq!(batches, &again.0);
        // Times, records, outputs and their places.
        assert_eq!(heard, &again.1);
        let completed = heard.iter().filter(|event| matches!(event, Event::BatchCompleted(_)));
        assert!(completed.count() >= 3, "{heard:?}");
    }
    for (batches, _) in first.iter().chain(&third) {
        assert_eq!(*batches, alone[0]);
    }
}
