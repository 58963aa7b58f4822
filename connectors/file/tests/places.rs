//! Where files are looked for: names, folders within folders, links, globs, and what cannot be looked at.

mod support;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;

use support::{Folder, Job, at_once};
use tidemill::testing::{collect_batches, local, members, run_batches};
use tidemill::{Text, keys};
use tidemill_file::{FileStream, FileStreams as _};

const NOTHING: [&str; 0] = [];

#[test]
fn names_that_begin_with_a_dot_or_an_underscore_are_left_alone() {
    let folder = Folder::new();
    let mut job = Job::start(folder.stream().nested(true));
    for name in ["_x", ".x", "_temporary/part", ".git/part", "sub/_SUCCESS", "sub/part", "x"] {
        folder.write(name, &format!("{name}\n"));
    }
    assert_eq!(job.batch_sorted(), ["sub/part", "x"]);
}

#[test]
fn folders_within_are_read_only_where_the_setting_says_so() {
    let folder = Folder::new();
    let (mut flat, mut nested) = (Job::start(folder.stream()), Job::start(folder.stream().nested(true)));
    for name in ["x", "a/y", "a/b/z"] {
        folder.write(name, &format!("{name}\n"));
    }
    assert_eq!(flat.batch(), ["x"]);
    assert_eq!(nested.batch_sorted(), ["a/b/z", "a/y", "x"]);
    assert_eq!(nested.batch(), NOTHING);
}

#[test]
fn links_to_files_are_followed_and_links_to_folders_never_loop() {
    let (folder, elsewhere) = (Folder::new(), Folder::new());
    elsewhere.write("x", "x\n");
    let mut job = Job::start(folder.stream().nested(true));
    folder.write("sub/y", "y\n");
    symlink(elsewhere.at("x"), folder.at("link")).unwrap();
    symlink(folder.path(), folder.at("sub/loop")).unwrap();
    symlink(folder.at("nowhere"), folder.at("broken")).unwrap();
    assert_eq!(job.batch_sorted(), ["x", "y"]);
    assert_eq!(job.warnings(), NOTHING);
    // What it leads to counts.
    elsewhere.write("x", "x\nmore\n");
    assert_eq!(job.batch(), NOTHING);
    assert_eq!(job.warnings().len(), 1);
}

#[test]
fn a_file_that_cannot_be_looked_at_is_told_once_and_the_others_are_read() {
    let folder = Folder::new();
    let mut job = Job::start(folder.stream());
    folder.write("x", "x\n");
    symlink(folder.at("itself"), folder.at("itself")).unwrap();
    assert_eq!(job.batch(), ["x"]);
    assert_eq!(job.batch(), NOTHING);
    let warnings = job.warnings();
    assert!(warnings.len() == 1 && warnings[0].contains("itself"), "{warnings:?}");
}

#[test]
fn a_missing_folder_is_told_once_and_read_when_it_is_there() {
    let folder = Folder::new();
    let mut job = Job::start(at_once(FileStream::text(folder.at("later"))));
    assert_eq!(job.batch(), NOTHING);
    assert_eq!(job.batch(), NOTHING);
    let warnings = job.warnings();
    assert!(warnings.len() == 1 && warnings[0].contains("there is no folder"), "{warnings:?}");
    folder.write("later/x", "x\n");
    assert_eq!(job.batch(), ["x"]);
}

