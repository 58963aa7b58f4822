//! Floats are neither `Eq` nor `Hash`.
use tidemill::{DStream, Text};

fn job(lines: &DStream<Text>) {
    let _ = lines.map(|line| (line.len() as f64, 1u64)).reduce_by_key(|a, b| a + b);
}

fn main() {}
