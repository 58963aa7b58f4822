//! The records of parts against those of the whole.

use proptest::collection::vec;
use proptest::prelude::*;
use tidemill::testing::{rejected, task_context};
use tidemill::{InputBlock as _, Rejects, Text, TextLinesBlock};

use std::sync::{Arc, LazyLock};

use super::*;
use crate::part::FilePart;
use crate::read::tests::{file, id, read};
use crate::read::{BinaryRecords, OnBroken};

static TASK: LazyLock<tidemill::TaskContext> = LazyLock::new(task_context);

/// What the block of the whole file gives.
fn by_block(bytes: &[u8], line_bytes_max: u32) -> (Vec<Text>, u64) {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes).to_vec();
    let (rejects, mut lines) = (Rejects::default(), Vec::new());
    let mut chunks = TextLinesBlock::new(bytes, line_bytes_max as usize).open(&rejects, &TASK).unwrap();
    while let Some(chunk) = chunks.next().unwrap() {
        lines.extend_from_slice(chunk.as_slice());
    }
    (lines, rejected(&rejects).0)
}

/// All parts between these cuts, one behind the other.
fn by_parts<F>(format: F, bytes: &[u8], cuts: &[usize]) -> (Vec<F::Record>, u64)
where
    F: FileFormat<Record: PartialEq + std::fmt::Debug>,
{
    let (_folder, path) = file("in.txt", bytes);
    let (file, format) = (id(&path), Arc::new(format));
    let mut edges: Vec<u64> = cuts.iter().map(|cut| (*cut % (bytes.len() + 1)) as u64).collect();
    edges.extend([0, file.length]);
    edges.sort_unstable();
    let (mut records, mut rejected) = (Vec::new(), 0);
    for two in edges.windows(2) {
        let part = FilePart { file: file.clone(), from: two[0], to: two[1] };
        let was = read(&format, &part, OnBroken::Stop).unwrap();
        records.extend(was.records);
        rejected += was.rejected;
    }
    (records, rejected)
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => "[a-c]{0,6}".prop_map(String::into_bytes),
        2 => Just(b"\n".to_vec()),
        2 => Just(b"\r".to_vec()),
        2 => Just(b"\r\n".to_vec()),
        1 => Just(BYTE_ORDER_MARK.to_vec()),
        1 => Just("ä€".as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..4),
    ];
    vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_lines_of_all_parts_are_the_lines_of_the_whole(
        bytes in bytes(),
        cuts in vec(any::<usize>(), 0..6),
        block_bytes in 1usize..20,
        line_bytes_max in 0u32..12,
    ) {
        let format = TextLines { line_bytes_max, block_bytes };
        prop_assert_eq!(by_parts(format, &bytes, &cuts), by_block(&bytes, line_bytes_max));
    }

    #[test]
    fn the_binary_records_of_all_parts_are_those_of_the_whole(
        bytes in vec(any::<u8>(), 0..100),
        cuts in vec(any::<usize>(), 0..6),
        length in 1u32..12,
    ) {
        let want: Vec<&[u8]> = bytes.chunks_exact(length as usize).collect();
        let rest = u64::from(!bytes.len().is_multiple_of(length as usize));
        let (records, rejected) = by_parts(BinaryRecords::new(length), &bytes, &cuts);
        prop_assert_eq!((&records[..], rejected), (&want.iter().map(|one| one.to_vec().into()).collect::<Vec<bytes::Bytes>>()[..], rest));
    }
}

#[test]
fn a_cut_in_or_behind_a_byte_order_mark_loses_nothing() {
    for cut in 0..5 {
        assert_eq!(by_parts(TextLines::new(), b"\xef\xbb\xbfs\ntide", &[cut]).0, ["s", "tide"], "{cut}");
    }
}

#[test]
fn a_cut_between_return_and_newline_makes_no_empty_line() {
    assert_eq!(by_parts(TextLines::new(), b"sea\r\ntide", &[4]).0, ["sea", "tide"]);
}
