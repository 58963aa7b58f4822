//! The promises of every direct input, the limit of a batch, and where parts are read.

use std::fs::{self, File};
use std::ops::Range;
use std::time::SystemTime;

use tempfile::TempDir;
use tidemill::Text;
use tidemill::testing::direct::{Fed, conformance};

use super::*;
use crate::read::{BinaryRecords, TextLines};

fn files(lengths: &[u64]) -> Vec<FileId> {
    let file = |(n, length): (usize, &u64)| FileId {
        path: format!("/in/{n}").into(),
        length: *length,
        modified: Duration::ZERO,
    };
    lengths.iter().enumerate().map(file).collect()
}

#[test]
fn a_batch_takes_whole_files_until_its_records_are_reached_and_always_one() {
    let input = FileInput::new(FileStream::binary_records("/in", 8), Duration::ZERO);
    let files = files(&[100, 100, 100, 100]);
    let taken = |records_max| input.allowed(files.clone(), records_max).len();
    assert_eq!(taken(None), 4);
    // Nothing is known of the records: 100 bytes count as 6.
    assert_eq!([0, 1, 6, 7, 12, 13, 100].map(|max| taken(Some(max))), [1, 1, 1, 2, 2, 3, 4]);
    // Ten of 50 bytes were read: 100 bytes are 2 records.
    input.read.learn(500, 10);
    assert_eq!([1, 2, 3, 5, 7].map(|max| taken(Some(max))), [1, 1, 2, 3, 4]);
    assert_eq!(input.allowed(Vec::new(), Some(5)), []);
}

#[test]
fn parts_of_a_file_may_be_read_by_different_members() {
    let input: FileInput<BinaryRecords> =
        FileInput::new(FileStream::binary_records("/in", 8), Duration::ZERO);
    let part = |from| {
        let file = files(&[800]).remove(0);
        FileRange { part: Some(FilePart { file, from, to: from + 8 }), news: None }
    };
    let homes: HashSet<u64> = (0..30).map(|n| input.home(&part(n * 8)) % 3).collect();
    assert_eq!(homes.len(), 3);
    assert_eq!(input.home(&part(8)), input.home(&part(8)));
}

/// A folder with a file for each range of numbers, one a line.
struct Numbers {
    folder: TempDir,
    // As it is by default, or as soon as files are found.
    settles: bool,
}

impl Numbers {
    fn new(settles: bool) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), settles }
    }
}

impl Fed for Numbers {
    type Input = FileInput<TextLines>;
    /// Files are taken whole.
    const LIMITS: bool = false;
    const IN_ORDER: bool = true;

    fn input(&self) -> FileInput<TextLines> {
        let stream = FileStream::text(self.folder.path()).part_bytes(20);
        let stream = if self.settles { stream } else { stream.settle(Duration::ZERO).watch(false) };
        FileInput::new(stream, Duration::from_mins(1))
    }

    fn feed(&self, numbers: Range<u64>) {
        let (aside, name) =
            (self.folder.path().join(".new"), self.folder.path().join(format!("{}", numbers.start)));
        // The time in seconds is the first number: so the order is that of feeding.
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1 + numbers.start);
        let lines: Vec<String> = numbers.map(|n| n.to_string()).collect();
        fs::write(&aside, lines.join("\n")).unwrap();
        File::options().append(true).open(&aside).unwrap().set_modified(time).unwrap();
        fs::rename(aside, name).unwrap();
    }

    fn number(&self, record: &Text) -> u64 {
        record.parse().unwrap()
    }
}

#[test]
fn a_stream_of_files_keeps_the_promises_of_every_direct_input() {
    conformance(|| Numbers::new(false));
}

#[test]
fn it_keeps_them_with_the_settings_that_it_has_by_default() {
    conformance(|| Numbers::new(true));
}
