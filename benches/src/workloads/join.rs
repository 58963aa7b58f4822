//! `join`: two tables of a million rows each, joined by key and the joined rows summed up, against a hash join by hand.

use std::hash::BuildHasher as _;
use std::hint::black_box;
use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow};
use foldhash::fast::FixedState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::harness::{Setup, Side, run_child};
use crate::measure::Measured;
use crate::workloads::{BOTH, EntryArgs, Name, Repeats, THREADS, Workload, context, repeat};

// No goal is set for it: the ratio is kept to see it change.
pub(crate) const WORKLOAD: Workload = Workload { name: "join", goals: &[], sides: BOTH, run, entry };

/// Rows of each table. With half as many keys, a key meets about two rows on either side: two million joined rows.
const ROWS: u64 = 1_000_000;
const KEYS: u64 = 500_000;
const REPEATS: Repeats = Repeats { warm: 2, measured: 20 };

type Row = (u64, u64);

fn run(setup: &Setup, side: Side) -> Result<Measured> {
    run_child(setup.entry(Name::Join, side)?)
}

fn entry(args: &EntryArgs) -> Result<Measured> {
    match args.side {
        Side::Tidemill => by_tidemill(args),
        Side::Limit => {
            let (left, right) = (table(1), table(2));
            let (measured, (joined, checksum)) =
                repeat(REPEATS.of(args.quick), 2 * ROWS, || by_hand(black_box(&left), black_box(&right)))?;
            Ok(measured.with("joined", joined).with("checksum", checksum))
        }
    }
}

fn by_tidemill(args: &EntryArgs) -> Result<Measured> {
    let ssc = context(WORKLOAD.name, Duration::from_secs(1))?;
    let (left, right) = (ssc.parallelize(table(1), THREADS), ssc.parallelize(table(2), THREADS));
    let (measured, (joined, checksum)) = repeat(REPEATS.of(args.quick), 2 * ROWS, || {
        let rows = left.join_into(THREADS, &right).map_partitions(|rows| {
            [rows.fold((0u64, 0u64), |(n, sum), (k, (v, w))| (n + 1, sum.wrapping_add(mark(k, v, w))))]
        });
        Ok(rows.collect()?.into_iter().fold((0, 0u64), |a, b| (a.0 + b.0, a.1.wrapping_add(b.1))))
    })?;
    Ok(measured.with("joined", joined).with("checksum", checksum))
}

/// The rows of table number `seed`: keys in no order, each value its row's number.
fn table(seed: u64) -> Vec<Row> {
    (0..ROWS).map(|i| (scattered(seed << 32 | i) % KEYS, i)).collect()
}

/// A number that looks random and is always the same (the finaliser of `MurmurHash3`).
fn scattered(x: u64) -> u64 {
    let x = (x ^ (x >> 33)).wrapping_mul(0xFF51_AFD7_ED55_8CCD);
    let x = (x ^ (x >> 33)).wrapping_mul(0xC4CE_B9FE_1A85_EC53);
    x ^ (x >> 33)
}

/// What a joined row adds to the checksum: an addition, so that the order of rows does not matter.
fn mark(key: u64, left: u64, right: u64) -> u64 {
    scattered(key ^ left.rotate_left(20) ^ right.rotate_left(40))
}

/// A row with its hash, computed once.
type Hashed = (u64, u64, u64);

/// Splits both tables by hash, then builds a table of the left rows of each bucket and looks the right ones up.
/// Gives the number of joined rows and their checksum.
fn by_hand(left: &[Row], right: &[Row]) -> Result<(u64, u64)> {
    let size = |rows: &[Row]| rows.len().div_ceil(THREADS).max(1);
    let parts =
        left.chunks(size(left)).map(|part| (0, part)).chain(right.chunks(size(right)).map(|part| (1, part)));
    // One thread takes a part of the left and one of the right table.
    let mut of_thread: Vec<Vec<(usize, &[Row])>> = vec![Vec::new(); THREADS];
    for (i, part) in parts.enumerate() {
        of_thread[i % THREADS].push(part);
    }
    let split = in_threads(&of_thread, |parts| {
        parts.iter().map(|(side, rows)| (*side, by_bucket(rows))).collect::<Vec<_>>()
    })?;
    let mut of_bucket: Vec<[Vec<Vec<Hashed>>; 2]> = (0..THREADS).map(|_| [Vec::new(), Vec::new()]).collect();
    for (side, buckets) in split.into_iter().flatten() {
        for (bucket, rows) in buckets.into_iter().enumerate() {
            of_bucket[bucket][side].push(rows);
        }
    }
    let joined = in_threads(&of_bucket, |[left, right]| join_bucket(left, right))?;
    Ok(joined.into_iter().fold((0, 0), |(n, sum), (m, more)| (n + m, sum.wrapping_add(more))))
}

