//! What blocks of lines promise, against a plain model that cuts byte by byte.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use proptest::prelude::*;

use super::*;
use crate::runtime::{Clock, RealRuntime, Runtime, Site};
use crate::words::{BatchTime, Epoch};

fn task() -> TaskContext {
    let runtime: Arc<dyn Runtime> = Arc::new(RealRuntime::new(1, Clock::System).unwrap());
    let cancelled = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
    let batch = (BatchTime::from_millis(0), Epoch(1));
    TaskContext::new(&runtime, batch, (0, 1), 1, cancelled, Site::new("test", std::panic::Location::caller()))
}

/// The lines of a block, and how many were rejected and why: the same after a time on disk.
fn read(block: &TextLinesBlock, task: &TaskContext) -> (Vec<String>, Option<(u64, String)>) {
    let mut bytes = Vec::new();
    block.encode(&mut bytes).unwrap();
    let again = block.maker()(bytes.into()).unwrap();
    let read = read_once(block, task);
    assert_eq!(read_once(&*again, task), read);
    assert_eq!(again.records(), block.records());
    read
}

fn read_once(block: &dyn InputBlock<Text>, task: &TaskContext) -> (Vec<String>, Option<(u64, String)>) {
    let rejects = Rejects::default();
    let mut chunks = block.open(&rejects, task).unwrap();
    let mut lines = Vec::new();
    while let Some(chunk) = chunks.next().unwrap() {
        lines.extend(chunk.as_slice().iter().map(ToString::to_string));
    }
    (lines, rejects.total())
}

/// Cuts `pieces`, reads all blocks, and counts them; each count must be that of the lines.
fn cut<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
    cutter: &mut LineCutter,
    task: &TaskContext,
) -> (Vec<String>, u64) {
    let mut buffer = BytesMut::new();
    let mut blocks = Vec::new();
    for piece in pieces {
        buffer.extend_from_slice(piece);
        blocks.extend(cutter.cut(&mut buffer, piece.len()));
        assert!(buffer.len() <= cutter.limit.line_bytes_max, "more is kept than a line may have");
    }
    blocks.extend(cutter.finish(&mut buffer));
    let (mut lines, mut rejected) = (Vec::new(), 0);
    for block in blocks {
        let (of_block, rejects) = read(&block, task);
        let counted = block.open(&Rejects::default(), task).unwrap().count_rest().unwrap();
        assert_eq!(counted, of_block.len() as u64, "{block:?}");
        let rejects = rejects.map_or(0, |(count, _)| count);
        assert_eq!(block.records(), counted + rejects, "{block:?}");
        lines.extend(of_block);
        rejected += rejects;
    }
    (lines, rejected)
}

/// The lines of `bytes`, as simply as can be.
fn model(bytes: &[u8]) -> Vec<&[u8]> {
    let (mut lines, mut start, mut at) = (Vec::new(), 0, 0);
    while at < bytes.len() {
        let end = at;
        at += match &bytes[at..] {
            [b'\r', b'\n', ..] => 2,
            [b'\r' | b'\n', ..] => 1,
            _ => {
                at += 1;
                continue;
            }
        };
        lines.push(&bytes[start..end]);
        start = at;
    }
    if start < bytes.len() {
        lines.push(&bytes[start..]);
    }
    lines
}

#[test]
fn a_line_that_is_not_utf8_is_rejected_and_the_others_are_not() {
    let block = TextLinesBlock::new(&b"one\r\ntw\xffo\r\n\r\nthree"[..], 100);

    let (lines, rejects) = read(&block, &task());

    assert_eq!(lines, ["one", "", "three"]);
    assert_eq!(rejects, Some((1, r"a line is not UTF-8 at byte 2 of 4, around `tw\xffo`".to_owned())));
}

#[test]
fn a_line_that_is_too_long_is_rejected_with_what_to_do_about_it() {
    let mut cutter = LineCutter::new(3).advice("send less");
    let mut reason = |bytes: &[u8]| {
        let block = cutter.cut(&mut BytesMut::from(bytes), bytes.len()).unwrap();
        read(&block, &task()).1
    };
    assert_eq!(reason(b"four\n"), Some((1, "a line of 4 bytes is longer than 3; send less".to_owned())));
    assert_eq!(
        reason(b"longer"),
        Some((1, "a line of at least 4 bytes is longer than 3; send less".to_owned()))
    );
}

