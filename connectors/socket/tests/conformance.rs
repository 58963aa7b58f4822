//! The receiver of lines keeps the promises of every receiver, with a real server behind it.

#![allow(clippy::disallowed_methods, reason = "the sender is another program's part")]

mod support;

use std::fmt::Write as _;
use std::io::Write as _;
use std::ops::Range;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use support::Server;
use tidemill::Text;
use tidemill::testing::receiver::{Fed, conformance};
use tidemill_socket::{SocketConfig, SocketTextReceiver};

/// A server that sends numbers, one a line, to who connects.
struct Numbers {
    port: u16,
    fed: Sender<Range<u64>>,
}

impl Numbers {
    fn serve() -> Self {
        let server = Server::start();
        let (port, (fed, numbers)) = (server.port, channel::<Range<u64>>());
        thread::spawn(move || {
            let mut connection = server.accept();
            // Until the test has no more numbers.
            for range in numbers {
                let mut lines = String::new();
                for n in range {
                    writeln!(lines, "{n}").unwrap();
                }
                connection.write_all(lines.as_bytes()).unwrap();
            }
        });
        Self { port, fed }
    }
}

impl Fed for Numbers {
    type Receiver = SocketTextReceiver;
    /// A socket cannot be rewound.
    const REWINDS: bool = false;

    fn receiver(&self) -> SocketTextReceiver {
        SocketTextReceiver::new(SocketConfig::new("127.0.0.1", self.port))
    }

    fn feed(&self, numbers: Range<u64>) {
        self.fed.send(numbers).unwrap();
    }

    fn number(&self, record: &Text) -> u64 {
        record.parse().unwrap()
    }
}

#[test]
fn the_receiver_of_lines_keeps_the_promises_of_every_receiver() {
    conformance(Numbers::serve);
}
