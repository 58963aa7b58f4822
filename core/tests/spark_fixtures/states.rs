//! States of keys against what Spark gives.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tidemill::testing::{collect_batches, input_batches, run_batches};
use tidemill::{DStream, State, StateSpec};

use super::case::Case;

type Word = String;

fn ones(words: &DStream<Word>) -> DStream<(Word, i64)> {
    words.map(|word| (word, 1))
}

fn sum(values: impl Iterator<Item = i64>, state: Option<i64>) -> i64 {
    values.sum::<i64>() + state.unwrap_or(0)
}

fn given(case: &Case) -> StateSpec<Word, i64> {
    StateSpec::new().initial_state(Case::read::<Vec<(Word, i64)>>(&case.initial_state))
}

pub(crate) fn update(case: &Case) {
    case.one(|words| ones(words).update_state_by_key_with(given(case), |new, state| Some(sum(new, state))));
}

pub(crate) fn update_all_keys_at_once(case: &Case) {
    case.one(|words| {
        ones(words).update_state_by_key_iter(given(case), |known| {
            known.map(|(word, new, state)| (word, sum(new.into_iter(), state)))
        })
    });
}

pub(crate) fn the_life_of_a_state(case: &Case) {
    #[derive(Clone, PartialEq, Serialize, Deserialize)]
    struct Counted {
        counter: i64,
        expire: u32,
    }
    // A batch in which the parent has no Rdd is one without records: the function is called all the same.
    let batches: Vec<Option<Vec<Word>>> = Case::read(&case.input);
    let batches = batches.into_iter().map(Option::unwrap_or_default).collect();
    let ssc = case.context();
    let counted = {
        let counted =
            ones(&input_batches(&ssc, 2, batches)).update_state_by_key(|new, state: Option<Counted>| {
                let mut state = state.unwrap_or(Counted { counter: 0, expire: 0 });
                if new.len() == 0 {
                    state.expire += 1;
                } else {
                    state = Counted { counter: state.counter + new.sum::<i64>(), expire: 0 };
                }
                (state.expire < 2).then_some(state)
            });
        counted.map(|(word, state)| (word, state.counter))
    };
    case.run(&ssc, &counted);
}

pub(crate) fn a_key_that_is_deleted_may_come_again(case: &Case) {
    case.one(|words| {
        ones(words).update_state_by_key(|new, state: Option<i64>| (new.len() > 0).then(|| sum(new, state)))
    });
}

fn count(state: &mut State<'_, i64>, more: Option<i64>) -> i64 {
    let counted = state.get().unwrap_or(&0) + more.unwrap_or(0);
    if !state.is_timing_out() {
        state.update(counted);
    }
    counted
}

