//! Whatever happens in a folder, in whatever order: each file is read as the rules say.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use proptest::prelude::*;
use support::{Folder, Job};
use tidemill_file::OnChange;

const NAMES: usize = 4;
/// In batches, which are seconds.
const REMEMBER: u64 = 3;

/// What somebody does in the folder.
#[derive(Clone, Debug)]
enum Step {
    Create { name: usize, lines: u64 },
    MoveIn { name: usize, lines: u64 },
    Rename { from: usize, to: usize },
    Touch { name: usize },
    Append { name: usize },
    Delete { name: usize },
    Batch,
}

fn step() -> impl Strategy<Value = Step> {
    let name = || 0..NAMES;
    prop_oneof![
        2 => (name(), 0..3u64).prop_map(|(name, lines)| Step::Create { name, lines }),
        2 => (name(), 1..3u64).prop_map(|(name, lines)| Step::MoveIn { name, lines }),
        1 => (name(), name()).prop_map(|(from, to)| Step::Rename { from, to }),
        1 => name().prop_map(|name| Step::Touch { name }),
        1 => name().prop_map(|name| Step::Append { name }),
        2 => name().prop_map(|name| Step::Delete { name }),
        5 => Just(Step::Batch),
    ]
}

/// The rules, written down plainly.
#[derive(Default)]
struct Model {
    there: BTreeMap<usize, Vec<String>>,
    known: BTreeMap<usize, usize>,
    absent: BTreeMap<usize, u64>,
    batches: u64,
}

impl Model {
    fn batch(&mut self, on_change: OnChange) -> Vec<String> {
        self.batches += 1;
        let mut read = Vec::new();
        for name in 0..NAMES {
            let there = self.there.get(&name);
            if there.is_none() && self.known.contains_key(&name) {
                let since = *self.absent.entry(name).or_insert(self.batches);
                if self.batches - since >= REMEMBER {
                    self.known.remove(&name);
                    self.absent.remove(&name);
                }
            }
            let Some(lines) = there else { continue };
            self.absent.remove(&name);
            // Lines have one length.
            let new = self
                .known
                .get(&name)
                .is_none_or(|known| *known != lines.len() && on_change == OnChange::Read);
            if new && !lines.is_empty() {
                self.known.insert(name, lines.len());
                read.extend(lines.iter().cloned());
            }
        }
        read.sort_unstable();
        read
    }
}

/// Lines that come once, all of one length.
#[derive(Default)]
struct Lines(u64);

impl Lines {
    fn take(&mut self, count: u64) -> Vec<String> {
        let lines = (self.0..self.0 + count).map(|n| format!("{n:06}")).collect();
        self.0 += count;
        lines
    }
}

fn content(lines: &[String]) -> String {
    lines.iter().flat_map(|line| [line, "\n"]).collect()
}

fn file(name: usize) -> String {
    format!("file-{name}")
}

fn holds(start: &[u64], steps: &[Step], on_change: OnChange) {
    let (folder, elsewhere) = (Folder::new(), Folder::new());
    let (mut model, mut lines) = (Model::default(), Lines::default());
    for (name, count) in start.iter().enumerate() {
        let lines = lines.take(*count);
        folder.write(&file(name), &content(&lines));
        if !lines.is_empty() {
            model.known.insert(name, lines.len());
        }
        model.there.insert(name, lines);
    }
    let stream = folder.stream().on_change(on_change).remember(Duration::from_secs(REMEMBER));
    let mut job = Job::start(stream);
    for step in steps {
        match step {
            Step::Create { name, lines: count } => {
                let lines = lines.take(*count);
                folder.write(&file(*name), &content(&lines));
                model.there.insert(*name, lines);
            }
            Step::MoveIn { name, lines: count } => {
                let lines = lines.take(*count);
                elsewhere.write("x", &content(&lines));
                elsewhere.touch("x", Duration::from_secs(10));
                fs::rename(elsewhere.at("x"), folder.at(&file(*name))).unwrap();
                model.there.insert(*name, lines);
            }
            Step::Rename { from, to } => {
                if from != to
                    && let Some(lines) = model.there.remove(from)
                {
                    fs::rename(folder.at(&file(*from)), folder.at(&file(*to))).unwrap();
                    model.there.insert(*to, lines);
                }
            }
            Step::Touch { name } => {
                if model.there.contains_key(name) {
                    folder.touch(&file(*name), Duration::from_secs(20));
                }
            }
            Step::Append { name } => {
                if let Some(there) = model.there.get_mut(name) {
                    there.extend(lines.take(1));
                    folder.write(&file(*name), &content(there));
                }
            }
            Step::Delete { name } => {
                if model.there.remove(name).is_some() {
                    folder.remove(&file(*name));
                }
            }
            Step::Batch => assert_eq!(job.batch_sorted(), model.batch(on_change)),
        }
    }
    // What was left over is read now, and nothing twice.
    for _ in 0..2 {
        assert_eq!(job.batch_sorted(), model.batch(on_change));
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn each_file_is_read_as_the_rules_say(
        start in prop::collection::vec(0..3u64, 0..3),
        steps in prop::collection::vec(step(), 0..40),
        read_again in any::<bool>(),
    ) {
        holds(&start, &steps, if read_again { OnChange::Read } else { OnChange::Ignore });
    }
}
