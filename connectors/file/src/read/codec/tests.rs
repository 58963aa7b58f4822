//! What the decoders make of whole, damaged and cut off files.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use lz4_flex::frame::{BlockMode, FrameEncoder, FrameInfo};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use super::*;
use crate::read::tests::{Was, file, read, whole};
use crate::read::{OnBroken, TextLines};

/// `sea 0` to `sea 2999`, each a line, by `zstd -3` and its checksum, with a window of 1 KiB so that the frame has several blocks.
const BY_THE_TOOL: &[u8] = include_bytes!("testdata/sea.zst");

fn sea() -> Vec<u8> {
    let mut text = String::new();
    (0..3000).for_each(|line| writeln!(text, "sea {line}").unwrap());
    text.into_bytes()
}

fn gz(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn zst(content: &[u8]) -> Vec<u8> {
    compress_to_vec(content, CompressionLevel::Fastest)
}

fn lz4(content: &[u8]) -> Vec<u8> {
    lz4_as(FrameInfo::new().content_checksum(true).block_checksums(true), content)
}

fn lz4_as(info: FrameInfo, content: &[u8]) -> Vec<u8> {
    let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// How each ending is written.
const CODECS: [(&str, fn(&[u8]) -> Vec<u8>); 3] = [("gz", gz), ("zst", zst), ("LZ4", lz4)];

fn decoded(codec: Codec, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    codec.decode(io::Cursor::new(bytes.to_vec())).read_to_end(&mut content)?;
    Ok(content)
}

fn lines(ending: &str, bytes: &[u8]) -> Was<tidemill::Text> {
    let (_folder, path) = file(&format!("in.txt.{ending}"), bytes);
    read(&Arc::new(TextLines::new()), &whole(&path), OnBroken::Reject).unwrap()
}

#[test]
fn endings_are_told_in_small_letters_and_capitals() {
    for (name, codec) in [
        ("a.gz", Codec::Gzip),
        ("a.GZ", Codec::Gzip),
        ("a.b.Zst", Codec::Zstd),
        ("a.lz4", Codec::Lz4),
        ("gz", Codec::None),
        ("a.gz.txt", Codec::None),
        ("a.tgz", Codec::None),
    ] {
        assert_eq!(Codec::of(Path::new(name)), codec, "{name}");
    }
}

#[test]
fn files_put_one_behind_the_other_are_one() {
    for (ending, encode) in CODECS {
        let bytes = [encode(b"sea\nti"), encode(b""), encode(b"de\n"), encode(&sea())].concat();
        let was = lines(ending, &bytes);
        assert_eq!(
            (was.records.len(), was.rejected, &was.records[..3]),
            (3002, 0, &["sea", "tide", "sea 0"].map(Into::into)[..])
        );
    }
}

#[test]
fn a_file_that_was_cut_off_anywhere_keeps_its_whole_lines_and_is_reported() {
    for (ending, encode) in CODECS {
        let content = sea();
        let bytes = encode(&content);
        for to in (1..bytes.len()).step_by(bytes.len() / 200 + 1).chain(bytes.len() - 20..bytes.len()) {
            let was = lines(ending, &bytes[..to]);
            assert_eq!(was.rejected, 1, "{ending} to {to}");
            assert!(was.first.contains("damaged"), "{ending} to {to}: {}", was.first);
            let want = (0..was.records.len()).all(|line| was.records[line] == *format!("sea {line}"));
            assert!(want, "{ending} to {to}: {:?}", was.records);
        }
    }
}

#[test]
fn a_cut_between_two_blocks_or_frames_is_found_too() {
    for (ending, encode) in CODECS {
        let bytes = encode(b"sea\n");
        for behind in 1..bytes.len() {
            let two = [&bytes[..], &bytes[..behind]].concat();
            assert_eq!(
                (lines(ending, &two).rejected, &*lines(ending, &two).records[0]),
                (1, "sea"),
                "{ending} {behind}"
            );
        }
    }
}

#[test]
fn a_flipped_bit_is_found_wherever_it_changes_something() {
    for (ending, bytes) in [("gz", gz(&sea())), ("zst", BY_THE_TOOL.to_vec()), ("lz4", lz4(&sea()))] {
        // Behind the header, whose name and time nobody checks in a .gz.
        for at in (16..bytes.len()).step_by(bytes.len() / 40 + 1) {
            for bit in 0..8 {
                let mut bytes = bytes.clone();
                bytes[at] ^= 1 << bit;
                // Of the zstd tool's headers of blocks a few bits mean nothing.
                let same = || {
                    decoded(Codec::of(Path::new(&format!("a.{ending}"))), &bytes)
                        .is_ok_and(|now| now == sea())
                };
                assert!(lines(ending, &bytes).rejected > 0 || same(), "{ending}, bit {bit} at {at}");
            }
        }
    }
}

#[test]
fn what_is_not_compressed_at_all_is_reported() {
    for (ending, _) in CODECS {
        let was = lines(ending, b"sea\ntide\nand more\n");
        assert_eq!((was.records.len(), was.rejected), (0, 1));
    }
    assert!(lines("lz4", b"\0\0\0\x0asea and tide").first.contains("Hadoop"));
}

#[test]
fn frames_of_the_zstd_tool_are_read() {
    assert_eq!(decoded(Codec::Zstd, BY_THE_TOOL).unwrap(), sea());
    let mut wrong = BY_THE_TOOL.to_vec();
    *wrong.last_mut().unwrap() ^= 1;
    assert!(decoded(Codec::Zstd, &wrong).unwrap_err().to_string().contains("checksum"));
}

#[test]
fn skippable_frames_are_passed_over() {
    for (codec, frame) in [(Codec::Zstd, zst(b"sea")), (Codec::Lz4, lz4(b"sea"))] {
        let skippable = [&0x184d_2a53u32.to_le_bytes()[..], &3u32.to_le_bytes(), b"abc"].concat();
        let bytes = [&skippable[..], &frame, &skippable, &frame].concat();
        assert_eq!(decoded(codec, &bytes).unwrap(), b"seasea");
        let cut = [&frame[..], &skippable[..9]].concat();
        assert_eq!(decoded(codec, &cut).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}

#[test]
fn a_zst_frame_that_wants_too_much_memory_is_refused_also_as_the_first() {
    // A frame without a length: its window of 128 MiB is 1 << (10 + 17).
    let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 17 << 3, 0x01, 0x00, 0x00];
    let said = decoded(Codec::Zstd, &frame).unwrap_err().to_string();
    assert!(said.contains("window"), "{said}");
    let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 16 << 3, 0x01, 0x00, 0x00];
    assert_eq!(decoded(Codec::Zstd, &frame).unwrap(), b"");
}

#[test]
fn lz4_blocks_that_refer_to_those_before_them_are_read() {
    let content: Vec<u8> = (0..40).flat_map(|_| sea()).collect();
    for mode in [BlockMode::Linked, BlockMode::Independent] {
        let info = FrameInfo::new().block_mode(mode).content_size(Some(content.len() as u64));
        assert!(decoded(Codec::Lz4, &lz4_as(info, &content)).unwrap() == content);
    }
}

#[test]
fn content_that_cannot_be_compressed_is_read() {
    let mut number = 1u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (number >> 56) as u8
    })
    .take(300_000)
    .collect();
    for (codec, encode) in
        [Codec::Gzip, Codec::Zstd, Codec::Lz4].into_iter().zip(CODECS.map(|(_, encode)| encode))
    {
        assert!(decoded(codec, &encode(&noise)).unwrap() == noise, "{codec:?}");
    }
}

