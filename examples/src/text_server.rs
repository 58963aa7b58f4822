//! A server of text, so that a job has something to read on a machine without any.

#![allow(
    clippy::disallowed_methods,
    reason = "it stands for another program, so it is no part of any job's runtime"
)]

use std::io::{self, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

/// What is sent, line by line, over and over.
const TEXT: &str = include_str!("../text/tide-mill.txt");

/// Between two lines: about as fast as it can be read aloud by a crowd, so that each batch of a fraction of a second has
/// some lines, and nobody's machine gets warm.
const PAUSE: Duration = Duration::from_millis(20);

/// Sends a text about tide mills to everybody who connects, for ever.
#[derive(Debug)]
pub struct TextServer;

impl TextServer {
    /// Where it listens: on this machine only.
    pub const HOST: &str = "127.0.0.1";

    /// Starts a server on a free port, and says which. It runs until the process ends.
    ///
    /// # Errors
    /// Where the system has no port or thread to give.
    pub fn start() -> io::Result<u16> {
        let listener = TcpListener::bind((Self::HOST, 0))?;
        let port = listener.local_addr()?.port();
        let serve = move || {
            for reader in listener.incoming().flatten() {
                // Each reader has its own thread and hears the text from its beginning; one that cannot be served sees
                // its connection end, and comes again.
                let _ = thread::Builder::new().name("text-reader".into()).spawn(|| send(reader));
            }
        };
        thread::Builder::new().name("text-server".into()).spawn(serve)?;
        Ok(port)
    }
}

/// Sends the text until the reader is gone.
fn send(mut reader: TcpStream) {
    for line in TEXT.lines().filter(|line| !line.is_empty()).cycle() {
        if reader.write_all(format!("{line}\n").as_bytes()).is_err() {
            return;
        }
        thread::sleep(PAUSE);
    }
}
