//! `pprint` prints the Debug form.
use tidemill::{DStream, Text};

#[derive(Clone, serde::Serialize, serde::Deserialize)]
struct Reading(u32);

fn job(lines: &DStream<Text>) {
    lines.map(|line| Reading(line.len() as u32)).pprint();
}

fn main() {}
