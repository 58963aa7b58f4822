//! `trivial-maps`: three maps on ten million integers and their sum, against a loop by hand.

use std::hint::black_box;
use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow};

use crate::harness::{Setup, Side, run_child};
use crate::measure::Measured;
use crate::stats::Want;
use crate::workloads::{BOTH, EntryArgs, Goal, Name, Repeats, THREADS, Workload, context, repeat};

pub(crate) const WORKLOAD: Workload = Workload {
    name: "trivial-maps",
    goals: &[Goal { figure: "rate_ratio", want: Want::RatioAtLeast(0.5) }],
    sides: BOTH,
    run,
    entry,
};

const NUMBERS: u64 = 10_000_000;
const REPEATS: Repeats = Repeats { warm: 5, measured: 100 };

fn run(setup: &Setup, side: Side) -> Result<Measured> {
    run_child(setup.entry(Name::TrivialMaps, side)?)
}

fn entry(args: &EntryArgs) -> Result<Measured> {
    match args.side {
        Side::Tidemill => by_tidemill(args),
        Side::Limit => {
            let numbers: Vec<u64> = (0..NUMBERS).collect();
            let (measured, sum) = repeat(REPEATS.of(args.quick), NUMBERS, || by_hand(black_box(&numbers)))?;
            Ok(measured.with("checksum", sum))
        }
    }
}

fn by_tidemill(args: &EntryArgs) -> Result<Measured> {
    let ssc = context(WORKLOAD.name, Duration::from_secs(1))?;
    let numbers = ssc.parallelize((0..NUMBERS).collect(), THREADS);
    let (measured, sum) = repeat(REPEATS.of(args.quick), NUMBERS, || {
        Ok(numbers.map(first).map(second).map(third).reduce(u64::wrapping_add)?.unwrap_or(0))
    })?;
    Ok(measured.with("checksum", sum))
}

// The three maps, the same functions on both sides.
fn first(x: u64) -> u64 {
    x.wrapping_mul(3)
}

fn second(x: u64) -> u64 {
    x ^ (x >> 7)
}

fn third(x: u64) -> u64 {
    x.wrapping_add(1)
}

/// One loop a thread, which the compiler fuses and vectorises as it likes: that is what makes it the limit.
fn by_hand(numbers: &[u64]) -> Result<u64> {
    let sum = |part: &[u64]| part.iter().fold(0u64, |sum, x| sum.wrapping_add(third(second(first(*x)))));
    thread::scope(|scope| {
        let parts = numbers.chunks(numbers.len().div_ceil(THREADS).max(1));
        let running: Vec<_> = parts.map(|part| scope.spawn(move || sum(part))).collect();
        running.into_iter().try_fold(0u64, |total, part| {
            part.join()
                .map(|sum| total.wrapping_add(sum))
                .map_err(|_| anyhow!("a thread of the loop by hand panicked"))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loop_by_hand_sums_what_the_maps_give() {
        // 0 → 1; 1 → 3 → 3 → 4; 50 → 150 → 150 ^ 1 = 151 → 152.
        assert_eq!(by_hand(&[0, 1, 50]).unwrap(), 1 + 4 + 152);
        assert_eq!(by_hand(&[]).unwrap(), 0);
    }
}
