//! Which files are new.

mod support;

use std::fs;
use std::time::Duration;

use support::{Folder, Job};
use tidemill::testing::{local, local_with, run_batches};
use tidemill::{Conf, Event};
use tidemill_file::OnChange;

const LONG_AGO: Duration = Duration::from_secs(1_000);
const NOTHING: [&str; 0] = [];

#[test]
fn what_lies_there_at_the_start_is_left_out_and_what_comes_later_is_read_once() {
    let folder = Folder::new();
    folder.write("old", "old\n");
    let mut job = Job::start(folder.stream());
    folder.write("new", "new\n");
    assert_eq!(job.batch(), ["new"]);
    folder.write("newer", "newer\n");
    assert_eq!(job.batch(), ["newer"]);
    assert_eq!(job.batch(), NOTHING);
}

#[test]
fn what_lies_there_at_the_start_is_read_where_the_setting_asks_for_it() {
    let folder = Folder::new();
    folder.write("a", "a\n");
    let mut job = Job::start(folder.stream().new_files_only(false));
    folder.write("b", "b\n");
    assert_eq!(job.batch_sorted(), ["a", "b"]);
    assert_eq!(job.batch(), NOTHING);
}

#[test]
fn a_file_that_is_moved_in_is_read_however_old_it_is() {
    let (folder, elsewhere) = (Folder::new(), Folder::new());
    elsewhere.write("x", "x\n");
    elsewhere.touch("x", LONG_AGO);
    // Also by default: its content is older than its name, so nobody writes to it.
    let mut job = Job::start(folder.stream().settle(Duration::from_mins(1)));
    fs::rename(elsewhere.at("x"), folder.at("x")).unwrap();
    assert_eq!(job.batch(), ["x"]);
}

#[test]
fn files_come_oldest_first() {
    let folder = Folder::new();
    let mut job = Job::start(folder.stream());
    for (name, age) in [("a", 30), ("b", 10), ("c", 20)] {
        folder.write(name, &format!("{name}\n"));
        folder.touch(name, LONG_AGO + Duration::from_secs(age));
    }
    assert_eq!(job.batch(), ["b", "c", "a"]);
}

#[test]
fn a_file_that_is_touched_and_has_the_same_length_is_not_read_again() {
    let folder = Folder::new();
    folder.write("old", "old\n");
    let mut job = Job::start(folder.stream().on_change(OnChange::Read));
    folder.write("new", "new\n");
    assert_eq!(job.batch(), ["new"]);
    folder.touch("new", LONG_AGO);
    folder.touch("old", LONG_AGO);
    assert_eq!(job.batch(), NOTHING);
    assert_eq!(job.warnings(), NOTHING);
}

#[test]
fn a_file_that_has_changed_is_told_once_with_both_lengths_and_left_alone() {
    let folder = Folder::new();
    let mut job = Job::start(folder.stream());
    folder.write("x", "x\n");
    assert_eq!(job.batch(), ["x"]);
    folder.write("x", "x\nmore\n");
    assert_eq!(job.batch(), NOTHING);
    let warnings = job.warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    let path = folder.at("x").display().to_string();
    for part in [path.as_str(), "had 2 bytes", "has 7 now"] {
        assert!(warnings[0].contains(part), "{warnings:?}");
    }
    folder.write("x", "x\nmore\nand more\n");
    assert_eq!(job.batch(), NOTHING);
    assert_eq!(job.warnings(), NOTHING);
}

#[test]
fn a_file_that_has_changed_is_read_whole_again_where_the_setting_says_so() {
    let folder = Folder::new();
    let mut job = Job::start(folder.stream().on_change(OnChange::Read));
    folder.write("x", "x\n");
    assert_eq!(job.batch(), ["x"]);
    for more in ["x\nmore\n", "y\n"] {
        folder.write("x", more);
        assert_eq!(job.batch(), more.lines().collect::<Vec<_>>());
        assert_eq!(job.warnings().len(), 1);
    }
    assert_eq!(job.batch(), NOTHING);
}

