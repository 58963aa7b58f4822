//! `Rc` cannot cross threads.
use std::rc::Rc;

use tidemill::{DStream, Text};

fn job(lines: &DStream<Text>) {
    let _ = lines.map(|line| Rc::new(line.len()));
}

fn main() {}