/// `work` on each item in a thread of its own.
fn in_threads<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Result<Vec<R>> {
    let work = &work;
    thread::scope(|scope| {
        let running: Vec<_> = items.iter().map(|item| scope.spawn(move || work(item))).collect();
        let done = running
            .into_iter()
            .map(|thread| thread.join().map_err(|_| anyhow!("a thread of the join by hand panicked")));
        done.collect()
    })
}

fn by_bucket(rows: &[Row]) -> Vec<Vec<Hashed>> {
    let hasher = FixedState::default();
    let mut buckets: Vec<Vec<Hashed>> =
        (0..THREADS).map(|_| Vec::with_capacity(rows.len() / THREADS + 64)).collect();
    for (key, value) in rows {
        let hash = hasher.hash_one(key);
        // Bits that the hash table uses neither for the place nor for its tag.
        buckets[(hash >> 40) as usize % THREADS].push((hash, *key, *value));
    }
    buckets
}

fn join_bucket(left: &[Vec<Hashed>], right: &[Vec<Hashed>]) -> (u64, u64) {
    const END: u32 = u32::MAX;
    let rows: usize = left.iter().map(Vec::len).sum();
    // Key → its newest row; each row knows the one before it with the same key.
    let mut newest: HashTable<(u64, u64, u32)> = HashTable::with_capacity(rows);
    let mut chain: Vec<(u64, u32)> = Vec::with_capacity(rows);
    for (hash, key, value) in left.iter().flatten() {
        let here = chain.len() as u32;
        match newest.entry(*hash, |(_, k, _)| k == key, |(hash, ..)| *hash) {
            Entry::Occupied(mut entry) => {
                let before = std::mem::replace(&mut entry.get_mut().2, here);
                chain.push((*value, before));
            }
            Entry::Vacant(entry) => {
                entry.insert((*hash, *key, here));
                chain.push((*value, END));
            }
        }
    }
    let (mut joined, mut checksum) = (0, 0u64);
    for (hash, key, value) in right.iter().flatten() {
        let mut at = newest.find(*hash, |(_, k, _)| k == key).map_or(END, |(.., at)| *at);
        while at != END {
            let (left, before) = chain[at as usize];
            joined += 1;
            checksum = checksum.wrapping_add(mark(*key, left, *value));
            at = before;
        }
    }
    (joined, checksum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_join_by_hand_finds_every_pair_of_rows_with_the_same_key() {
        let row = |i: u64, seed: u64| (scattered(i + seed) % 17, i);
        let left: Vec<Row> = (0..101).map(|i| row(i, 0)).collect();
        let right: Vec<Row> = (0..60).map(|i| row(i, 1000)).collect();
        let mut want = (0, 0u64);
        for (k, v) in &left {
            for (_, w) in right.iter().filter(|(key, _)| key == k) {
                want = (want.0 + 1, want.1.wrapping_add(mark(*k, *v, *w)));
            }
        }
        assert!(want.0 > 100, "the tables hardly meet: {want:?}");
        assert_eq!(by_hand(&left, &right).unwrap(), want);
    }

    #[test]
    fn an_empty_table_joins_to_nothing() {
        assert_eq!(by_hand(&[], &[(1, 2)]).unwrap(), (0, 0));
        assert_eq!(by_hand(&[(1, 2)], &[]).unwrap(), (0, 0));
    }
}