#[test]
fn frames_of_lz4_l_are_refused_by_name() {
    let bytes = [&LEGACY[..], &[0; 8]].concat();
    assert!(decoded(Codec::Lz4, &bytes).unwrap_err().to_string().contains("lz4 -l"));
}

const LEGACY: [u8; 4] = 0x184c_2102u32.to_le_bytes();

/// The tools themselves, where they are installed: what they write is read.
#[test]
fn what_the_tools_write_is_read() {
    let content: Vec<u8> = (0..40).flat_map(|_| sea()).collect();
    let (_folder, path) = file("in.txt", &content);
    let tools: [(&str, &[&str], Codec); 5] = [
        ("gzip", &["-c"], Codec::Gzip),
        ("zstd", &["-19", "-c"], Codec::Zstd),
        ("zstd", &["-1", "--no-check", "-c"], Codec::Zstd),
        ("lz4", &["-9", "-BD", "-B4", "-c"], Codec::Lz4),
        ("lz4", &["-BX", "--content-size", "-c"], Codec::Lz4),
    ];
    for (tool, arguments, codec) in tools {
        let input = fs::File::open(&path).unwrap();
        let started = Command::new(tool)
            .args(arguments)
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let Ok(child) = started else { continue };
        let output = child.wait_with_output().unwrap();
        assert!(decoded(codec, &output.stdout).unwrap() == content, "{tool} {arguments:?}");
    }
}
