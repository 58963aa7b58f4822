//! The cases of Spark's file streams, and where tidemill differs.

mod support;

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use support::{Folder, Job, at_once};
use tidemill::testing::local_every;
use tidemill_file::FileStream;

/// What Spark does with an input.
#[derive(Deserialize)]
struct Case {
    suite: String,
    #[serde(rename = "case")]
    name: String,
    batch_ms: u64,
    input: Value,
    expected: Value,
    #[serde(default)]
    facts: Value,
}

impl Case {
    fn find(suite: &str, name: &str) -> Self {
        let all = include_str!("../../../core/tests/fixtures/spark-fixtures.json");
        let all: Vec<Value> = serde_json::from_str(all).unwrap();
        let case = all.into_iter().find(|case| case["suite"] == suite && case["case"] == name);
        let case: Case = serde_json::from_value(case.unwrap()).unwrap();
        assert_eq!((case.suite.as_str(), case.name.as_str()), (suite, name));
        case
    }

    fn start(&self, stream: FileStream<tidemill_file::TextLines>) -> Job {
        Job::start_in(local_every(2, Duration::from_millis(self.batch_ms)), stream)
    }

    fn batches(&self) -> Vec<Vec<String>> {
        serde_json::from_value(self.expected.clone()).unwrap()
    }

    fn strings(value: &Value) -> Vec<String> {
        serde_json::from_value(value.clone()).unwrap()
    }
}

#[test]
fn only_files_that_come_behind_the_start_are_read() {
    let case = Case::find("InputStreamsSuite", "file newFilesOnly=true");
    let folder = Folder::new();
    let files = Case::strings(&case.input);
    let (existing, new) = files.split_first().unwrap();
    folder.write(existing.strip_suffix("(existing)").unwrap(), "0\n");
    folder.touch("0", Duration::from_secs(10));
    let mut job = case.start(folder.stream());
    let mut lines = Vec::new();
    for (file, clock) in new.iter().zip((12..).step_by(2)) {
        folder.write(file, &format!("{file}\n"));
        folder.touch(file, Duration::from_secs(clock));
        lines.extend(job.batch());
    }
    assert_eq!([lines], *case.batches());
}

#[test]
fn a_glob_of_folders_reads_the_files_in_them_and_not_those_beside_them() {
    let case = Case::find("InputStreamsSuite", "file wildcard");
    let folder = Folder::new();
    let mut job = case.start(at_once(FileStream::text(folder.at("*/"))));
    let mut lines = Vec::new();
    for of_folder in Case::strings(&case.input) {
        let (name, range) = of_folder.split_once(':').unwrap();
        let (from, to) = range.split_once("..").unwrap();
        for n in from.parse::<u32>().unwrap()..=to.parse().unwrap() {
            folder.write(&format!("{name}/{n}"), &format!("{n}\n"));
            folder.write(&format!("beside-{n}"), "beside\n");
            lines.extend(job.batch());
        }
    }
    assert_eq!([lines], *case.batches());
}

#[test]
fn odd_names_neither_fail_a_batch_nor_come_twice() {
    let case = Case::find("observed on real PySpark 3.5.6", "file stream odd names");
    let folder = Folder::new();
    folder.write("old.txt", "old\n");
    folder.touch("old.txt", Duration::from_secs(10));
    let (mut flat, mut nested) = (case.start(folder.stream()), case.start(folder.stream().nested(true)));
    folder.write("a.txt", "a1\na2\n");
    folder.write(".hidden", "hidden\n");
    folder.write("empty.txt", "");
    folder.write("sub/s.txt", "s\n");
    let (first, second) = (flat.batch(), nested.batch_sorted());
    // Spark reads the files of a new folder as if it were a file; here a setting says it, for all folders.
    assert_eq!(case.facts["subdirectory"], "its files are read");
    assert_eq!(first, ["a1", "a2"]);
    let mut sparks = case.batches()[0].clone();
    sparks.sort_unstable();
    assert_eq!(second, sparks);
    // An append is ignored in both.
    assert_eq!(case.facts["append"], "ignored");
    folder.write("a.txt", "a1\na2\na3\n");
    // Spark reads an old file that was touched.
    assert_eq!(case.facts["touch_old"], "read as new");
    folder.touch("old.txt", Duration::from_secs(1_000_000_000));
    // Spark fails the batch.
    assert!(case.facts["underscore"].as_str().unwrap().contains("that batch is lost"));
    folder.write("_under", "under\n");
    for job in [&mut flat, &mut nested] {
        assert_eq!(job.batch(), [""; 0]);
    }
}
