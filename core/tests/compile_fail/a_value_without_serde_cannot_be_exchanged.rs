//! What crosses a shuffle may travel to another process.
use tidemill::{DStream, Text};

#[derive(Clone)]
struct Reading {
    level: u32,
}

fn job(lines: &DStream<Text>) {
    let readings = lines.map(|line| (line, Reading { level: 1 }));
    let _ = readings.reduce_by_key(|a, b| Reading { level: a.level.max(b.level) });
}

fn main() {}
