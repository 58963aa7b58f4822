//! How RocksDB is set up: for states that a batch reads and writes by key, and for objects under paths.

use std::sync::Arc;

use rocksdb::{
    BlockBasedOptions, Cache, DBCompressionType, DataBlockIndexType, LogLevel, Options, WriteBufferManager,
    WriteOptions,
};

use crate::hot::Share;

/// One bound for what the databases of a job hold: entries that batches touch, blocks that were read, indexes, filters, and what was written and
/// is not in a file yet.
pub(crate) struct Memory {
    hot: Arc<Share>,
    cache: Cache,
    buffers: WriteBufferManager,
    write_buffer_bytes: usize,
}

/// Of all memory, this part is for the entries that batches touch, where there are any.
const HOT_PART: usize = 2;

/// Of RocksDB's memory, what was written may take this part. The rest is for reading.
const WRITE_BUFFERS_PART: usize = 2;

/// The largest write buffer of one database: what a restart has to do again is no more than a few of them.
const WRITE_BUFFER_BYTES_MAX: usize = 64 << 20;

impl Memory {
    /// For states.
    pub(crate) fn new(bytes: usize) -> Self {
        let hot = bytes / HOT_PART;
        Self::split(bytes - hot, hot)
    }

    /// For objects, none of which is read often.
    pub(crate) fn of_rocksdb(bytes: usize) -> Self {
        Self::split(bytes, 0)
    }

    fn split(bytes: usize, hot: usize) -> Self {
        // Sized by itself, whatever the length of its blocks; locks nothing for a hit.
        let cache = Cache::new_hyper_clock_cache(bytes, 0);
        let for_writing = bytes / WRITE_BUFFERS_PART;
        // What is written counts as held by the cache, so that there is one bound. No stall: a batch that writes more than
        // there is room for starts flushes, and need not wait for them.
        let buffers =
            WriteBufferManager::new_write_buffer_manager_with_cache(for_writing, false, cache.clone());
        let hot = Arc::new(Share::new(hot));
        Self { hot, cache, buffers, write_buffer_bytes: (for_writing / 2).min(WRITE_BUFFER_BYTES_MAX) }
    }

    /// What is kept of entries.
    pub(crate) fn hot(&self) -> Arc<Share> {
        Arc::clone(&self.hot)
    }

    fn common(&self, blocks: &mut BlockBasedOptions) -> Options {
        blocks.set_block_cache(&self.cache);
        // Held by the cache too, so that the bound holds for any number of keys.
        blocks.set_cache_index_and_filter_blocks(true);
        blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);

        let mut options = Options::default();
        options.set_block_based_table_factory(blocks);
        options.set_write_buffer_manager(&self.buffers);
        options.set_write_buffer_size(self.write_buffer_bytes);
        // A flush and a compaction side by side; tasks need the cores.
        options.set_max_background_jobs(2);
        options.set_max_open_files(OPEN_FILES_MAX);
        // Its own log is for whoever looks for an error; it is kept short, and dumps no statistics.
        options.set_log_level(LogLevel::Warn);
        options.set_max_log_file_size(1 << 20);
        options.set_keep_log_file_num(2);
        options.set_stats_dump_period_sec(0);
        options.set_stats_persist_period_sec(0);
        options
    }

    /// For states: small values, found by key.
    pub(crate) fn for_states(&self) -> Options {
        let mut blocks = BlockBasedOptions::default();
        // About 1 % of files are looked into for nothing.
        blocks.set_bloom_filter(10.0, false);
        blocks.set_data_block_index_type(DataBlockIndexType::BinaryAndHash);
        blocks.set_data_block_hash_ratio(0.75);

        let mut options = self.common(&mut blocks);
        // What is rewritten soon is not worth compressing.
        options.set_compression_per_level(&[DBCompressionType::None, DBCompressionType::Lz4]);
        // A file is an object of a base, and what changes in it uploads all of it.
        options.set_target_file_size_base(16 << 20);
        // A key that is not in the write buffer costs a look at a filter and no search.
        // About ten bits for each of the smallest entries: more of them cost a write more than they save.
        options.set_memtable_prefix_bloom_ratio(0.02);
        options.set_memtable_whole_key_filtering(true);
        options
    }

    /// For objects: a log of what was put is synced, and contents stay where they were written.
    pub(crate) fn for_objects(&self) -> Options {
        let mut blocks = BlockBasedOptions::default();
        blocks.set_bloom_filter(10.0, false);

        let mut options = self.common(&mut blocks);
        options.set_compression_type(DBCompressionType::Lz4);
        // Contents beside the keys, so that a compaction copies paths and not files.
        options.set_enable_blob_files(true);
        options.set_min_blob_size(16 << 10);
        options.set_blob_compression_type(DBCompressionType::Lz4);
        options.set_enable_blob_gc(true);
        options
    }
}

/// Enough for states of some gigabytes, and below what systems let a process open.
const OPEN_FILES_MAX: i32 = 500;

/// States are durable in the ledger before they are written here.
pub(crate) fn without_wal() -> WriteOptions {
    let mut options = WriteOptions::default();
    options.disable_wal(true);
    options
}

/// Durable when it returns.
pub(crate) fn synced() -> WriteOptions {
    let mut options = WriteOptions::default();
    options.set_sync(true);
    options
}
