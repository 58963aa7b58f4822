//! A process that is killed in the middle of its batches: each batch is in the files whole or not at all.

#![allow(
    clippy::disallowed_methods,
    reason = "the kill must come at any moment, so real processes are the point"
)]

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use tidemill::{Changes, MemoryStorage, Put, PutMode, Storage as _};
use tidemill_state_rocksdb::RocksDbStorage;

use self::support::{ALL, Model, Opened, batch, group, scanned};

/// Where the child works.
const FOLDER: &str = "TIDEMILL_KILL_TEST_FOLDER";

/// Keys of a batch: half of them are those of each batch, half its own, removed again some batches later.
const KEYS: u64 = 400;

/// What a batch with this number changes: enough that some tens of batches fill a write buffer.
fn delta(number: u64) -> Vec<Changes> {
    let mut changes = Changes::new();
    for key in 0..KEYS {
        let group = group((key % 128) as u8);
        changes.put(group, &key.to_be_bytes(), &[number as u8; 60]);
        changes.put(group, &(number * KEYS + key).to_be_bytes(), &number.to_be_bytes());
        if number > 10 {
            changes.remove(group, &((number - 10) * KEYS + key).to_be_bytes());
        }
    }
    vec![changes]
}

/// What the batches up to this one make.
fn expected(number: u64) -> Model {
    let mut all: BTreeMap<(u8, Vec<u8>), Vec<u8>> = Model::new();
    for change in (1..=number).flat_map(delta).flat_map(|delta| {
        let owned = delta.iter().map(|c| (c.group.index(), c.key.to_vec(), c.value.map(<[u8]>::to_vec)));
        owned.collect::<Vec<_>>()
    }) {
        let (group, key, value) = change;
        match value {
            Some(value) => all.insert((group, key), value),
            None => all.remove(&(group, key)),
        };
    }
    all
}

/// This program again, as the child that a test of this name is.
fn child(name: &str, folder: &Path) -> (Child, impl Iterator<Item = u64> + use<>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap());
    (child, numbers(lines))
}

/// The numbers that a child says it has done.
fn numbers(lines: BufReader<ChildStdout>) -> impl Iterator<Item = u64> {
    lines.lines().map_while(Result::ok).filter_map(|line| line.strip_prefix("done ")?.parse().ok())
}

fn say_done(number: u64) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "done {number}").unwrap();
    out.flush().unwrap();
}

fn folder_of_child() -> PathBuf {
    std::env::var_os(FOLDER).expect("the parent names the folder").into()
}

#[test]
#[ignore = "the child of the test below"]
fn a_child_that_applies_batches() {
    let folder = folder_of_child();
    let storage = MemoryStorage::new();
    let committed = Some(u64::MAX / 1000);
    let store =
        Opened { folder: &folder, ledger: "job-1", groups: ALL, committed, storage: &storage, bases: &[] }
            .store();
    let first = store.applied().unwrap().map_or(1, |batch| batch.as_millis() / 1000 + 1);
    for number in first.. {
        store.apply(batch(number), delta(number)).unwrap();
        say_done(number);
    }
}

#[test]
fn after_a_kill_each_batch_is_there_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let storage = MemoryStorage::new();
    let (mut reached, mut most) = (0, 0);
    // Each child goes on where the one before was killed.
    for round in 0..6 {
        let (mut process, mut done) = child("a_child_that_applies_batches", folder.path());
        let last = done.by_ref().take(40 + round * 17).last().expect("the child applies batches");
        process.kill().unwrap();
        process.wait().unwrap();
        most = done.last().unwrap_or(last).max(most);

        let committed = Some(most + 1);
        let opened = Opened {
            folder: folder.path(),
            ledger: "job-1",
            groups: ALL,
            committed,
            storage: &storage,
            bases: &[],
        };
        let store = opened.store();
        let applied = store.applied().unwrap().map_or(0, |batch| batch.as_millis() / 1000);
        assert!(applied >= reached, "round {round} is at {applied}, the one before was at {reached}");
        assert!(applied <= most + 1, "{applied} is more than the {most} that were done, and one on its way");
        assert!(
            scanned(&*store) == expected(applied),
            "round {round}: other entries than those of batch {applied}"
        );
        reached = applied;
    }
    assert!(reached > 0, "files were written between the kills");
}

#[test]
#[ignore = "the child of the test below"]
fn a_child_that_puts_objects() {
    let storage = RocksDbStorage::open(folder_of_child()).unwrap();
    let first = storage.list("object/", "", usize::MAX).unwrap().len() as u64;
    for number in first.. {
        let path = format!("object/{number:08}");
        let put = storage.put(&path, &vec![number as u8; 3_000_000], PutMode::IfAbsent).unwrap();
        assert_eq!(put, Put::Done);
        say_done(number);
    }
}

#[test]
fn after_a_kill_each_object_that_was_put_is_there_and_whole() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..4 {
        let (mut process, mut done) = child("a_child_that_puts_objects", folder.path());
        let last = done.by_ref().take(3 + round).last().expect("the child puts objects");
        process.kill().unwrap();
        process.wait().unwrap();
        let last = done.last().unwrap_or(last);

        let storage = RocksDbStorage::open(folder.path()).unwrap();
        let listed = storage.list("object/", "", usize::MAX).unwrap();
        assert!(listed.len() as u64 > last, "{} objects, and {last} was put", listed.len());
        for (number, entry) in listed.iter().enumerate() {
            assert_eq!(entry.path, format!("object/{number:08}"));
            let content = storage.get(&entry.path, None).unwrap().expect("what is listed is there");
            assert!(content == vec![number as u8; 3_000_000], "{} is whole", entry.path);
        }
    }
}
