//! A packaged job as its users run it: the program itself, its arguments, what it reads and what it prints.

#![allow(
    clippy::disallowed_methods,
    reason = "the server is another program's part, and a reader of a pipe cannot be given up"
)]
#![allow(dead_code, reason = "each file of tests uses what it needs")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

/// Far longer than anything here takes; a test that reaches it has failed.
const PATIENCE: Duration = Duration::from_mins(1);

const DASHES: &str = "-------------------------------------------";

/// All that the program at `path` prints with these arguments.
pub(crate) fn output(path: &str, args: &[&str]) -> Output {
    Command::new(path).args(args).output().unwrap()
}

/// A job that reads from this test.
pub(crate) struct Running {
    job: Child,
    lines: Receiver<String>,
    connection: TcpStream,
}

/// What is between two headers.
#[derive(Debug, PartialEq)]
pub(crate) struct Frame {
    /// In milliseconds since 1970.
    pub(crate) time: u64,
    pub(crate) lines: Vec<String>,
}

impl Frame {
    /// The pairs of lines like `("tide", 3)`.
    pub(crate) fn counts(&self) -> BTreeMap<String, u64> {
        self.lines.iter().filter(|line| *line != "...").map(|line| counted(line)).collect()
    }

    /// Whether it says that there is more than it shows.
    pub(crate) fn more(&self) -> bool {
        self.lines.last().is_some_and(|line| line == "...")
    }
}

fn counted(line: &str) -> (String, u64) {
    let (word, count) =
        line.strip_prefix("(\"").unwrap().strip_suffix(')').unwrap().split_once("\", ").unwrap();
    (word.to_owned(), count.parse().unwrap())
}

impl Running {
    /// Starts the program at `path` with a server of this test, and these arguments; waits until it reads.
    pub(crate) fn start(path: &str, args: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let mut job =
            Command::new(path).args(["127.0.0.1", &port]).args(args).stdout(Stdio::piped()).spawn().unwrap();
        let lines = lines_of(&mut job);
        let (connection, _) = listener.accept().unwrap();
        Self { job, lines, connection }
    }

    /// Sends text to the job.
    pub(crate) fn send(&mut self, text: &str) {
        self.connection.write_all(text.as_bytes()).unwrap();
    }

    /// The next frame, and the lines between it and the one before.
    pub(crate) fn frame(&mut self) -> (Vec<String>, Frame) {
        let mut next = || self.lines.recv_timeout(PATIENCE).expect("there was no further frame");
        let before: Vec<String> =
            std::iter::repeat_with(&mut next).take_while(|line| line != DASHES).collect();
        (before, rest_of_frame(&mut next))
    }

    /// The first frame for which `wanted` holds, and those before it.
    pub(crate) fn frames_until(&mut self, wanted: impl Fn(&Frame) -> bool) -> Vec<Frame> {
        let mut frames = Vec::new();
        loop {
            let (_, frame) = self.frame();
            let found = wanted(&frame);
            frames.push(frame);
            if found {
                return frames;
            }
        }
    }

    /// Stops the job as Ctrl-C does, and checks that it ends well.
    pub(crate) fn interrupt(mut self) {
        // The shell's own: a small system has no program of that name.
        let kill =
            Command::new("sh").args(["-c", "kill -INT $0", &self.job.id().to_string()]).status().unwrap();
        assert!(kill.success());
        assert!(self.job.wait().unwrap().success());
    }
}

/// What follows the first line of a frame.
fn rest_of_frame(next: &mut impl FnMut() -> String) -> Frame {
    let time = next().strip_prefix("Time: ").unwrap().strip_suffix(" ms").unwrap().parse().unwrap();
    assert_eq!(next(), DASHES);
    Frame { time, lines: std::iter::repeat_with(next).take_while(|line| !line.is_empty()).collect() }
}

/// The frames of an output, without what is between them.
pub(crate) fn frames(printed: &str) -> Vec<Frame> {
    let mut lines = printed.lines().map(str::to_owned);
    let mut frames = Vec::new();
    while lines.find(|line| line == DASHES).is_some() {
        frames.push(rest_of_frame(&mut || lines.next().unwrap()));
    }
    frames
}

/// The lines that `job` prints, as they come.
fn lines_of(job: &mut Child) -> Receiver<String> {
    let stdout = job.stdout.take().unwrap();
    let (sender, lines) = channel();
    thread::spawn(move || {
        BufReader::new(stdout).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
    });
    lines
}
