//! What happens to a job when its server is not there, goes away, or is faster than the job.

#![allow(clippy::disallowed_methods, reason = "the sender is another program's part")]

mod support;

use std::io::Write as _;
use std::net::{SocketAddrV4, TcpListener};
use std::thread;

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, bind, getsockname, listen, socket,
};
use support::{Job, ONE_BATCH, SOON, Server, reset};
use tidemill::{DStream, StreamingContext, Text, keys};
use tidemill_socket::SocketStreams as _;

fn text_stream(port: u16) -> impl FnOnce(&StreamingContext) -> DStream<Text> {
    move |ssc| ssc.socket_text_stream("127.0.0.1", port)
}

#[test]
fn a_server_that_comes_up_later_is_found() {
    // Bound and not yet listening: the port is ours, and connections are refused.
    let bound = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).unwrap();
    let any: SocketAddrV4 = "127.0.0.1:0".parse().unwrap();
    bind(std::os::fd::AsRawFd::as_raw_fd(&bound), &SockaddrIn::from(any)).unwrap();
    let port = getsockname::<SockaddrIn>(std::os::fd::AsRawFd::as_raw_fd(&bound)).unwrap().port();
    let mut job = Job::start(SOON, text_stream(port));
    let error = job.error();
    assert!(
        error.starts_with(&format!(
            "connector `socket` failed: connecting: cannot connect to 127.0.0.1:{port}: "
        )),
        "{error}"
    );

    listen(&bound, Backlog::new(8).unwrap()).unwrap();
    let server = Server::on(TcpListener::from(bound));
    server.accept().write_all(b"here\n").unwrap();
    assert_eq!(job.records(1), ["here"]);
}

#[test]
fn a_name_that_nobody_knows_is_an_error_that_names_it() {
    let job = Job::start(ONE_BATCH, |ssc| ssc.socket_text_stream("no.such.host.invalid", 9999));
    let error = job.error();
    assert!(error.contains("cannot connect to no.such.host.invalid:9999"), "{error}");
    job.stop();
}

#[test]
fn a_closed_connection_is_made_anew_again_and_again() {
    let server = Server::start();
    let mut job = Job::start(SOON, text_stream(server.port));
    for n in 0..4 {
        writeln!(server.accept(), "{n}").unwrap();
        assert_eq!(
            job.error(),
            format!("connector `socket` failed: reading: 127.0.0.1:{} closed the connection", server.port)
        );
    }
    assert_eq!(job.records(4), ["0", "1", "2", "3"]);
}

#[test]
fn the_beginning_of_a_line_whose_connection_breaks_is_reported_and_is_no_record() {
    let server = Server::start();
    let mut job = Job::start(SOON, text_stream(server.port));
    let mut connection = server.accept();
    connection.write_all(b"whole\npart").unwrap();
    assert_eq!(job.records(1), ["whole"]);
    reset(connection);
    let error = job.error();
    assert!(error.contains("lost the connection"), "{error}");
    server.accept().write_all(b"next\n").unwrap();
    assert_eq!(job.records(2), ["whole", "next"]);

    let ended = job.stop();
    assert_eq!(ended.rejected, 1);
    assert_eq!(ended.reasons, ["the connection broke behind 4 bytes of a record"]);
}

#[test]
fn a_graceful_stop_loses_nothing_that_was_received() {
    let server = Server::start();
    let job = Job::start(ONE_BATCH, text_stream(server.port));
    let lines: Vec<String> = (0..10_000).map(|n| format!("line {n}")).collect();
    server.accept().write_all((lines.join("\n") + "\n").as_bytes()).unwrap();
    job.error();
    // No batch was due so far: all of it comes with the stop.
    assert_eq!(job.stop().records, lines);
}

#[test]
fn the_beginning_of_a_line_that_a_stop_cuts_off_is_reported_and_is_no_record() {
    let server = Server::start();
    let mut job = Job::start(SOON, text_stream(server.port));
    let mut connection = server.accept();
    // One write, so that the part is there once the whole line is.
    connection.write_all(b"whole\npart").unwrap();
    job.records(1);
    let ended = job.stop();
    assert_eq!((ended.records, ended.rejected), (vec![Text::from("whole")], 1));
    assert!(ended.reasons[0].starts_with("the job stopped behind 4 bytes"), "{:?}", ended.reasons);
}

#[test]
fn a_sender_that_is_faster_than_the_job_is_slowed_down_and_loses_nothing() {
    let server = Server::start();
    // So little memory that the gate is closed again and again.
    let conf = Job::<u64>::conf(SOON).set(keys::MEMORY.name(), "1m").unwrap();
    let mut job = Job::start_with(conf, |ssc| {
        let lines = ssc.socket_text_stream("127.0.0.1", server.port);
        lines.map(|line| line[..8].parse::<u64>().unwrap_or(u64::MAX))
    });
    let mut connection = server.accept();
    let total = 40_000_u64;
    let sender = thread::spawn(move || {
        for n in 0..total {
            connection.write_all(format!("{n:08} {:500}\n", "").as_bytes()).unwrap();
        }
    });
    let expected: Vec<u64> = (0..total).collect();
    assert_eq!(job.records(total as usize), expected);
    sender.join().unwrap();
}
