//! What a server can do to a job by being silent, or by going away in the middle of something.

mod support;

use std::io::Write as _;

use bytes::Bytes;
use support::{Job, SOON, Server, reset};
use tidemill::{DStream, StreamingContext, Wire, keys};
use tidemill_socket::SocketStreams as _;

/// A job that would wait an hour for a receiver that does not stop.
fn patient<T: Wire>(make: impl FnOnce(&StreamingContext) -> DStream<T>) -> Job<T> {
    Job::start_with(Job::<T>::conf(SOON).set(keys::GRACEFUL_STOP_TIMEOUT.name(), "1h").unwrap(), make)
}

fn raw(port: u16) -> impl FnOnce(&StreamingContext) -> DStream<Bytes> {
    move |ssc| ssc.raw_socket_stream("127.0.0.1", port)
}

#[test]
fn batches_go_on_while_a_server_is_silent_and_the_job_stops_at_once() {
    let server = Server::start();
    let mut job = patient(|ssc| ssc.socket_text_stream("127.0.0.1", server.port));
    let _silent = server.accept();
    job.batches(5);
    let ended = job.stop();
    assert_eq!((ended.records.len(), ended.planned, ended.rejected), (0, 0, 0));

    let mut job = patient(raw(server.port));
    let _silent = server.accept();
    job.batches(5);
    let ended = job.stop();
    assert_eq!((ended.records.len(), ended.planned, ended.rejected), (0, 0, 0));
}

#[test]
fn a_server_that_falls_silent_within_a_record_holds_up_neither_batches_nor_the_stop() {
    let server = Server::start();
    let mut job = patient(|ssc| ssc.socket_text_stream("127.0.0.1", server.port));
    let mut silent = server.accept();
    silent.write_all(b"whole\npart").unwrap();
    assert_eq!(job.records(1), ["whole"]);
    job.batches(5);
    let ended = job.stop();
    assert_eq!((ended.records.len(), ended.rejected), (1, 1));
    assert!(ended.reasons[0].starts_with("the job stopped behind 4 bytes of what"), "{ended:?}");

    for part in [&b"\0\0"[..], b"\0\0\0\x04", b"\0\0\0\x04abc"] {
        let mut job = patient(raw(server.port));
        let mut silent = server.accept();
        silent.write_all(&[b"\0\0\0\x02ab", part].concat()).unwrap();
        assert_eq!(job.records(1), [&b"ab"[..]]);
        job.batches(5);
        let ended = job.stop();
        assert_eq!((ended.records.len(), ended.rejected), (1, 1), "{part:?}");
        let expected = format!("the job stopped behind {} bytes of what", part.len());
        assert!(ended.reasons[0].starts_with(&expected), "{ended:?}");
    }
}

#[test]
fn the_beginning_of_a_frame_whose_connection_breaks_is_reported_and_the_next_connection_is_read() {
    let server = Server::start();
    let mut job = patient(raw(server.port));
    let mut connection = server.accept();
    connection.write_all(b"\0\0\0\x02ab\0\0\0\x09abc").unwrap();
    assert_eq!(job.records(1), [&b"ab"[..]]);
    reset(connection);
    let error = job.error();
    assert!(error.contains("lost the connection to 127.0.0.1"), "{error}");
    server.accept().write_all(b"\0\0\0\x01c").unwrap();
    assert_eq!(job.records(2), [&b"ab"[..], b"c"]);

    let ended = job.stop();
    assert_eq!(ended.rejected, 1);
    assert_eq!(ended.reasons, ["the connection broke behind 7 bytes of a record"]);
}

#[test]
fn a_frame_of_a_negative_length_is_refused_and_the_next_connection_is_read() {
    let server = Server::start();
    let mut job = patient(raw(server.port));
    let mut connection = server.accept();
    connection.write_all(&[b"\0\0\0\x02ab", &(-1_i32).to_be_bytes()[..], b"\0\0\0\x01z"].concat()).unwrap();
    let error = job.error();
    assert!(error.contains("sends a frame of 4294967295 bytes, more than the 16777216"), "{error}");
    server.accept().write_all(b"\0\0\0\x01c").unwrap();
    assert_eq!(job.records(2), [&b"ab"[..], b"c"]);
    // What stands behind such a length is lost with its connection, and nobody knows how many records that was.
    assert_eq!(job.stop().rejected, 0);
}

#[test]
fn bytes_that_are_no_text_cost_their_own_line_and_no_other_one() {
    let server = Server::start();
    let mut job = patient(|ssc| ssc.socket_text_stream("127.0.0.1", server.port));
    let mut connection = server.accept();
    connection.write_all(b"one\0\n\0\0\n\xff\xfe\ntwo\n").unwrap();
    assert_eq!(job.records(3), ["one\0", "\0\0", "two"]);
    // A character of three bytes, torn between two reads, is whole; one that the end of its line cuts off is not.
    connection.write_all(b"\xe2\x82").unwrap();
    job.batches(2);
    connection.write_all(b"\xac\n\xe2\x82\nthree\n").unwrap();
    assert_eq!(job.records(5)[3..], ["€", "three"]);
    let ended = job.stop();
    assert_eq!((ended.planned, ended.rejected), (7, 2));
    let about = |at: &str| ended.reasons.iter().any(|reason| reason.starts_with(at));
    assert!(about("a line is not UTF-8 at byte 0 of 2, around `\\xff\\xfe`"), "{ended:?}");
    assert!(about("a line is not UTF-8 at byte 0 of 2, around `\\xe2\\x82`"), "{ended:?}");
}
