//! What becomes a line of `socket_text_stream`, over real sockets.

mod support;

use std::io::Write as _;

use support::{Ended, Job, ONE_BATCH, SOON, Server};
use tidemill::testing::sinks::CollectingSink;
use tidemill::{BoxError, StreamingContext, Text};
use tidemill_socket::{Decoder, Frame, SocketConfig, SocketStreams as _};

/// The lines of a server that sends `bytes` and closes.
fn lines_of(bytes: &[u8]) -> Ended<Text> {
    lines_with(bytes, |config| config)
}

fn lines_with(bytes: &[u8], set: impl FnOnce(SocketConfig) -> SocketConfig) -> Ended<Text> {
    let server = Server::start();
    let config = set(SocketConfig::new("127.0.0.1", server.port));
    let job = Job::start(ONE_BATCH, |ssc| ssc.socket_text_stream_with(config));
    server.accept().write_all(bytes).unwrap();
    // The error is the end of the connection: by then all is in.
    assert!(job.error().ends_with("closed the connection"));
    job.stop()
}

fn text_stream(port: u16) -> impl FnOnce(&StreamingContext) -> tidemill::DStream<Text> {
    move |ssc| ssc.socket_text_stream("127.0.0.1", port)
}

#[test]
fn every_end_of_a_line_ends_one_and_empty_lines_are_records() {
    let ended = lines_of(b"one\r\ntwo\n\nthr\xc3\xa9e\rfour\n");
    assert_eq!(ended.records, ["one", "two", "", "thrée", "four"]);
    assert_eq!((ended.planned, ended.rejected), (5, 0));
}

#[test]
fn a_last_line_without_an_end_is_delivered_when_the_server_closes() {
    assert_eq!(lines_of(b"ial\nlast-without-nl").records, ["ial", "last-without-nl"]);
}

#[test]
fn a_line_that_comes_in_two_parts_is_one_line_of_the_later_batch() {
    let server = Server::start();
    let mut job = Job::start(SOON, text_stream(server.port));
    let mut connection = server.accept();

    connection.write_all("one\r\ntwo\n\nthrée\npart".as_bytes()).unwrap();
    assert_eq!(job.records(4), ["one", "two", "", "thrée"]);
    connection.write_all(b"ial\nlast-without-nl").unwrap();
    drop(connection);
    assert_eq!(job.records(6)[4..], ["partial", "last-without-nl"]);
}

#[test]
fn a_line_that_a_closed_connection_leaves_open_does_not_run_into_the_next_connection() {
    let server = Server::start();
    let mut job = Job::start(SOON, text_stream(server.port));
    server.accept().write_all(b"part").unwrap();
    server.accept().write_all(b"ial\n").unwrap();
    assert_eq!(job.records(2), ["part", "ial"]);
}

#[test]
fn a_return_ends_a_line_at_once_and_its_newline_makes_no_empty_line_later() {
    let server = Server::start();
    let mut job = Job::start(SOON, text_stream(server.port));
    let mut connection = server.accept();
    connection.write_all(b"one\r").unwrap();
    assert_eq!(job.records(1), ["one"]);
    connection.write_all(b"\ntwo\r\n\n").unwrap();
    assert_eq!(job.records(3), ["one", "two", ""]);
}

#[test]
fn zero_bytes_are_text() {
    assert_eq!(lines_of(b"a\0b\n\0\n").records, ["a\0b", "\0"]);
}

#[test]
fn lines_that_are_not_utf8_are_counted_and_left_out_and_those_beside_them_stay() {
    let ended = lines_of(b"good\ncaf\xe9\r\nbetter\n\xff\nbest\n\xc3");
    assert_eq!(ended.records, ["good", "better", "best"]);
    assert_eq!((ended.planned, ended.rejected), (6, 3));
    assert_eq!(ended.reasons, [r"a line is not UTF-8 at byte 3 of 4, around `caf\xe9`"]);
}

