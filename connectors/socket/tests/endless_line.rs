//! A line without an end does not fill the memory. One test in a process of its own, because it looks at all of its memory.

#![allow(clippy::disallowed_methods, reason = "the sender is another program's part")]

mod support;

use std::io::Write as _;
use std::thread;

use support::{Job, SOON, Server};
use tidemill_socket::{SocketConfig, SocketStreams as _};

/// The length of the line.
const BYTES: usize = 1 << 27;

/// What the sender writes at once.
const PIECE: usize = 1 << 20;

/// By how much the process may grow: the line's limit a few times, as buffers double.
const GROWS: usize = 8 * SocketConfig::DEFAULT_LINE_BYTES_MAX as usize;

#[test]
fn a_line_without_an_end_is_held_in_no_memory_and_costs_only_itself() {
    let server = Server::start();
    let mut job = Job::start(SOON, |ssc| ssc.socket_text_stream("127.0.0.1", server.port));
    let mut connection = server.accept();
    let piece = vec![b'x'; PIECE];
    connection.write_all(b"before\n").unwrap();
    assert_eq!(job.records(1), ["before"]);
    let before = most_memory();

    let sender = thread::spawn(move || {
        for _ in 0..BYTES / PIECE {
            connection.write_all(&piece).unwrap();
        }
        connection.write_all(b"\nbehind\n").unwrap();
    });
    assert_eq!(job.records(2), ["before", "behind"]);
    sender.join().unwrap();
    let grown = most_memory() - before;
    assert!(grown < GROWS, "grown by {grown} bytes");

    let ended = job.stop();
    assert_eq!((ended.records.len(), ended.planned, ended.rejected), (2, 3, 1));
    assert!(
        ended.reasons[0].starts_with("a line of at least 1048577 bytes is longer than 1048576; raise"),
        "{ended:?}"
    );
}

/// The most memory that this process ever held, in bytes; zero where the system does not say.
fn most_memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")).map_or(0, |kb| kb.parse::<usize>().unwrap() << 10)
}
