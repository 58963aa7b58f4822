//! Ctrl-C and SIGTERM stop a job gracefully, a second signal at once: seen on a process of its own.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

use tidemill::{Conf, StreamingContext};

/// Tells this program that it is the job, and whether its batches end.
const JOB: &str = "TIDEMILL_TEST_OF_SIGNALS";

/// Not a test of its own: the job of the others, in a process of its own.
#[test]
fn the_job_itself() {
    let Ok(kind) = std::env::var(JOB) else { return };
    let conf = Conf::new().batch_interval(Duration::from_millis(20)).unwrap();
    let ssc = StreamingContext::from_conf(conf).unwrap();
    let endless = kind == "endless";
    ssc.constant_stream(ssc.parallelize(vec![1], 1)).foreach_rdd(move |_, time| {
        println!("batch {}", time.as_millis());
        if endless {
            loop {
                std::thread::park();
            }
        }
        Ok(())
    });
    ssc.start().unwrap();
    ssc.await_termination().unwrap();
    println!("stopped gracefully");
}

/// Starts the job and waits until it is in its first batch.
fn job(kind: &str) -> (Child, BufReader<ChildStdout>) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "the_job_itself", "--nocapture"]).env(JOB, kind);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    read_until(&mut out, "batch ");
    (child, out)
}

fn read_until(out: &mut impl BufRead, text: &str) {
    let mut line = String::new();
    while !line.contains(text) {
        line.clear();
        assert!(out.read_line(&mut line).unwrap() > 0, "the job ended before `{text}`");
    }
}

/// The shell has `kill` on every machine.
fn signal(child: &Child, name: &str) {
    let sent = Command::new("sh").args(["-c", &format!("kill -{name} {}", child.id())]).status().unwrap();
    assert!(sent.success());
}

fn ended(mut child: Child) -> ExitStatus {
    child.wait().unwrap()
}

#[test]
fn one_signal_stops_gracefully() {
    for name in ["INT", "TERM"] {
        let (child, mut out) = job("short");

        signal(&child, name);

        read_until(&mut out, "stopped gracefully");
        assert!(ended(child).success(), "{name}");
    }
}

#[test]
fn a_second_signal_ends_the_process_at_once() {
    for (name, number) in [("INT", 2), ("TERM", 15)] {
        let (mut child, _out) = job("endless");

        // Signals of one kind that come together are one: sent until the process is gone.
        while child.try_wait().unwrap().is_none() {
            signal_if_there(&child, name);
        }

        assert_eq!(ended(child).code(), Some(128 + number), "{name}");
    }
}

fn signal_if_there(child: &Child, name: &str) {
    // Not there any more: the loop around will see it.
    let _ = Command::new("sh").args(["-c", &format!("kill -{name} {} 2>/dev/null", child.id())]).status();
}