#[test]
fn a_file_that_has_changed_fails_the_batch_where_the_setting_says_so() {
    let folder = Folder::new();
    folder.write("x", "x\n");
    let job = Job::start(folder.stream().on_change(OnChange::Error));
    folder.write("x", "x\nmore\n");
    let error = run_batches(&job.ssc, 1).unwrap_err().chain();
    let path = folder.at("x").display().to_string();
    assert!(error.contains(&path) && error.contains("had 2 bytes") && error.contains("7 now"), "{error}");
}

#[test]
fn a_file_that_was_away_is_the_same_within_the_remember_window_and_new_behind_it() {
    let folder = Folder::new();
    let mut job = Job::start(folder.stream().remember(Duration::from_secs(3)));
    folder.write("x", "x\n");
    assert_eq!(job.batch(), ["x"]);
    folder.remove("x");
    // Gone since the first of these looks, and for 2 s at the last.
    for _ in 0..3 {
        assert_eq!(job.batch(), NOTHING);
    }
    folder.write("x", "x\n");
    assert_eq!(job.batch(), NOTHING);
    folder.remove("x");
    for _ in 0..4 {
        assert_eq!(job.batch(), NOTHING);
    }
    folder.write("x", "y\n");
    assert_eq!(job.batch(), ["y"]);
}

#[test]
fn the_remember_window_is_the_setting_under_sparks_key_too() {
    for key in ["spark.streaming.fileStream.minRememberDuration", "spark.streaming.minRememberDuration"] {
        let folder = Folder::new();
        let conf = Conf::new().set(key, "2").unwrap().batch_interval(Duration::from_secs(1)).unwrap();
        let mut job = Job::start_in(local_with(conf), folder.stream());
        folder.write("x", "x\n");
        assert_eq!(job.batch(), ["x"]);
        folder.remove("x");
        for _ in 0..3 {
            assert_eq!(job.batch(), NOTHING);
        }
        folder.write("x", "x\n");
        assert_eq!(job.batch(), ["x"]);
    }
}

#[test]
fn a_folder_that_goes_takes_its_files_along_and_one_that_cannot_be_looked_at_does_not() {
    let folder = Folder::new();
    let stream = folder.stream().nested(true).new_files_only(false).remember(Duration::ZERO);
    folder.write("sub/x", "x\n");
    let mut job = Job::start(stream);
    assert_eq!(job.batch(), ["x"]);
    fs::rename(folder.at("sub"), folder.at(".away")).unwrap();
    assert_eq!(job.batch(), NOTHING);
    fs::rename(folder.at(".away"), folder.at("sub")).unwrap();
    assert_eq!(job.batch(), ["x"]);
    // A link to itself cannot be looked into, whoever asks.
    let at = folder.path().to_owned();
    let aside = at.with_extension("aside");
    fs::rename(&at, &aside).unwrap();
    std::os::unix::fs::symlink(&at, &at).unwrap();
    assert_eq!(job.batch(), NOTHING);
    let warnings = job.warnings();
    assert!(warnings.len() == 1 && warnings[0].contains("cannot look into"), "{warnings:?}");
    fs::remove_file(&at).unwrap();
    fs::rename(&aside, &at).unwrap();
    assert_eq!(job.batch(), NOTHING);
}

#[test]
fn an_empty_file_is_none_until_something_is_written_to_it() {
    let folder = Folder::new();
    folder.write("there", "");
    let mut job = Job::start(folder.stream());
    folder.write("late", "");
    assert_eq!(job.batch(), NOTHING);
    folder.write("there", "there\n");
    folder.write("late", "late\n");
    assert_eq!(job.batch_sorted(), ["late", "there"]);
}

#[test]
fn a_file_that_still_changes_waits_until_it_is_at_rest() {
    let folder = Folder::new();
    let mut job = Job::start(folder.stream().settle(Duration::from_secs(1)));
    folder.write("x", "a\n");
    assert_eq!(job.batch(), NOTHING);
    folder.write("x", "a\nb\n");
    assert_eq!(job.batch(), NOTHING);
    // The same length, and another time.
    folder.touch("x", LONG_AGO);
    assert_eq!(job.batch(), NOTHING);
    assert_eq!(job.batch(), ["a", "b"]);
    assert_eq!(job.batch(), NOTHING);
}

