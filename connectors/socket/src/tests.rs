//! Whatever portions bytes come in: frames are those that were sent.

use std::sync::{Arc, LazyLock};

use bytes::BytesMut;
use proptest::prelude::*;
use tidemill::testing::{rejected, task_context, written_and_read_back};
use tidemill::{BoxError, InputBlock, Rejects, TaskContext};

use crate::frames::FrameCut;
use crate::raw::{self, RawFrames};
use crate::receiver::{Cut, Taken};
use crate::{Decoder, Frame, SocketConfig};

/// One for all cases: it has threads.
static TASK: LazyLock<TaskContext> = LazyLock::new(task_context);

/// The blocks that come of `bytes`, read in portions of these lengths.
fn blocks<C: Cut>(cut: &mut C, bytes: &[u8], portions: &[usize]) -> (Vec<C::Block>, usize) {
    let mut buffer = BytesMut::new();
    let (mut blocks, mut rejected) = (Vec::new(), 0);
    let mut keep = |taken: Taken<C::Block>| {
        blocks.extend(taken.block);
        rejected += usize::from(taken.rejected.is_some());
        assert!(taken.failed.is_none());
    };
    let mut rest = bytes;
    for portion in portions.iter().cycle() {
        let read = rest.split_off(..rest.len().min(*portion)).unwrap_or_default();
        if read.is_empty() {
            break;
        }
        buffer.extend_from_slice(read);
        keep(cut.cut(&mut buffer, read.len()));
    }
    keep(cut.end(&mut buffer));
    (blocks, rejected)
}

/// The records of all blocks, none of which is rejected; the same after a time on disk.
fn records<T: Clone + PartialEq + std::fmt::Debug + 'static>(blocks: &[impl InputBlock<T>]) -> Vec<T> {
    let again: Vec<_> = blocks.iter().map(|block| written_and_read_back(block)).collect();
    let records = records_once(blocks);
    assert_eq!(records_once(&again), records);
    records
}

fn records_once<T: Clone>(blocks: &[impl InputBlock<T>]) -> Vec<T> {
    let (rejects, mut all) = (Rejects::default(), Vec::new());
    for block in blocks {
        let before = all.len();
        let mut chunks = block.open(&rejects, &TASK).unwrap();
        while let Some(chunk) = chunks.next().unwrap() {
            chunk.append_to(&mut all);
        }
        assert_eq!(block.records(), (all.len() - before) as u64);
    }
    assert_eq!(rejected(&rejects), (0, None));
    all
}

/// Frames that end with `;`. It trusts what it is told to have seen.
struct UpToSemicolon;

impl Decoder for UpToSemicolon {
    type Record = Vec<u8>;

    fn frame(&self, bytes: &[u8], seen: usize) -> Result<Option<usize>, BoxError> {
        assert!(seen <= bytes.len() && !bytes[..seen].contains(&b';'), "told to have seen too much");
        Ok(bytes[seen..].iter().position(|byte| *byte == b';').map(|at| seen + at + 1))
    }

    fn decode(&self, frame: Frame<'_>, out: &mut Vec<Vec<u8>>) -> Result<(), BoxError> {
        out.push(frame.to_vec());
        Ok(())
    }
}

proptest! {
    #[test]
    fn a_decoder_is_told_how_much_it_has_seen_and_gives_the_same_frames_whatever_the_portions(
        bytes in "[a-b;]{0,60};",
        portions in prop::collection::vec(1..9_usize, 1..9),
    ) {
        let decoder = Arc::new(UpToSemicolon);
        let config = SocketConfig::new("", 0);
        let (blocks, _) = blocks(&mut FrameCut::new(&config, &decoder, 0), bytes.as_bytes(), &portions);
        let expected: Vec<&[u8]> = bytes.as_bytes().split_inclusive(|byte| *byte == b';').collect();
        prop_assert_eq!(records(&blocks), expected);
    }

    #[test]
    fn raw_frames_are_those_that_were_sent_whatever_the_portions(
        frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..20),
        portions in prop::collection::vec(1..30_usize, 1..9),
    ) {
        let mut bytes = Vec::new();
        for frame in &frames {
            bytes.extend((frame.len() as u32).to_be_bytes());
            bytes.extend(frame);
        }
        let config = SocketConfig::new("", 0).frame_bytes_max(20);
        let decoder = Arc::new(RawFrames::new(&config));
        let (blocks, rejected) =
            blocks(&mut FrameCut::new(&config, &decoder, raw::HEADER), &bytes, &portions);

        prop_assert_eq!(records(&blocks), frames);
        prop_assert_eq!(rejected, 0);
    }
}
