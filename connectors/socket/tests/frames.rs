//! Raw frames, and records of a decoder of the user's own.

mod support;

use std::io::Write as _;

use bytes::Bytes;
use support::{Ended, Job, ONE_BATCH, SOON, Server};
use tidemill::{BoxError, DStream, StreamingContext, Wire};
use tidemill_socket::{Decoder, Frame, SocketConfig, SocketStreams as _};

/// What a job sees of a server that sends `bytes` and closes, and how the connection ended.
fn received<T: Wire>(
    bytes: &[u8],
    make: impl FnOnce(&StreamingContext, SocketConfig) -> DStream<T>,
) -> (Ended<T>, String) {
    let server = Server::start();
    let config = SocketConfig::new("127.0.0.1", server.port).frame_bytes_max(8);
    let job = Job::start(ONE_BATCH, |ssc| make(ssc, config));
    server.accept().write_all(bytes).unwrap();
    let error = job.error();
    (job.stop(), error)
}

fn raw(ssc: &StreamingContext, config: SocketConfig) -> DStream<Bytes> {
    ssc.raw_socket_stream_with(config)
}

fn numbers(ssc: &StreamingContext, config: SocketConfig) -> DStream<u64> {
    ssc.socket_stream_with(config, Numbers)
}

/// Lists of numbers, each list with a semicolon behind it.
struct Numbers;

impl Decoder for Numbers {
    type Record = u64;

    fn frame(&self, bytes: &[u8], seen: usize) -> Result<Option<usize>, BoxError> {
        if bytes.starts_with(b"#") {
            return Err("a list cannot begin with `#`".into());
        }
        Ok(bytes[seen..].iter().position(|byte| *byte == b';').map(|at| seen + at + 1))
    }

    fn decode(&self, frame: Frame<'_>, out: &mut Vec<u64>) -> Result<(), BoxError> {
        let list = std::str::from_utf8(frame.strip_suffix(b";").unwrap_or(&frame))?;
        for number in list.split(',').filter(|number| !number.is_empty()) {
            out.push(number.parse()?);
        }
        Ok(())
    }

    fn ends_with(&self, rest: &[u8]) -> bool {
        rest.starts_with(b"9")
    }
}

#[test]
fn raw_frames_are_records_also_those_of_no_bytes_and_of_the_longest_length() {
    let (ended, error) = received(b"\0\0\0\x02ab\0\0\0\0\0\0\0\x0812345678", raw);
    assert_eq!(ended.records, [&b"ab"[..], b"", b"12345678"]);
    assert_eq!((ended.planned, ended.rejected), (3, 0));
    assert!(error.ends_with("closed the connection"), "{error}");
}

#[test]
fn a_raw_frame_that_is_too_long_is_an_error_that_names_it_and_what_came_before_stays() {
    let (ended, error) = received(b"\0\0\0\x02ab\0\0\0\x09123456789", raw);
    assert_eq!(ended.records, [&b"ab"[..]]);
    assert!(error.contains("sends a frame of 9 bytes, more than the 8 that are allowed"), "{error}");
    // A length that nobody can mean is refused before its content is waited for.
    let (_, error) = received(b"GET / HTTP/1.1\r\n", raw);
    assert!(error.contains(&format!("sends a frame of {} bytes", u32::from_be_bytes(*b"GET "))), "{error}");
}

#[test]
fn a_raw_frame_that_the_end_of_the_connection_cuts_off_is_counted() {
    let (ended, _) = received(b"\0\0\0\x02ab\0\0\0\x04abc", raw);
    assert_eq!(ended.records, [&b"ab"[..]]);
    assert_eq!(ended.rejected, 1);
    assert!(ended.reasons[0].ends_with("closed the connection behind 7 bytes of a frame"), "{ended:?}");
}

#[test]
fn a_new_connection_begins_with_a_whole_frame() {
    let server = Server::start();
    let mut job = Job::start(SOON, |ssc| ssc.raw_socket_stream("127.0.0.1", server.port));
    server.accept().write_all(b"\xff\xff\xff\xff").unwrap();
    assert!(job.error().contains("sends a frame of 4294967295 bytes"));
    server.accept().write_all(b"\0\0\0\x01a").unwrap();
    assert_eq!(job.records(1), [&b"a"[..]]);
}

#[test]
fn a_frame_that_cannot_be_decoded_is_left_out_whole_and_counted() {
    let (ended, _) = received(b"1,2;3,x,4;;5;", numbers);
    assert_eq!(ended.records, [1, 2, 5]);
    // Of four frames: the third has no number in it, and that is none of its faults.
    assert_eq!((ended.planned, ended.rejected), (4, 1));
    assert_eq!(ended.reasons, ["a frame of 6 bytes cannot be decoded: invalid digit found in string"]);
}

#[test]
fn a_decoder_says_whether_the_rest_of_a_closed_connection_is_a_frame() {
    let (ended, _) = received(b"1;92", numbers);
    assert_eq!((ended.records, ended.rejected), (vec![1, 92], 0));
    let (ended, _) = received(b"1;82", numbers);
    assert_eq!((ended.records, ended.rejected), (vec![1], 1));
}

#[test]
fn bytes_that_are_no_frames_end_the_connection_with_what_the_decoder_says() {
    let (ended, error) = received(b"1;#2;3;", numbers);
    assert_eq!(ended.records, [1]);
    assert!(error.contains("cannot find the frames in what 127.0.0.1:"), "{error}");
    assert!(error.ends_with("a list cannot begin with `#`"), "{error}");
}

#[test]
fn a_frame_of_a_decoder_that_does_not_end_within_the_limit_is_an_error() {
    let (ended, error) = received(b"1234567;123456789", numbers);
    assert_eq!(ended.records, [1_234_567]);
    assert!(error.contains("sends a frame of at least 9 bytes, more than the 8"), "{error}");
}

/// A decoder with a mistake: frames of no bytes, or of more than there are.
struct Wrong(usize);

impl Decoder for Wrong {
    type Record = u64;

    fn frame(&self, _bytes: &[u8], _seen: usize) -> Result<Option<usize>, BoxError> {
        Ok(Some(self.0))
    }

    fn decode(&self, _frame: Frame<'_>, _out: &mut Vec<u64>) -> Result<(), BoxError> {
        Ok(())
    }
}

#[test]
fn a_frame_of_no_bytes_or_too_many_is_the_decoders_mistake() {
    for wrong in [0, 100] {
        let (_, error) = received(b"abc", |ssc, config| ssc.socket_stream_with(config, Wrong(wrong)));
        assert!(
            error.contains(&format!("the decoder found a frame of {wrong} bytes where there are ")),
            "{error}"
        );
    }
}
