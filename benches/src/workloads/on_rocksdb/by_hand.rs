//! The loop by hand: all states in a hash map, and what a batch changed written to RocksDB in one `WriteBatch`.
//!
//! Nothing is read back, nothing is a copy of tidemill's code, and no batch is written down anywhere else.

use std::collections::HashMap;
use std::fs;

use anyhow::{Context, Result, ensure};
use rocksdb::{BlockBasedOptions, Cache, DB, IteratorMode, Options, WriteBatch, WriteOptions};

use crate::limit::scratch;
use crate::measure::{Measured, Section};
use crate::workloads::EntryArgs;
use crate::workloads::updates::{Case, key_of};

const WRITE_BUFFER: usize = 64 << 20;
const BLOCK_CACHE: usize = 256 << 20;
const LOADED_AT_ONCE: usize = 10_000;

pub(super) fn run(args: &EntryArgs, case: &Case) -> Result<Measured> {
    let folder = scratch(&args.data)?;
    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_write_buffer_size(WRITE_BUFFER);
    options.increase_parallelism(2);
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(&Cache::new_lru_cache(BLOCK_CACHE));
    blocks.set_bloom_filter(10.0, false);
    options.set_block_based_table_factory(&blocks);
    let db = DB::open(&options, &folder).context("opening RocksDB")?;
    let mut writing = WriteOptions::default();
    // A checkpoint elsewhere makes it superfluous.
    writing.disable_wal(true);
    let mut batch = WriteBatch::default();
    for key in 0..case.keys {
        batch.put(key.to_be_bytes(), 1u64.to_le_bytes());
        if batch.len() == LOADED_AT_ONCE {
            db.write_opt(std::mem::take(&mut batch), &writing)?;
        }
    }
    db.write_opt(std::mem::take(&mut batch), &writing)?;
    db.flush()?;
    let mut cached: HashMap<u64, u64> = (0..case.keys).map(|key| (key, 1)).collect();
    let (warm, measured) = (case.warm, case.batches(args.quick));
    let mut section = Section::start()?;
    for b in 1..=warm + measured {
        if b == warm + 1 {
            section = Section::start()?;
        }
        // Sorted by key and added up: RocksDB takes keys in order faster.
        let mut keys: Vec<u64> = (0..case.updates).map(|i| key_of(b * case.updates + i, case.keys)).collect();
        keys.sort_unstable();
        let mut batch = WriteBatch::default();
        for same in keys.chunk_by(|a, b| a == b) {
            let count = cached.entry(same[0]).or_insert(0);
            *count += same.len() as u64;
            batch.put(same[0].to_be_bytes(), count.to_le_bytes());
        }
        db.write_opt(batch, &writing)?;
    }
    let took = section.stop()?;
    let mut sum = 0;
    for entry in db.iterator(IteratorMode::Start) {
        let (_, value) = entry?;
        sum += u64::from_le_bytes((*value).try_into().context("a value of another length")?);
    }
    ensure!(sum == case.keys + (warm + measured) * case.updates, "RocksDB has a sum of {sum}");
    drop(db);
    fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
    let ms = took.0 * 1e3 / measured as f64;
    Ok(Measured::of(measured * case.updates, took)?.with("ms_per_batch", ms).with("check", case.updates))
}
