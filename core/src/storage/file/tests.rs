//! What only a folder can get wrong; the rest is in the conformance suite.

use std::fs;
use std::io::Write as _;

use super::*;
use crate::words::{Error, Retry};

fn storage() -> (tempfile::TempDir, FileStorage) {
    let folder = tempfile::tempdir().unwrap();
    let storage = FileStorage::new(folder.path()).unwrap();
    (folder, storage)
}

fn put(storage: &FileStorage, path: &str) {
    assert_eq!(storage.put(path, path.as_bytes(), PutMode::Replace).unwrap(), Put::Done);
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn nothing_is_made_before_the_first_object() {
    let (folder, _) = storage();
    let storage = FileStorage::new(folder.path().join("a/b")).unwrap();

    assert_eq!(storage.list("", "", 10).unwrap(), []);
    assert_eq!(storage.get("x", None).unwrap(), None);
    storage.delete("x").unwrap();

    assert!(!folder.path().join("a").exists());
    put(&storage, "x");
    assert!(folder.path().join("a/b/x").is_file());
}

#[test]
fn what_a_dead_process_left_is_removed_and_what_a_living_one_writes_stays() {
    let (folder, living) = storage();
    let mut staged = living.stage("counts").unwrap();
    staged.write_all(b"42").unwrap();
    let leftover = folder.path().join(STAGED).join("1-0");
    fs::write(&leftover, b"half").unwrap();

    put(&FileStorage::new(folder.path()).unwrap(), "other");

    assert!(!leftover.exists());
    assert_eq!(staged.publish(PutMode::IfAbsent).unwrap(), Put::Done);
    assert_eq!(living.get("counts", None).unwrap(), Some(b"42".to_vec()));
}

#[test]
fn no_temporary_file_stays_whatever_becomes_of_a_write() {
    let (folder, storage) = storage();

    put(&storage, "a");
    assert_eq!(storage.put("a", b"again", PutMode::IfAbsent).unwrap(), Put::Exists);
    drop(storage.stage("dropped").unwrap());
    fs::create_dir(folder.path().join("folder")).unwrap();
    fs::write(folder.path().join("folder/x"), b"").unwrap();
    assert!(storage.put("folder", b"1", PutMode::Replace).is_err());

    assert_eq!(names(&folder.path().join(STAGED)), [""; 0]);
    drop(storage);
    assert_eq!(names(folder.path()), ["a", "folder"]);
}

#[test]
fn files_of_others_are_objects_unless_their_name_is_hidden() {
    let (folder, storage) = storage();
    fs::create_dir_all(folder.path().join("in/.hidden")).unwrap();
    for name in ["in/b", "in/.b.crc", "in/.hidden/c", "in/back\\slash"] {
        fs::write(folder.path().join(name), b"12").unwrap();
    }
    #[cfg(unix)]
    std::os::unix::fs::symlink(folder.path(), folder.path().join("in/loop")).unwrap();

    let found = storage.list("in/", "", 10).unwrap();

    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].path.as_str(), found[0].bytes), ("in/b", 2));
}

#[test]
fn a_folder_is_no_object() {
    let (_folder, storage) = storage();
    put(&storage, "a/b");

    assert_eq!(storage.get("a", None).unwrap(), None);
    assert_eq!(storage.get("a/b/c", None).unwrap(), None);
    storage.delete("a").unwrap();
    assert!(matches!(storage.promote("a", "c"), Err(Error::Storage { retry: Retry::Never, .. })));

    assert_eq!(storage.get("a/b", None).unwrap(), Some(b"a/b".to_vec()));
    assert!(!storage.root().join("c").exists());
}

#[test]
fn empty_folders_go_with_their_last_object() {
    let (folder, storage) = storage();
    put(&storage, "a/b/c");
    put(&storage, "a/d");
    put(&storage, "e/f/g");

    storage.delete("a/b/c").unwrap();
    storage.promote("e/f/g", "g").unwrap();

    assert_eq!(names(folder.path()), [STAGED, "a", "g"]);
    assert_eq!(names(&folder.path().join("a")), ["d"]);
}

#[test]
#[allow(clippy::disallowed_methods, reason = "the race of real threads is the point")]
fn writers_and_deleters_of_one_folder_do_not_disturb_each_other() {
    let (_folder, storage) = storage();

    std::thread::scope(|scope| {
        for thread in 0..4 {
            let storage = &storage;
            scope.spawn(move || {
                for n in 0..50 {
                    let path = format!("shared/folder/{thread}-{n}");
                    // If absent: a folder that vanishes in between once passed for an object that exists.
                    assert_eq!(storage.put(&path, b"1", PutMode::IfAbsent).unwrap(), Put::Done);
                    storage.promote(&path, &format!("shared/other/{thread}")).unwrap();
                    storage.delete(&format!("shared/other/{thread}")).unwrap();
                }
            });
        }
    });

    assert_eq!(storage.list("", "", 10).unwrap(), []);
}

#[test]
fn an_object_in_the_place_of_a_folder_is_an_error_and_no_lost_race() {
    let (_folder, storage) = storage();
    put(&storage, "a");

    for path in ["a/b", "a/b/c"] {
        let result = storage.put(path, b"1", PutMode::IfAbsent);
        assert!(matches!(result, Err(Error::Storage { retry: Retry::Never, .. })), "{result:?}");
    }
}

#[test]
fn an_error_says_what_could_not_be_done_where() {
    let (folder, _) = storage();
    fs::write(folder.path().join("file"), b"").unwrap();
    let storage = FileStorage::new(folder.path().join("file")).unwrap();

    let error = storage.put("a", b"1", PutMode::Replace).unwrap_err();

    let text = error.chain();
    assert!(text.contains("cannot write") && text.contains("file/a"), "{text}");
    assert_eq!(error.retry(), Retry::Never);
}