#[test]
#[allow(clippy::disallowed_methods, reason = "the system's news come when they come")]
fn a_file_that_was_closed_need_not_settle_where_the_system_tells_of_it() {
    let folder = Folder::new();
    let mut job = Job::start(folder.stream().settle(Duration::from_hours(10_000)).watch(true));
    folder.write("x", "x\n");
    let began = std::time::Instant::now();
    while job.batch().is_empty() {
        assert!(began.elapsed() < support::PATIENCE, "nothing was told");
    }
    assert_eq!(job.warnings(), NOTHING);
}

#[test]
fn the_batch_names_its_files_and_only_those() {
    let folder = Folder::new();
    folder.write("old", "old\n");
    let mut job = Job::start(folder.stream());
    job.batch();
    folder.write("a", "a\n");
    folder.write("b", "b\n");
    job.batch();
    let described: Vec<String> =
        job.batches().iter().map(|batch| batch.inputs[0].description.clone()).collect();
    let paths = [folder.at("a"), folder.at("b")].map(|path| path.display().to_string());
    assert_eq!(described, ["", &paths.join("\n")]);
}

#[test]
fn a_limited_batch_takes_the_oldest_files_and_the_others_come_with_the_next() {
    let folder = Folder::new();
    for (name, age) in [("a", 40), ("b", 10), ("c", 30), ("d", 20)] {
        folder.write(name, &format!("{name:>15}\n"));
        folder.touch(name, LONG_AGO + Duration::from_secs(age));
    }
    // The first rate is for the first batch, and nobody estimates another one for files.
    let conf = Conf::new().set("spark.streaming.backpressure.initialRate", "2").unwrap();
    let ssc = local_with(conf.batch_interval(Duration::from_secs(1)).unwrap());
    let mut job = Job::start_in(ssc, folder.stream().new_files_only(false));
    let mut batches = || -> Vec<String> { job.batch().iter().map(|line| line.trim().to_owned()).collect() };
    assert_eq!(batches(), ["b", "d"]);
    assert_eq!(batches(), ["c", "a"]);
    assert!(batches().is_empty());
}

#[test]
fn a_filter_that_panics_stops_the_job_with_its_text() {
    let folder = Folder::new();
    let ssc = local(1);
    let job = Job::start_in(ssc, folder.stream().filter(|path| panic!("what is {}?", path.display())));
    folder.write("x", "x\n");
    let error = run_batches(&job.ssc, 1).unwrap_err().chain();
    assert!(error.contains("the filter of a file stream") && error.contains("what is /"), "{error}");
}

#[test]
fn a_file_that_goes_between_the_look_and_the_reading_is_reported_with_its_path() {
    let folder = Folder::new();
    let path = folder.at("x");
    let ssc = local(1);
    let stream = tidemill_file::FileStreams::file_stream(&ssc, folder.stream());
    let going = path.clone();
    let stream = stream.transform(move |rdd| {
        // After the plan, and before any task.
        let _ = fs::remove_file(&going);
        rdd
    });
    let lines = tidemill::testing::collect_batches(&stream);
    let (sender, events) = std::sync::mpsc::channel();
    ssc.add_streaming_listener(Rejected(sender));
    ssc.start().unwrap();
    folder.write("x", "x\n");
    folder.write("y", "y\n");
    run_batches(&ssc, 1).unwrap();
    assert_eq!(lines.batches(), [vec![tidemill::Text::from("y")]]);
    let Event::RecordsRejected { records, reason, .. } = events.try_recv().unwrap() else { unreachable!() };
    assert!(records == 1 && reason.contains(&path.display().to_string()), "{reason}");
}

struct Rejected(std::sync::mpsc::Sender<Event>);

impl tidemill::StreamingListener for Rejected {
    fn on_event(&self, event: &Event) {
        if let Event::RecordsRejected { .. } = event {
            let _ = self.0.send(event.clone());
        }
    }
}
