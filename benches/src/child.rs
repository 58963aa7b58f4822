//! One run in a process of its own: start it, wait with a limit, read the line it prints.

use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::measure::Measured;

/// Longer than any run takes, a build with link-time optimisation on a busy machine included.
const PATIENCE: Duration = Duration::from_mins(15);

/// Runs the command to its end and reads the last line of JSON that it prints.
///
/// # Errors
/// If it cannot start, fails (with what it wrote to standard error), hangs, or prints no such line.
pub(crate) fn run(command: Command) -> Result<Measured> {
    run_within(command, PATIENCE)
}

fn run_within(mut command: Command, patience: Duration) -> Result<Measured> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        // The error says what is wrong; a backtrace of it would stand in the middle of ours.
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {name}"))?;
    let stdout = child.stdout.take().context("the child has no standard output")?;
    let stderr = child.stderr.take().context("the child has no standard error")?;
    let (out, err) = (read_to_end(stdout), read_to_end(stderr));
    // Its output ends when the process ends: waiting for that costs no CPU, polling would.
    let Ok(out) = out.recv_timeout(patience) else {
        child.kill().with_context(|| format!("ending {name}"))?;
        child.wait().with_context(|| format!("ending {name}"))?;
        bail!("{name} was ended after {} s without a result", patience.as_secs());
    };
    let status = child.wait().with_context(|| format!("waiting for {name}"))?;
    if !status.success() {
        let err = err.recv().unwrap_or_default();
        bail!("{name} failed ({status}): {}", err.trim());
    }
    last_json_line(&out).with_context(|| format!("reading what {name} printed"))
}

fn read_to_end(mut from: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read before an error is still worth showing.
        let _ = from.read_to_end(&mut bytes);
        let _ = send.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receive
}

/// A job may print whatever it likes before its measurement.
fn last_json_line(out: &str) -> Result<Measured> {
    let line = out.lines().rfind(|line| line.starts_with('{')).context("no line of JSON")?;
    let mut measured: Measured =
        serde_json::from_str(line).with_context(|| format!("not a measurement: {line}"))?;
    // What the limits call themselves and their workload; the harness has its own names.
    measured.more.retain(|name, _| name != "peer" && name != "workload");
    Ok(measured)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"n":2,"seconds":1.0,"rate":2.0,"cpu_s":0.5,"rss_mb":3.0}"#;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn the_last_line_of_json_is_the_measurement() {
        let script = format!("echo hello; echo '{{\"n\":1}}'; echo '{LINE}'; echo bye");
        assert_eq!(run(shell(&script)).unwrap().n, 2);
    }

    #[test]
    fn a_limits_names_for_itself_are_left_out() {
        let line = LINE.replace("\"n\":2", "\"peer\":\"limit\",\"workload\":\"w1\",\"n\":2,\"words\":9");
        let measured = last_json_line(&line).unwrap();
        assert_eq!(measured.more.keys().collect::<Vec<_>>(), ["words"]);
    }

    #[test]
    fn a_failed_run_shows_what_it_wrote_to_standard_error() {
        let script = format!("echo '{LINE}'; echo 'no such file' >&2; exit 3");
        let error = format!("{:#}", run(shell(&script)).unwrap_err());
        assert!(error.contains("no such file") && error.contains("exit status: 3"), "{error}");
    }

    #[test]
    fn a_run_that_prints_nothing_is_an_error() {
        let error = format!("{:#}", run(shell("echo done")).unwrap_err());
        assert!(error.contains("no line of JSON"), "{error}");
    }

    #[test]
    fn a_run_that_hangs_is_ended() {
        // `exec`: the shell's own process waits, so ending it closes the pipes.
        let error = run_within(shell("exec sleep 1000"), Duration::from_millis(1)).unwrap_err();
        assert!(error.to_string().contains("without a result"), "{error}");
    }
}
