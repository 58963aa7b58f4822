//! What the pages say of the code holds: names, tables, links.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::FILES;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// All files with this ending below a folder; none where the folder is not there.
fn below(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut files = Vec::new();
    for path in entries.map(|entry| entry.unwrap().path()) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            files.extend(below(&path, ending));
        } else if name.ends_with(ending) {
            files.push(path);
        }
    }
    files
}

fn sources(folders: &[&str]) -> String {
    let files = folders.iter().flat_map(|folder| below(&root().join(folder), ".rs"));
    files.map(|file| fs::read_to_string(file).unwrap()).collect()
}

/// The cells of all rows of tables whose header starts with `first`.
fn tables(page: &str, first: &str) -> Vec<Vec<String>> {
    let (mut rows, mut inside) = (Vec::new(), false);
    for line in page.lines() {
        if !line.starts_with('|') {
            inside = false;
        } else if line.starts_with(&format!("| {first} |")) {
            inside = true;
        } else if inside && !line.starts_with("|-") {
            rows.push(line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect());
        }
    }
    assert!(!rows.is_empty(), "no table that starts with {first}");
    rows
}

/// What stands between backticks.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn every_page_stands_in_the_table_of_contents_and_its_snippets_are_tests() {
    let pages: BTreeSet<String> = below(&root().join("docs/src"), ".md")
        .iter()
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .filter(|name| name != "SUMMARY.md")
        .collect();
    let contents = read("docs/src/SUMMARY.md");
    let listed: BTreeSet<String> = links(&contents).map(str::to_owned).collect();
    let tested: BTreeSet<String> =
        FILES.iter().filter_map(|file| file.strip_prefix("src/")).map(str::to_owned).collect();
    assert_eq!(listed, pages);
    assert_eq!(tested, pages);
}

/// Targets of the links to files of a page.
fn links(page: &str) -> impl Iterator<Item = &str> {
    let targets = page.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.starts_with("http") && !target.starts_with('#'))
}

#[test]
fn every_link_to_a_file_finds_it() {
    let mut broken = Vec::new();
    for page in below(root(), ".md") {
        let text = fs::read_to_string(&page).unwrap();
        // Code is no text: `[i](j)` in it is no link.
        let text: String = text.split("```").step_by(2).collect();
        for target in links(&text) {
            let file = page.parent().unwrap().join(target.split('#').next().unwrap());
            if !file.exists() {
                broken.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "links to nowhere:\n{}", broken.join("\n"));
}

#[test]
fn the_page_of_metrics_names_all_of_them_and_no_other() {
    let source = sources(&["core/src", "connectors"]);
    let is_name = |text: &&str| {
        text.starts_with("tidemill_") && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
    };
    let counted: BTreeSet<&str> = source.split('"').filter(is_name).collect();
    let page = read("docs/src/listeners.md");
    let rows = tables(&page, "name");
    let written: BTreeSet<&str> = rows.iter().flat_map(|row| code(&row[0])).collect();
    assert_eq!(written, counted);
}

#[test]
fn every_operator_in_the_tables_exists() {
    let folders = ["core/src/dstream", "core/src/context", "core/src/rdd", "core/src/state", "connectors"];
    let source = sources(&folders);
    let page = read("docs/src/operators.md");
    let rows = tables(&page, "Spark");
    // A name may stand with its type before it, and what it takes behind it.
    let bare = |call: &str| call.split('(').next().unwrap().rsplit("::").next().unwrap().to_owned();
    let names = rows.iter().flat_map(|row| code(&row[1]).map(bare)).filter(|name| !name.contains('-'));
    // `None` stands for a slide, `Option` for what a function returns, and `StateSpec` for itself.
    let methods = names.filter(|name| name.starts_with(|first: char| first.is_ascii_lowercase()));
    let missing: Vec<String> = methods
        .filter(|name| !source.contains(&format!("fn {name}(")) && !source.contains(&format!("fn {name}<")))
        .collect();
    assert!(missing.is_empty(), "no such operator: {}", missing.join(", "));
}

/// Spark's methods of windows and states, and in how many forms each comes: the overloads of Scala, and where arguments
/// have defaults, those that differ in what they do.
const WINDOWS_AND_STATE: &[(&str, usize)] = &[
    ("window", 2),
    ("reduceByWindow", 2),
    ("countByWindow", 1),
    ("countByValueAndWindow", 2),
    ("groupByKeyAndWindow", 4),
    ("reduceByKeyAndWindow", 8),
    ("updateStateByKey", 7),
    ("mapWithState", 2),
    ("stateSnapshots", 1),
    ("StateSpec.function", 1),
    ("StateSpec.initialState", 1),
    ("StateSpec.numPartitions", 1),
    ("StateSpec.partitioner", 1),
    ("StateSpec.timeout", 1),
    ("checkpoint", 2),
];

#[test]
fn every_form_of_sparks_windows_and_states_has_a_row_and_an_answer() {
    let rows = tables(&read("docs/src/operators.md"), "Spark");
    for (method, forms) in WINDOWS_AND_STATE {
        let answers: Vec<&str> = rows
            .iter()
            .filter(|row| code(&row[0]).next().is_some_and(|spark| spark.starts_with(&format!("{method}("))))
            .map(|row| row[1].as_str())
            .collect();
        assert_eq!(answers.len(), *forms, "{method}: {answers:?}");
        assert!(answers.iter().all(|answer| !answer.is_empty()), "{method}: {answers:?}");
    }
}

#[test]
fn every_listener_callback_has_a_row() {
    let source = read("core/src/metrics/listener.rs");
    let written: BTreeSet<String> = tables(&read("docs/src/listeners.md"), "callback")
        .iter()
        .flat_map(|row| own(code(&row[0])))
        .collect();
    let there = source.split("fn on_").skip(1).filter_map(|rest| rest.split('(').next());
    assert_eq!(written, there.map(|name| format!("on_{name}")).collect());
}

fn own<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    names.map(str::to_owned).collect()
}

#[test]
fn the_table_of_rooms_is_the_one_that_is_tested() {
    let plan = read("core/tests/house_plan.rs");
    let rooms = plan.split("const ROOMS").nth(1).unwrap().split("];").next().unwrap();
    let mut tested = BTreeMap::new();
    for line in rooms.lines().filter(|line| line.trim_start().starts_with("(\"")) {
        let mut names = line.split('"').skip(1).step_by(2).map(str::to_owned);
        let room = names.next().unwrap();
        let uses: Vec<String> =
            if line.contains("Above") { vec!["all above".into()] } else { names.collect() };
        tested.insert(room, uses);
    }
    let written: BTreeMap<String, Vec<String>> = tables(&read("ARCHITECTURE.md"), "#")
        .iter()
        .map(|row| {
            let room = code(&row[1]).next().unwrap().to_owned();
            let uses = if row[3] == "all above" { vec![row[3].clone()] } else { own(code(&row[3])) };
            (room, uses)
        })
        .collect();
    assert!(tested.len() > 10, "the table of core/tests/house_plan.rs was not read: {tested:?}");
    assert_eq!(written, tested);
}
