//! The word count as its users run it: the program itself, its arguments and what it prints.

#![allow(
    clippy::disallowed_methods,
    reason = "the server is another program's part, and a reader of a pipe cannot be given up"
)]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

/// Far longer than anything here takes; a test that reaches it has failed.
const PATIENCE: Duration = Duration::from_mins(1);

const DASHES: &str = "-------------------------------------------";

fn program(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_network_word_count"));
    command.args(args);
    command
}

fn output(args: &[&str]) -> Output {
    program(args).output().unwrap()
}

/// The frames of an output: the words of each with their counts, and whether it says that there are more.
fn frames(printed: &str) -> Vec<(BTreeMap<String, u64>, bool)> {
    let mut lines = printed.lines().peekable();
    let mut frames = Vec::new();
    while let Some(line) = lines.next() {
        assert_eq!(line, DASHES);
        let time = lines.next().unwrap().strip_prefix("Time: ").unwrap().strip_suffix(" ms").unwrap();
        assert!(time.parse::<u64>().unwrap().is_multiple_of(200), "batches lie on the grid of the interval");
        assert_eq!(lines.next(), Some(DASHES));
        let (mut counts, mut more) = (BTreeMap::new(), false);
        for line in lines.by_ref().take_while(|line| !line.is_empty()) {
            if line == "..." {
                more = true;
                continue;
            }
            let (word, count) = counted(line);
            counts.insert(word, count);
        }
        frames.push((counts, more));
    }
    frames
}

/// The pair of a line like `("tide", 3)`.
fn counted(line: &str) -> (String, u64) {
    let (word, count) =
        line.strip_prefix("(\"").unwrap().strip_suffix(')').unwrap().split_once("\", ").unwrap();
    (word.to_owned(), count.parse().unwrap())
}

#[test]
fn without_a_server_it_brings_its_own_and_stops_after_its_batches() {
    let run = output(&["--interval", "200ms", "--batches", "3", "--print", "2"]);
    assert!(run.status.success(), "{run:?}");
    let frames = frames(&String::from_utf8(run.stdout).unwrap());
    // What came in while it stopped is one more batch.
    assert!((3..=4).contains(&frames.len()), "{frames:?}");
    assert!(frames.iter().any(|(counts, more)| counts.len() == 2 && *more), "{frames:?}");
    let words: Vec<&str> = include_str!("../text/tide-mill.txt").split_whitespace().collect();
    assert!(frames.iter().flat_map(|(counts, _)| counts.keys()).all(|word| words.contains(&word.as_str())));
}

#[test]
fn it_counts_what_a_server_sends_and_ctrl_c_stops_it_gracefully() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let mut command = program(&["127.0.0.1", &port, "--interval=200ms", "--print", "100"]);
    let mut job = command.stdout(Stdio::piped()).spawn().unwrap();
    let printed = lines_of(&mut job);
    let (mut connection, _) = listener.accept().unwrap();

    connection.write_all(b"sea tide sea\nmill sea\n").unwrap();
    let mut counts = BTreeMap::new();
    while counts.values().sum::<u64>() < 5 {
        let line = printed.recv_timeout(PATIENCE).expect("the counts did not come");
        if line.starts_with('(') {
            let (word, count) = counted(&line);
            *counts.entry(word).or_default() += count;
        }
    }
    assert_eq!(counts, BTreeMap::from([("mill".into(), 1), ("sea".into(), 3), ("tide".into(), 1)]));

    // The shell's own: a small system has no program of that name.
    let kill = Command::new("sh").args(["-c", "kill -INT $0", &job.id().to_string()]).status().unwrap();
    assert!(kill.success());
    assert!(job.wait().unwrap().success());
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

#[test]
fn a_setting_that_is_wrong_is_named() {
    for (args, named) in [
        (&["--interval", "0s"][..], "tidemill.streaming.batch_interval"),
        (&["--conf", "tidemill.streaming.blok_interval=1s"], "tidemill.streaming.block_interval"),
        (&["--master", "remote"], "tidemill.master"),
        (&["localhost"], "<PORT>"),
        (&["localhost", "99999"], "99999"),
    ] {
        let run = output(args);
        assert!(!run.status.success(), "{args:?}");
        let said = String::from_utf8(run.stderr).unwrap();
        assert!(said.contains(named), "{args:?}: {said}");
    }
}
