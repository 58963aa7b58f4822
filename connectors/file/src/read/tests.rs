//! What users rely on when files are read.

use std::fmt::Debug;
use std::fs;
use std::io::{BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use tempfile::TempDir;
use tidemill::testing::{rejected, task_context};
use tidemill::{Retry, Text};

use super::*;

/// One for all: it has threads of its own.
static TASK: LazyLock<TaskContext> = LazyLock::new(task_context);

/// A file with these bytes, in a folder that lives as long as the first.
pub(super) fn file(name: &str, bytes: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    (folder, path)
}

pub(super) fn id(path: &Path) -> FileId {
    let metadata = fs::metadata(path).unwrap();
    FileId { path: path.to_owned(), length: metadata.len(), modified: modified(&metadata).unwrap() }
}

pub(super) fn whole(path: &Path) -> FilePart {
    let file = id(path);
    FilePart { from: 0, to: file.length, file }
}

/// What the reading of a part gave.
#[derive(Debug, PartialEq)]
pub(super) struct Was<T> {
    pub(super) records: Vec<T>,
    pub(super) rejected: u64,
    pub(super) first: String,
}

/// Reads a part; also by counting, and again, and all must agree.
pub(super) fn read<F>(format: &Arc<F>, part: &FilePart, broken: OnBroken) -> tidemill::Result<Was<F::Record>>
where
    F: FileFormat<Record: PartialEq + Debug>,
{
    let once = |count: bool| {
        let rejects = Rejects::default();
        let mut records = Vec::new();
        let mut chunks = read_part(format, part, broken, &rejects, &TASK)?;
        let counted = if count {
            chunks.count_rest()?
        } else {
            while let Some(chunk) = chunks.next()? {
                records.extend_from_slice(chunk.as_slice());
            }
            records.len() as u64
        };
        let (rejected, first) = rejected(&rejects);
        Ok::<_, tidemill::Error>((counted, Was { records, rejected, first: first.unwrap_or_default() }))
    };
    let (first, again, counted) = (once(false)?, once(false)?, once(true)?);
    assert_eq!(first, again);
    assert_eq!(
        (first.0, first.1.rejected, &first.1.first),
        (counted.0, counted.1.rejected, &counted.1.first)
    );
    Ok(first.1)
}

fn lines(path: &Path) -> Was<Text> {
    read(&Arc::new(TextLines::new()), &whole(path), OnBroken::Reject).unwrap()
}

#[track_caller]
fn assert_lines(bytes: &[u8], want: &[&str], rejected: u64) {
    let (_folder, path) = file("in.txt", bytes);
    let was = lines(&path);
    assert_eq!((was.records, was.rejected), (want.iter().map(|line| Text::from(*line)).collect(), rejected));
}

#[test]
fn an_empty_file_has_no_parts_and_no_records() {
    let (_folder, path) = file("in.txt", b"");
    assert_eq!(cuts(&TextLines::new(), &id(&path), 10), []);
    assert_lines(b"", &[], 0);
}

#[test]
fn the_last_line_needs_no_end() {
    assert_lines(b"sea\ntide", &["sea", "tide"], 0);
    assert_lines(b"sea\rtide\r\n\n", &["sea", "tide", ""], 0);
}

#[test]
fn a_byte_order_mark_belongs_to_no_line() {
    assert_lines(b"\xef\xbb\xbfsea\n\xef\xbb\xbftide", &["sea", "\u{feff}tide"], 0);
    assert_lines(b"\xef\xbb\xbf", &[], 0);
    assert_lines(b"\xef\xbb\xbf\n", &[""], 0);
}

#[test]
fn nuls_are_text_and_what_is_no_text_is_rejected() {
    assert_lines(b"a\0b\n\xff\xfe\nc", &["a\0b", "c"], 1);
}

#[test]
fn a_line_of_3_mb_is_rejected_once_and_the_others_are_read() {
    let mut bytes = b"before\n".to_vec();
    bytes.resize(3 << 20, b'x');
    bytes.extend_from_slice(b"\nbehind\n");
    assert_lines(&bytes, &["before", "behind"], 1);
    let (_folder, path) = file("in.txt", &bytes);
    assert!(lines(&path).first.contains("raise `TextLines::line_bytes_max`"), "{}", lines(&path).first);
}

#[test]
fn a_line_of_3_mb_is_read_where_it_is_allowed() {
    let (_folder, path) = file("in.txt", &vec![b'x'; 3 << 20]);
    let format = Arc::new(TextLines::new().line_bytes_max(3 << 20));
    let was = read(&format, &whole(&path), OnBroken::Stop).unwrap();
    assert_eq!((was.records[0].len(), was.records.len(), was.rejected), (3 << 20, 1, 0));
}

#[test]
fn parts_are_about_equal_and_none_is_tiny() {
    let id = |name: &str, length| FileId { path: name.into(), length, modified: Duration::ZERO };
    let lines = TextLines::new();
    assert_eq!(cuts(&lines, &id("a", 100), 100), [(0, 100)]);
    // A tenth more stays one part.
    assert_eq!(cuts(&lines, &id("a", 110), 100), [(0, 110)]);
    assert_eq!(cuts(&lines, &id("a", 111), 100), [(0, 55), (55, 111)]);
    assert_eq!(cuts(&lines, &id("a", 3), 0), [(0, 1), (1, 2), (2, 3)]);
    assert_eq!(cuts(&lines, &id("a", u64::MAX), u64::MAX), [(0, u64::MAX)]);
    assert_eq!(cuts(&lines, &id("a.GZ", 1000), 100), [(0, 1000)]);
    for length in 1..500 {
        let parts = cuts(&lines, &id("a", length), 40);
        assert_eq!((parts[0].0, parts[parts.len() - 1].1), (0, length));
        assert!(parts.windows(2).all(|two| two[0].1 == two[1].0), "{parts:?}");
        assert!(
            parts.iter().all(|(from, to)| to - from <= 44 && (length < 44 || to - from >= 20)),
            "{parts:?}"
        );
    }
}

#[test]
fn a_file_that_has_gone_is_reported_or_stops_the_job() {
    let (_folder, path) = file("in.txt", b"sea\n");
    let part = whole(&path);
    fs::remove_file(&path).unwrap();
    let format = Arc::new(TextLines::new());
    let was = read(&format, &part, OnBroken::Reject).unwrap();
    assert_eq!((was.records, was.rejected), (vec![], 1));
    assert!(was.first.contains(&*path.to_string_lossy()), "{}", was.first);
    let error = read(&format, &part, OnBroken::Stop).unwrap_err();
    assert_eq!(error.retry(), Retry::Never);
    assert!(error.chain().contains(&*path.to_string_lossy()), "{error:?}");
}

#[test]
fn a_folder_in_place_of_the_file_is_no_file() {
    let (_folder, path) = file("in.txt", b"sea\n");
    let part = whole(&path);
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let error = read(&Arc::new(TextLines::new()), &part, OnBroken::Stop).unwrap_err();
    assert!(error.chain().contains("is no file any more"), "{error:?}");
}

#[test]
fn a_file_that_was_written_anew_is_not_read_by_the_old_plan() {
    let (_folder, path) = file("in.txt", b"sea\ntide\n");
    let mut shorter = whole(&path);
    (shorter.file.length, shorter.to) = (99, 99);
    let mut touched = whole(&path);
    touched.file.modified += Duration::from_nanos(1);
    for part in [shorter, touched] {
        let format = Arc::new(TextLines::new());
        assert_eq!(read(&format, &part, OnBroken::Reject).unwrap().rejected, 1);
        let error = read(&format, &part, OnBroken::Stop).unwrap_err();
        let said = error.chain();
        let planned = format!("planned were {} bytes", part.file.length);
        assert!(said.contains(&planned) && said.contains("found are 9"), "{said}");
        assert_eq!(error.retry(), Retry::Never);
    }
}

#[test]
fn of_a_file_that_has_grown_the_planned_bytes_are_read() {
    let (_folder, path) = file("in.txt", b"sea\ntide\n");
    let part = whole(&path);
    fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"wave\n").unwrap();
    let was = read(&Arc::new(TextLines::new()), &part, OnBroken::Stop).unwrap();
    assert_eq!(was.records, ["sea", "tide"]);
}

