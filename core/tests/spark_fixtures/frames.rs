//! What `pprint` prints: seen by a process of its own, as standard output is nobody's else.

use std::process::Command;

use tidemill::testing::{input_batches, local, run_batches};

use super::case::Case;

/// Set in the process that prints.
const PRINTS: &str = "TIDEMILL_TEST_PRINTS";

/// Prints and ends, in the process that was started for it.
pub(crate) fn print_if_asked() {
    if std::env::var_os(PRINTS).is_some() {
        let ssc = local(2);
        input_batches(&ssc, 2, vec![(0..12).collect()]).pprint();
        run_batches(&ssc, 1).unwrap();
        std::process::exit(0);
    }
}

pub(crate) fn more_than_ten(case: &Case) {
    let mut printer = Command::new(std::env::current_exe().unwrap());
    printer.args([super::TEST, "--exact", "--nocapture"]).env(PRINTS, "1");
    let printed = String::from_utf8(printer.output().unwrap().stdout).unwrap();
    let header = "Time: 1000 ms\n-------------------------------------------\n";
    let (_, frame) = printed.split_once(header).unwrap_or_else(|| panic!("no frame in {printed:?}"));
    let lines: Vec<&str> = frame.lines().collect();
    assert_eq!(lines, Case::read::<Vec<String>>(&case.facts["lines_after_header"]));
}