/// Runs with what is expected of the snapshots too.
fn with_snapshots<E: tidemill::Wire + Serialize>(
    case: &Case,
    f: impl Fn(&Word, Option<i64>, &mut State<'_, i64>) -> Option<E> + Send + Sync + 'static,
) {
    let ssc = case.context();
    let mapped = ones(&Case::stream(&ssc, &case.input)).map_with_state(StateSpec::new(), f);
    let snapshots = collect_batches(&mapped.state_snapshots());
    case.run(&ssc, &mapped.flat_map(|one| one));
    let expected: Vec<Vec<(Word, i64)>> = Case::read(&case.expected_state_snapshots);
    let mut got = snapshots.batches();
    got.iter_mut().for_each(|states| states.sort());
    assert_eq!(got, expected);
}

pub(crate) fn mapped_values(case: &Case) {
    with_snapshots(case, |word, value, state| {
        count(state, value);
        Some(format!("{word}{word}"))
    });
}

pub(crate) fn removed_states(case: &Case) {
    with_snapshots(case, |word, _, state| {
        if state.exists() {
            state.remove();
            return Some(word.clone());
        }
        state.update(1);
        None
    });
}

pub(crate) fn timing_out(case: &Case) {
    let ssc = case.context();
    let mut batches: Vec<Vec<Word>> = Case::read(&case.input);
    batches.truncate(Case::read(&case.facts["batches_run"]));
    let count = batches.len() as u64;
    let spec = StateSpec::new().timeout(Duration::from_secs(3));
    let mapped = ones(&input_batches(&ssc, 2, batches)).map_with_state(spec, |word, _, state| {
        if state.is_timing_out() {
            return Some(word.clone());
        }
        state.update(1);
        None
    });
    let (over, states) =
        (collect_batches(&mapped.flat_map(|one| one)), collect_batches(&mapped.state_snapshots()));
    run_batches(&ssc, count).unwrap();
    let mut over = over.batches().concat();
    over.sort();
    assert_eq!(json!(over), case.facts["all_outputs_over_run_sorted"]);
    let mut states: Vec<Vec<(Word, i64)>> = states.batches();
    states.iter_mut().for_each(|states| states.sort());
    assert_eq!(json!(states.last()), case.facts["last_snapshot"]);
    assert!(states.iter().any(|states| json!(states) == case.facts["some_snapshot"]));
}

/// A sum; at its end the word, the time, and where `with_sum` the sum.
fn timed(case: &Case, with_sum: bool, only_once: bool) {
    case.one(|words: &DStream<Word>| {
        let spec = StateSpec::new().timeout(Duration::from_secs(3));
        let mapped = ones(words).map_with_state_at(spec, move |time, word, value, state| {
            let over = state.is_timing_out();
            if !only_once || !state.exists() || over {
                let sum = count(state, value);
                let sum = if with_sum { format!("={sum}") } else { String::new() };
                return over.then(|| format!("{word}!{}{sum}", time.as_millis()));
            }
            None
        });
        mapped.flat_map(|one| one)
    });
}

pub(crate) fn timeouts(case: &Case) {
    timed(case, true, false);
}

pub(crate) fn a_look_keeps_a_key(case: &Case) {
    timed(case, false, true);
}

pub(crate) fn a_removed_key_comes_again_in_its_batch(case: &Case) {
    case.one(|words: &DStream<Word>| {
        let mapped = ones(words).map_with_state(StateSpec::<Word, i64>::new(), |_, _, state| {
            if state.exists() {
                state.remove();
                "rm".to_string()
            } else {
                state.update(1);
                "new".to_string()
            }
        });
        DStream::clone(&mapped)
    });
}

pub(crate) fn an_update_behind_a_remove(case: &Case) {
    let ssc = case.context();
    let mapped = ones(&Case::stream(&ssc, &case.input)).map_with_state(StateSpec::new(), |_, _, state| {
        state.update(1);
        state.remove();
        state.update(2);
    });
    let _out = collect_batches(&mapped);
    let error = run_batches(&ssc, 1).unwrap_err().chain();
    let words = case.expected_error().replace("requirement failed: ", "");
    assert!(error.contains(&words), "{error}");
}

/// One key with a state since the first batch, and commands for it in the second.
pub(crate) fn one_record(case: &Case) {
    let facts = &case.facts;
    let init: Vec<i64> = Case::read(&facts["init"]);
    let commands: Vec<String> = Case::read(&facts["data"]);
    let ssc = case.context();
    let mut spec = StateSpec::new().initial_state(init.iter().map(|state| ("key".to_string(), *state)));
    if let Some(threshold) = facts["threshold"].as_u64() {
        spec = spec.timeout(Duration::from_millis(2000 - threshold));
    }
    let called = Arc::new(Mutex::new((0, Vec::new(), Vec::new())));
    let calls = Arc::clone(&called);
    let batches = vec![vec![], commands.into_iter().map(|command| ("key".to_string(), command)).collect()];
    let mapped = input_batches(&ssc, 2, batches).map_with_state(spec, move |_, command, state| {
        let mut called = calls.lock().unwrap();
        called.0 += 1;
        match command.as_deref() {
            Some("get-state") => return Some(state.get().copied().unwrap_or(-1)),
            Some("update-state") => {
                let next = state.get().map_or(0, |state| state + 1);
                state.update(next);
            }
            Some("remove-state") => {
                called.1.extend(state.get().copied());
                state.remove();
            }
            Some(_) => {}
            None => called.2.extend(state.get().copied()),
        }
        None
    });
    let out = collect_batches(&mapped.flat_map(|one| one));
    let states = collect_batches(&mapped.state_snapshots());
    run_batches(&ssc, 2).unwrap();
    let called = called.lock().unwrap();
    let left: Vec<i64> = states.batches()[1].iter().map(|(_, state)| *state).collect();
    let expected: Vec<(i64, u64)> = Case::read(&facts["states"]);
    assert_eq!(left, expected.iter().map(|(state, _)| *state).collect::<Vec<_>>());
    let told = |fact: &str, got: Value| assert!(facts[fact].is_null() || facts[fact] == got, "{fact}: {got}");
    told("output", json!(out.batches()[1]));
    told("removed", json!(called.1));
    told("timing_out", json!(called.2));
    told("called", json!(called.0 > 0));
}

pub(crate) fn the_life_of_a_state_object(case: &Case) {
    assert!(case.facts["new"].is_string(), "the steps are told in words");
    let ssc = case.context();
    let spec = StateSpec::new().timeout(Duration::from_secs(1));
    let seen = ones(&input_batches(&ssc, 1, vec![vec!["a".to_string(), "a".to_string()]])).map_with_state(
        spec,
        |_, _, state| {
            let mut seen = vec![(state.exists(), state.get().copied(), state.is_timing_out())];
            if !state.is_timing_out() {
                state.update(2);
                seen.push((state.exists(), state.get().copied(), state.is_timing_out()));
                state.remove();
                seen.push((state.exists(), state.get().copied(), state.is_timing_out()));
            }
            seen
        },
    );
    let seen = collect_batches(&seen);
    run_batches(&ssc, 1).unwrap();
    let life = vec![(false, None, false), (true, Some(2), false), (false, None, false)];
    assert_eq!(seen.batches(), [[life.clone(), life]]);
}