#[test]
fn a_file_that_is_cut_off_while_it_is_read_keeps_its_whole_lines() {
    let (_folder, path) = file("in.txt", "tide\n".repeat(1 << 16).as_bytes());
    let (part, rejects) = (whole(&path), Rejects::default());
    let format = Arc::new(TextLines::new());
    let mut chunks = read_part(&format, &part, OnBroken::Reject, &rejects, &TASK).unwrap();
    let first = chunks.next().unwrap().unwrap().as_slice().len();
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(262_150).unwrap();
    // Of the one that was begun, nothing is left: 262,150 bytes are 52,430 lines.
    assert_eq!(first as u64 + chunks.count_rest().unwrap(), 52_430);
    assert_eq!(rejected(&rejects).0, 1);
}

#[test]
fn a_disk_that_fails_is_asked_again_before_the_file_counts_as_broken() {
    let (_folder, path) = file("in.txt", b"sea\n");
    let rejects = Rejects::default();
    let watch = Watch::new(&whole(&path), &rejects, &TASK);
    let guard = Guard { watch: Arc::clone(&watch), broken: OnBroken::Reject, over: false };
    let lost = watch.lost(&std::io::Error::from_raw_os_error(5));
    let error = guard.settle(tidemill::Error::from_user(lost.into())).unwrap_err();
    assert_eq!((error.retry(), rejected(&rejects).0), (Retry::WithBackoff, 0));
    assert!(error.chain().contains("in.txt, byte 0"), "{error:?}");
}

