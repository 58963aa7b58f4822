//! Servers of lines, so that a job has something to read on a machine without any.

#![allow(
    clippy::disallowed_methods,
    reason = "they stand for other programs, so they are no part of any job's runtime"
)]

use std::io::{self, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use crate::PageViews;

/// Where the servers listen: on this machine only.
pub const HOST: &str = "127.0.0.1";

/// Between two lines: about as fast as it can be read aloud by a crowd, so that each batch of a fraction of a second has
/// some lines, and nobody's machine gets warm.
const PAUSE: Duration = Duration::from_millis(20);

/// What the text server sends, line by line, over and over.
const TEXT: &str = include_str!("../text/tide-mill.txt");

/// Starts a server that sends a text about tide mills to everybody who connects, for ever. Returns its port.
///
/// # Errors
/// Where the system has no port or thread to give.
pub fn serve_text() -> io::Result<u16> {
    serve(|| TEXT.lines().filter(|line| !line.is_empty()).map(str::to_owned).cycle())
}

/// Starts a server that sends the [`PageViews`] of a small site to everybody who connects, for ever. Returns its port.
///
/// # Errors
/// Where the system has no port or thread to give.
pub fn serve_page_views() -> io::Result<u16> {
    serve(|| PageViews::default().map(|view| view.to_string()))
}

/// Starts a server on a free port, and says which. It runs until the process ends.
fn serve<L: Iterator<Item = String>>(lines: impl Fn() -> L + Copy + Send + 'static) -> io::Result<u16> {
    let listener = TcpListener::bind((HOST, 0))?;
    let port = listener.local_addr()?.port();
    let accept = move || {
        for reader in listener.incoming().flatten() {
            // Each reader has its own thread and hears the lines from the first on; one that cannot be served sees its
            // connection end, and comes again.
            let _ = thread::Builder::new().name("reader".into()).spawn(move || send(reader, lines()));
        }
    };
    thread::Builder::new().name("server".into()).spawn(accept)?;
    Ok(port)
}

/// Sends lines until the reader is gone.
fn send(mut reader: TcpStream, lines: impl Iterator<Item = String>) {
    for line in lines {
        if reader.write_all(format!("{line}\n").as_bytes()).is_err() {
            return;
        }
        thread::sleep(PAUSE);
    }
}
