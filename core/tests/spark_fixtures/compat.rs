//! COMPAT.md: where tidemill differs on purpose, and which cases of the fixtures that concerns.

use std::fs;
use std::path::{Path, PathBuf};

/// A row of one of its tables.
pub(crate) struct Row {
    /// `file::test`, several by `;`; none for what tidemill does not have.
    pub(crate) tests: Vec<String>,
    /// `suite / case`, several by `;`; `*` for all cases of a suite.
    pub(crate) cases: Vec<(String, String)>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// All rows: lines of four columns, the heads of the tables left out.
pub(crate) fn rows() -> Vec<Row> {
    parse(&fs::read_to_string(root().join("COMPAT.md")).unwrap())
}

fn parse(text: &str) -> Vec<Row> {
    let lines = text.lines().filter(|line| line.starts_with('|') && !line.starts_with("|-"));
    let rows = lines.map(|line| line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>());
    rows.filter(|cells| cells[0] != "Spark")
        .map(|cells| {
            let [_, _, tests, cases] = cells[..] else { panic!("four columns, not {cells:?}") };
            Row { tests: listed(tests), cases: listed(cases).iter().map(|case| named(case)).collect() }
        })
        .collect()
}

fn listed(cell: &str) -> Vec<String> {
    cell.split(';')
        .map(|item| item.trim().trim_matches('`').to_owned())
        .filter(|item| !item.is_empty())
        .collect()
}

fn named(case: &str) -> (String, String) {
    let (suite, case) = case.split_once(" / ").unwrap_or_else(|| panic!("`suite / case`, not {case:?}"));
    (suite.to_owned(), case.to_owned())
}

/// Whether a test that a row names stands where it says.
pub(crate) fn is_there(test: &str) -> bool {
    let Some((file, name)) = test.split_once("::") else { return false };
    let text = fs::read_to_string(root().join(file)).unwrap_or_default();
    // A property has its arguments between the parentheses.
    [format!("#[test]\nfn {name}("), format!("#[test]\n    fn {name}(")]
        .iter()
        .any(|test| text.contains(test))
}

#[test]
fn a_row_names_its_tests_and_its_cases() {
    let text = "| Spark | tidemill | Test | Cases |\n|---|---|---|---|\n| a | b | `x.rs::y`; `z.rs::w` | S / c; T / * |\n| a | b | | |\n";
    let rows = parse(text);
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0].tests, ["x.rs::y", "z.rs::w"]);
    let case = |suite: &str, case: &str| (suite.to_owned(), case.to_owned());
    assert_eq!(rows[0].cases, [case("S", "c"), case("T", "*")]);
    assert!(rows[1].tests.is_empty() && rows[1].cases.is_empty());
}

#[test]
fn a_test_that_is_not_there_is_missed() {
    assert!(is_there("core/tests/spark_fixtures/compat.rs::a_test_that_is_not_there_is_missed"));
    assert!(!is_there("core/tests/spark_fixtures/compat.rs::a_test_that_was_dropped"));
    assert!(!is_there("core/tests/nowhere.rs::a_row_names_its_tests_and_its_cases"));
}