#[test]
fn what_is_left_behind_the_last_binary_record_is_rejected_with_its_place() {
    let (_folder, path) = file("in.bin", b"aaabbbcc");
    let was = read(&Arc::new(BinaryRecords::new(3)), &whole(&path), OnBroken::Stop).unwrap();
    assert_eq!(was.records, [&b"aaa"[..], b"bbb"]);
    assert_eq!((was.rejected, was.first.as_str()), (1, "the file ends 2 bytes into a record of 3"));
}

#[test]
fn a_record_length_of_nothing_is_refused() {
    assert!(BinaryRecords::new(0).check().unwrap_err().to_string().contains("at least 1"));
    let (_folder, path) = file("in.bin", b"aaabbbcc");
    assert!(read(&Arc::new(BinaryRecords::new(0)), &whole(&path), OnBroken::Stop).is_err());
}

/// One byte a record, up to the first `!`, at which it fails.
struct UpToExclamation;

impl FileFormat for UpToExclamation {
    type Record = u8;

    fn read(&self, part: FileReader) -> tidemill::Result<Box<dyn Chunks<u8>>> {
        Ok(records_of(BufReader::new(part).bytes().map(|byte| match byte? {
            b'!' => Err("an exclamation".into()),
            byte => Ok(byte),
        })))
    }
}

#[test]
fn an_error_of_a_users_format_ends_the_file_and_keeps_what_came_before() {
    let (_folder, path) = file("in.own", b"abc!d");
    let format = Arc::new(UpToExclamation);
    let was = read(&format, &whole(&path), OnBroken::Reject).unwrap();
    assert_eq!((was.records.as_slice(), was.rejected), (&b"abc"[..], 1));
    assert!(was.first.contains("in.own, byte") && was.first.contains("an exclamation"), "{}", was.first);
    assert!(read(&format, &whole(&path), OnBroken::Stop).unwrap_err().chain().contains("an exclamation"));
    assert_eq!(cuts(&*format, &id(&path), 1), [(0, 5)]);
}
