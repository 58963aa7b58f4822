//! Windows against what Spark gives.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tidemill::testing::{input_batches, local_every};
use tidemill::{DStream, Data, Error, Wire};

use super::case::Case;

const SECOND: Duration = Duration::from_secs(1);
const HALF: Duration = Duration::from_millis(500);

type Pair = (String, i64);

/// Runs what `draw` makes of the case's input, for as many slides of `batches` batches as are expected.
fn slides<T: Data + DeserializeOwned, U: Wire + Serialize>(
    case: &Case,
    batches: usize,
    draw: impl FnOnce(&DStream<T>) -> DStream<U>,
) {
    let ssc = case.context();
    let drawn = draw(&Case::stream(&ssc, &case.input));
    case.run_every(&ssc, &drawn, batches);
}

/// That `start` reports a mistake with `said`, made at a line of this file.
fn mistake<U: Data>(case: &Case, draw: impl FnOnce(&DStream<Pair>) -> DStream<U>, said: &str) {
    let ssc = local_every(2, Duration::from_millis(case.batch_ms));
    draw(&input_batches(&ssc, 1, vec![vec![("a".to_string(), 1)]])).foreach_rdd(|_, _| Ok(()));
    let Err(Error::Plan(mistakes)) = ssc.start() else { panic!("a plan with a mistake has started") };
    let shown: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
    assert!(shown.iter().any(|shown| shown.contains(said) && shown.contains(file!())), "{shown:#?}");
}

pub(crate) fn window_of_two(case: &Case) {
    slides(case, 1, |numbers: &DStream<i64>| numbers.window(2 * SECOND, SECOND));
}

pub(crate) fn tumbling(case: &Case) {
    slides(case, 2, |numbers: &DStream<i64>| numbers.window(2 * SECOND, 2 * SECOND));
}

pub(crate) fn nested(case: &Case) {
    slides(case, 4, |numbers: &DStream<i64>| {
        numbers.window(4 * SECOND, 2 * SECOND).window(4 * SECOND, 4 * SECOND)
    });
}

pub(crate) fn window_and_count(case: &Case) {
    slides(case, 1, |numbers: &DStream<i64>| numbers.window(3 * HALF, HALF).count());
}

pub(crate) fn reduce_by_key(case: &Case) {
    slides(case, 1, |pairs: &DStream<Pair>| pairs.reduce_by_key_and_window(2 * SECOND, SECOND, |a, b| a + b));
}

pub(crate) fn reduce_by_key_inverse(case: &Case) {
    slides(case, 1, |pairs: &DStream<Pair>| {
        pairs.reduce_by_key_and_window_inverse(2 * SECOND, SECOND, |a, b| a + b, |a, b| a - b)
    });
}

pub(crate) fn reduce_by_key_every_other(case: &Case) {
    slides(case, 2, |pairs: &DStream<Pair>| {
        pairs.reduce_by_key_and_window(4 * SECOND, 2 * SECOND, |a, b| a + b)
    });
}

pub(crate) fn keys_of_a_longer_slide(case: &Case) {
    slides(case, 2, |numbers: &DStream<i64>| {
        let sums = numbers.map(|n| (n, 1)).reduce_by_key_and_window(5 * SECOND, SECOND, |a, b| a + b);
        sums.filter(|(_, count)| *count > 0).count()
    });
}

pub(crate) fn reduce(case: &Case) {
    slides(case, 1, |numbers: &DStream<i64>| numbers.reduce_by_window(2 * SECOND, SECOND, |a, b| a + b));
}

pub(crate) fn count(case: &Case) {
    slides(case, 1, |numbers: &DStream<i64>| numbers.count_by_window(2 * SECOND, SECOND));
}

pub(crate) fn count_of_five(case: &Case) {
    slides(case, 1, |numbers: &DStream<i64>| numbers.count_by_window(5 * HALF, HALF));
}

pub(crate) fn count_with_gaps(case: &Case) {
    slides(case, 3, |numbers: &DStream<i64>| numbers.count_by_window(2 * SECOND, 3 * SECOND));
}

pub(crate) fn count_by_value(case: &Case) {
    slides(case, 1, |words: &DStream<String>| words.count_by_value_and_window(2 * SECOND, SECOND));
}

pub(crate) fn count_by_value_of_five(case: &Case) {
    slides(case, 1, |numbers: &DStream<i64>| numbers.count_by_value_and_window(5 * HALF, HALF));
}

pub(crate) fn group_by_key(case: &Case) {
    slides(case, 1, |pairs: &DStream<Pair>| pairs.group_by_key_and_window(3 * SECOND, SECOND));
}

pub(crate) fn join_with_its_window(case: &Case) {
    slides(case, 1, |pairs: &DStream<Pair>| pairs.join(&pairs.window(2 * SECOND, SECOND)));
}

pub(crate) fn a_length_that_does_not_fit(case: &Case) {
    let said = "The window duration of windowed DStream (1500 ms) must be a multiple of the slide duration of parent \
                DStream (1000 ms)";
    assert!(case.expected_error().ends_with(said), "{}", case.expected_error());
    mistake(case, |pairs| pairs.window(3 * HALF, None), said);
}

pub(crate) fn a_slide_that_does_not_fit(case: &Case) {
    assert!(case.expected_error().contains("(1500 ms) must be multiple of"), "{}", case.expected_error());
    let said = "The slide duration of windowed DStream (1500 ms) must be a multiple of the slide duration of parent \
                DStream (1000 ms)";
    let draw = |pairs: &DStream<Pair>| {
        pairs.reduce_by_key_and_window_inverse(3 * SECOND, 3 * HALF, |a, b| a + b, |a, b| a - b)
    };
    mistake(case, draw, said);
}

pub(crate) fn neither_fits(case: &Case) {
    let tenth = SECOND / 10;
    let sums = |length, slide| {
        move |pairs: &DStream<Pair>| pairs.reduce_by_key_and_window(length, slide, |a, b| a + b)
    };
    mistake(case, sums(tenth, None), "The window duration of windowed DStream (100 ms)");
    mistake(case, sums(SECOND, Some(tenth)), "The slide duration of windowed DStream (100 ms)");
}

pub(crate) fn union_of_different_slides(case: &Case) {
    let said = "Some of the DStreams have different slide durations";
    assert!(case.expected_error().ends_with(said), "{}", case.expected_error());
    mistake(case, |pairs| pairs.union(&pairs.window(2 * SECOND, 2 * SECOND)), said);
}
