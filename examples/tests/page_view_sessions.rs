//! The visits to a site as the job's users see them.

mod common;

use common::{Running, frames, output};

const JOB: &str = env!("CARGO_BIN_EXE_page_view_sessions");

#[test]
fn a_visit_is_over_when_nothing_came_for_longer_than_idle() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = folder.path().to_str().unwrap();
    let mut job = Running::start(JOB, &["--interval=200ms", "--idle=1s", "--checkpoint", checkpoint]);

    job.send("/\t200\t94709\t7\n/news\t200\t94709\t7\n/gone\t404\t94709\t7\n");
    // Left out, as it says nothing.
    job.send("/\t200\n");
    let (mut seen, mut looks) = (Vec::new(), Vec::new());
    while seen.is_empty() {
        let (between, frame) = job.frame();
        looks.extend(between.into_iter().filter(|line| !line.is_empty()));
        seen = frame.lines;
    }

    let [visit] = &seen[..] else { panic!("another number of visits than one: {seen:?}") };
    assert!(visit.starts_with("(7, Visit { pages: 3, missed: 1, begin: "), "{visit}");
    assert!(looks.iter().any(|line| line == "1 on the site; user 7 has looked at 3 pages"), "{looks:?}");
    job.interrupt();
}

#[test]
fn without_a_server_it_brings_its_own_and_visits_end() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = folder.path().to_str().unwrap();
    let args = ["--interval=100ms", "--idle=300ms", "--batches=20", "--checkpoint", checkpoint];

    let run = output(JOB, &args);

    assert!(run.status.success(), "{run:?}");
    let frames = frames(&String::from_utf8(run.stdout).unwrap());
    assert!(frames.len() >= 20, "{frames:?}");
    assert!(frames.iter().any(|frame| !frame.lines.is_empty()), "no visit has ended: {frames:?}");
}
