//! What was read from Spark and seen of it, case by case: tidemill does the same, or says in COMPAT.md why not.

#![allow(clippy::disallowed_methods, reason = "senders of a receiver's own, and no threads of a job")]

#[path = "spark_fixtures/case.rs"]
mod case;
#[path = "spark_fixtures/compat.rs"]
mod compat;
#[path = "spark_fixtures/engine.rs"]
mod engine;
#[path = "spark_fixtures/frames.rs"]
mod frames;
#[path = "spark_fixtures/later.rs"]
mod later;
#[path = "spark_fixtures/operators.rs"]
mod operators;
#[path = "spark_fixtures/receivers.rs"]
mod receivers;
#[path = "spark_fixtures/rates.rs"]
mod rates;
#[path = "spark_fixtures/runs.rs"]
mod runs;
#[path = "spark_fixtures/windows.rs"]
mod windows;
#[path = "spark_fixtures/states.rs"]
mod states;

use std::panic::catch_unwind;

use case::Case;

/// The test that runs all cases; `frames` starts it in a process of its own.
const TEST: &str = "every_case_that_tidemill_has_the_parts_for_does_as_spark_does";

#[test]
fn every_case_that_tidemill_has_the_parts_for_does_as_spark_does() {
    frames::print_if_asked();
    let mut failed = Vec::new();
    for case in case::all() {
        let run = runs::RUNS.iter().find(|(suite, name, _)| is(&case, suite, name));
        if let Some((suite, name, run)) = run
            && catch_unwind(|| run(&case)).is_err()
        {
            failed.push(format!("{suite} / {name}"));
        }
    }
    assert!(failed.is_empty(), "these cases failed, see above: {failed:#?}");
}

#[test]
fn each_case_has_exactly_one_place_and_each_row_names_a_case() {
    let cases = case::all();
    assert!(cases.len() > 100);
    let rows = compat::rows();
    let differing: Vec<(&str, &str)> =
        rows.iter().flat_map(|row| &row.cases).map(|(suite, case)| (suite.as_str(), case.as_str())).collect();
    let runs = runs::RUNS.iter().map(|(suite, case, _)| (*suite, *case));
    let elsewhere = runs::ELSEWHERE.iter().map(|(suite, case, _)| (*suite, *case));
    let later = later::LATER.iter().map(|(_, suite, case)| (*suite, *case));
    let named: Vec<(&str, &str)> = runs.chain(elsewhere).chain(later).chain(differing).collect();
    let mut faults = Vec::new();
    for case in &cases {
        let places = named.iter().filter(|(suite, name)| is(case, suite, name)).count();
        if places != 1 {
            faults.push(format!("{} / {} stands in {places} places", case.suite, case.name));
        }
    }
    for (suite, name) in &named {
        if !cases.iter().any(|case| is(case, suite, name)) {
            faults.push(format!("there is no case {suite} / {name}"));
        }
    }
    assert!(
        faults.is_empty(),
        "a case runs, waits in `later`, or stands in COMPAT.md:\n{}",
        faults.join("\n")
    );
}

#[test]
fn each_difference_and_each_case_that_runs_elsewhere_is_proved_by_a_test() {
    let mut tests: Vec<String> = compat::rows().into_iter().flat_map(|row| row.tests).collect();
    tests.extend(runs::ELSEWHERE.iter().map(|(_, _, test)| (*test).to_owned()));
    let missing: Vec<&String> = tests.iter().filter(|test| !compat::is_there(test)).collect();
    assert!(missing.is_empty(), "these tests are not there: {missing:#?}");
    assert!(!tests.is_empty());
}

fn is(case: &Case, suite: &str, name: &str) -> bool {
    case.suite == suite && (case.name == name || name == "*")
}