#[test]
fn a_block_that_is_counted_is_not_cut_and_bad_lines_do_not_count() {
    let task = task();
    let count = |bytes: &'static [u8]| {
        let mut chunks = TextLinesBlock::new(bytes, 100).open(&Rejects::default(), &task).unwrap();
        chunks.count_rest().unwrap()
    };

    assert_eq!(count(b"one\r\ntwo\n\nfour"), 4);
    assert_eq!(count(b"one\n\xff\nthree\n"), 2);
}

#[test]
fn behind_the_end_of_a_source_a_cutter_begins_anew() {
    let task = task();
    let mut cutter = LineCutter::new(3);
    for end in [&b"one\r"[..], b"too long"] {
        cut([end], &mut cutter, &task);
        assert_eq!(cut([&b"\ntwo\n"[..]], &mut cutter, &task).0, ["", "two"]);
    }
}

/// Bytes with many ends of lines, torn characters, and bytes that are no text.
fn some_bytes() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop::sample::select(vec![
        &b"\n"[..],
        b"\r",
        b"\r\n",
        b"a",
        b"bc",
        b"\0",
        b"\xc3\xa9",
        b"\xc3",
        b"\xa9",
        b"\xff",
        b"a line that is longer than what a text has room for in itself",
    ]);
    prop::collection::vec(pieces, 0..40).prop_map(|pieces| pieces.concat())
}

#[test]
fn lines_are_those_of_the_model_whatever_pieces_they_come_in() {
    // One runtime for all cases: only the context of a task needs it.
    let task = task();
    let sizes = prop::collection::vec(0..9_usize, 1..9);
    let max = prop_oneof![0..9_usize, Just(1000)];
    let mut runner = proptest::test_runner::TestRunner::default();
    let outcome = runner.run(&(some_bytes(), sizes, max), |(bytes, sizes, max)| {
        let (mut rest, mut pieces) = (&bytes[..], Vec::new());
        // Sizes may be 0, so a bounded number of them; what is left comes at once.
        for size in sizes.iter().cycle().take(100) {
            let (piece, behind) = rest.split_at(rest.len().min(*size));
            pieces.push(piece);
            rest = behind;
        }
        pieces.push(rest);

        let expected = model(&bytes);
        let good =
            expected.iter().filter(|line| line.len() <= max).filter_map(|line| str::from_utf8(line).ok());
        let good: Vec<&str> = good.collect();
        let (lines, rejected) = cut(pieces, &mut LineCutter::new(max), &task);
        prop_assert_eq!(&lines, &good);
        // No line is lost without a trace, and none is counted twice.
        prop_assert_eq!(rejected as usize, expected.len() - good.len());
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn blocks_of_a_named_source_know_where_they_begin() {
    let mut cutter = LineCutter::new(4).named("in.txt", 10);
    let mut buffer = BytesMut::new();
    let mut begins = |piece: &str| {
        buffer.extend_from_slice(piece.as_bytes());
        cutter.cut(&mut buffer, piece.len()).map(|block| block.place.at(0))
    };
    assert_eq!(begins("ab\r").unwrap(), "in.txt, byte 10");
    // Behind the `\n` that belongs to the line before.
    assert_eq!(begins("\ncd\ntoo long").unwrap(), "in.txt, byte 14");
    assert_eq!(begins("er and longer"), None);
    assert_eq!(begins("\nx\n").unwrap(), "in.txt, byte 39");
}

#[test]
fn what_follows_the_middle_of_a_line_begins_with_the_next_one() {
    for (before, bytes) in
        [(b'x', "yz\nsea\n"), (b'x', "\r\nsea\n"), (b'\r', "\nsea\n"), (b'\r', "sea\n"), (b'\n', "sea\n")]
    {
        let mut buffer = BytesMut::from(bytes);
        let block = LineCutter::new(100).behind(before).cut(&mut buffer, bytes.len()).unwrap();
        assert_eq!((&block.bytes[..], block.records()), (&b"sea\n"[..], 1), "{before} {bytes:?}");
    }
}
