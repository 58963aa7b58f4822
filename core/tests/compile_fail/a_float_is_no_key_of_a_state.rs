//! States stand under keys, and floats are none.
use tidemill::{DStream, StateSpec, Text};

fn job(lines: &DStream<Text>) {
    let pairs = lines.map(|line| (line.len() as f64, 1u64));
    let _ = pairs.map_with_state(StateSpec::new(), |_, one, count| count.update(one.unwrap_or(0)));
}

fn main() {}