#[test]
fn lines_that_are_not_utf8_go_to_the_dead_letters_with_their_bytes_and_their_place() {
    let server = Server::start();
    let letters = CollectingSink::default();
    let job = Job::start(ONE_BATCH, |ssc| {
        ssc.dead_letters_to(letters.clone());
        ssc.socket_text_stream("127.0.0.1", server.port)
    });
    server.accept().write_all(b"good\ncaf\xe9\r\nbetter\n\xff\nbest\n").unwrap();
    job.error();

    let ended = job.stop();

    assert_eq!(ended.records, ["good", "better", "best"]);
    let letters = letters.shown().concat();
    let seen: Vec<_> = letters.iter().map(|letter| (letter.at.as_str(), &*letter.bytes)).collect();
    assert_eq!(seen, [("byte 5 of its block", &b"caf\xe9"[..]), ("byte 18 of its block", b"\xff")]);
    assert_eq!(letters[0].error, r"a line is not UTF-8 at byte 3 of 4, around `caf\xe9`");
    assert_eq!(letters[0].origin, format!("socket 127.0.0.1:{}", server.port));
    assert_eq!((letters[0].stream_id, letters[0].partition), (Some(0), Some(0)));
}

#[test]
fn a_line_longer_than_the_limit_is_counted_and_skipped() {
    let ended = lines_with(b"12345678\n123456789\n1\n", |config| config.line_bytes_max(8));
    assert_eq!(ended.records, ["12345678", "1"]);
    assert_eq!(ended.rejected, 1);
    assert_eq!(
        ended.reasons,
        ["a line of 9 bytes is longer than 8; raise `SocketConfig::line_bytes_max` or check the sender"]
    );
}

#[test]
fn a_line_much_longer_than_the_limit_is_skipped_as_it_comes_in() {
    let mut bytes = b"before\n".to_vec();
    bytes.extend(vec![b'x'; 10 << 20]);
    bytes.extend(b"\r\nbehind\n");
    let ended = lines_of(&bytes);
    assert_eq!(ended.records, ["before", "behind"]);
    assert_eq!((ended.planned, ended.rejected), (3, 1));
    assert!(
        ended.reasons[0].starts_with("a line of at least 1048577 bytes is longer than 1048576"),
        "{ended:?}"
    );
}

#[test]
fn a_line_that_never_ends_is_counted_once() {
    let ended = lines_with(&vec![b'x'; 10 << 12], |config| config.line_bytes_max(1 << 12));
    assert!(ended.records.is_empty());
    assert_eq!((ended.planned, ended.rejected), (1, 1));
}

#[test]
fn lines_are_counted_as_they_are_collected() {
    for bytes in [&b"one\r\ntwo\n\rthree"[..], b"one\ncaf\xe9\n123456789\ntwo\n"] {
        let server = Server::start();
        let config = SocketConfig::new("127.0.0.1", server.port).line_bytes_max(8);
        let job = Job::counting(ONE_BATCH, |ssc| ssc.socket_text_stream_with(config));
        server.accept().write_all(bytes).unwrap();
        job.error();
        let ended = job.stop();
        let expected = lines_with(bytes, |config| config.line_bytes_max(8));
        assert_eq!(ended.records, [expected.records.len() as u64]);
        assert_eq!(ended.rejected, expected.rejected);
    }
}

/// A decoder that is never asked.
struct Nothing;

impl Decoder for Nothing {
    type Record = u64;

    fn frame(&self, _: &[u8], _: usize) -> Result<Option<usize>, BoxError> {
        Ok(None)
    }

    fn decode(&self, _: Frame<'_>, _: &mut Vec<u64>) -> Result<(), BoxError> {
        Ok(())
    }
}

#[test]
fn a_stream_knows_its_method_and_the_place_where_the_user_called_it() {
    let ssc = StreamingContext::from_conf(Job::<Text>::conf(ONE_BATCH)).unwrap();
    let streams = [
        format!("{:?}", ssc.socket_text_stream("localhost", 9999)),
        format!("{:?}", ssc.raw_socket_stream("localhost", 9999)),
        format!("{:?}", ssc.socket_stream("localhost", 9999, Nothing)),
    ];
    let names = ["socket_text_stream", "raw_socket_stream", "socket_stream"];
    for (stream, name) in streams.iter().zip(names) {
        assert!(stream.contains(&format!("{name} (connectors/socket/tests/lines.rs:")), "{stream}");
    }
}