#[test]
fn a_pipe_is_no_file() {
    let folder = Folder::new();
    let mut job = Job::start(folder.stream());
    nix::unistd::mkfifo(&folder.at("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    folder.write("x", "x\n");
    assert_eq!(job.batch(), ["x"]);
}

#[test]
fn a_glob_names_folders_and_the_files_that_its_last_part_matches() {
    let folder = Folder::new();
    let at = |glob: &str| at_once(FileStream::text(folder.at(glob)));
    let mut all = Job::start(at("*"));
    let mut folders = Job::start(at("*/"));
    let mut logs = Job::start(at("20*/*.log"));
    let mut deep = Job::start(at("{2026,2027}/data"));
    let mut one = Job::start(at("stray.log"));
    for name in ["stray.log", "2026/a.log", "2026/a.txt", "2026/data/b.log", "old/c.log"] {
        folder.write(name, &format!("{name}\n"));
    }
    assert_eq!(all.batch_sorted(), ["2026/a.log", "2026/a.txt", "old/c.log", "stray.log"]);
    assert_eq!(folders.batch_sorted(), ["2026/a.log", "2026/a.txt", "old/c.log"]);
    assert_eq!(logs.batch_sorted(), ["2026/a.log"]);
    assert_eq!(deep.batch_sorted(), ["2026/data/b.log"]);
    assert_eq!(one.batch_sorted(), ["stray.log"]);
    for job in [&mut all, &mut folders, &mut logs, &mut deep, &mut one] {
        assert_eq!(job.batch(), NOTHING);
    }
    // A folder that comes later matches too.
    folder.write("2027/data/d", "d\n");
    assert_eq!(deep.batch(), ["d"]);
}

#[test]
fn a_path_that_cannot_be_read_does_not_start() {
    let ssc = local(1);
    ssc.text_file_stream("/in/[a").print();
    let error = ssc.start().unwrap_err().chain();
    assert!(error.contains("/in/[a"), "{error}");
}

#[test]
fn a_filter_chooses_by_the_whole_path() {
    let folder = Folder::new();
    let mut job = Job::start(folder.stream().nested(true).filter(|path| path.ends_with("sub/x")));
    for name in ["x", "sub/x", "sub/y"] {
        folder.write(name, &format!("{name}\n"));
    }
    assert_eq!(job.batch(), ["sub/x"]);
}

#[test]
fn a_name_that_is_no_text_is_as_good_as_any() {
    let folder = Folder::new();
    let mut job = Job::start(folder.stream());
    fs::write(folder.path().join(OsStr::from_bytes(b"\xff\xfe")), "x\n").unwrap();
    assert_eq!(job.batch(), ["x"]);
    assert_eq!(job.batch(), NOTHING);
}

#[test]
fn a_large_file_is_read_in_several_partitions_and_each_line_once() {
    let folder = Folder::new();
    let ssc = local(2);
    let lines = ssc.file_stream(folder.stream().part_bytes(100));
    let parts = collect_batches(&lines.glom());
    ssc.start().unwrap();
    let content: Vec<String> = (0..100).map(|n| n.to_string()).collect();
    folder.write("x", &content.join("\n"));
    run_batches(&ssc, 1).unwrap();
    let parts: Vec<Vec<Text>> = parts.batches().remove(0);
    assert_eq!(parts.len(), 3);
    assert!(parts.iter().all(|part| !part.is_empty()), "{parts:?}");
    assert_eq!(parts.concat(), content);
}

#[test]
fn records_of_a_fixed_length_come_as_bytes() {
    let folder = Folder::new();
    let ssc = local(2);
    let records = collect_batches(&ssc.binary_records_stream(folder.path(), 3).map(|record| record.to_vec()));
    ssc.start().unwrap();
    folder.write(".tmp", "abcdef");
    folder.touch(".tmp", std::time::Duration::from_secs(1));
    fs::rename(folder.at(".tmp"), folder.at("x")).unwrap();
    run_batches(&ssc, 1).unwrap();
    assert_eq!(records.batches(), [[b"abc".to_vec(), b"def".to_vec()]]);
}

#[test]
fn three_members_share_the_files_and_each_line_comes_once() {
    let folder = Folder::new();
    let mut all: Vec<String> = (0..50).map(|n| n.to_string()).collect();
    all.sort_unstable();
    all.iter().for_each(|n| folder.write(n, &format!("{n}\n")));
    let stream = folder.stream().new_files_only(false);
    let results = members(3, 2, move |ssc| {
        assert_eq!(ssc.conf().get_typed(keys::FILE_MIN_REMEMBER), std::time::Duration::from_mins(1));
        let lines = collect_batches(&ssc.file_stream(stream.clone()));
        run_batches(ssc, 2).unwrap();
        lines.batches()
    });
    for batches in results {
        let mut first: Vec<String> = batches[0].iter().map(ToString::to_string).collect();
        first.sort_unstable();
        assert_eq!(first, all);
        assert!(batches[1].is_empty());
    }
}
