//! tidemill's states on RocksDB: for jobs that remember more than fits into memory, or want all that they keep in one place.
//!
//! [`RocksDbState`] keeps the states of a job's operators in a folder of this machine, [`RocksDbStorage`] is a place for its
//! ledger and bases:
//!
//! ```no_run
//! use tidemill::prelude::*;
//! use tidemill_state_rocksdb::{RocksDbState, RocksDbStorage};
//!
//! # fn main() -> Result<()> {
//! let ssc = StreamingContext::new("local[2]", "counts", Duration::from_secs(1))?;
//! ssc.checkpoint_to(RocksDbStorage::open("/var/lib/counts/ledger")?);
//! ssc.state_backend(RocksDbState::new("/var/lib/counts/state").memory(512 << 20));
//! # Ok(())
//! # }
//! ```
//!
//! | question | answer |
//! |---|---|
//! | Can a state be lost? | No: each batch is in the ledger before it is written here. Files that are missing, damaged, or of another history are made again from bases and the ledger's deltas. |
//! | What is read again after a crash? | Nothing of what was closed in peace. Of what was killed: the batches that were not in a file yet, at most what the write buffers hold. |
//! | How much memory does it take? | What [`memory`](RocksDbState::memory) says, for all operators together, and the values of a look-up while a task has them. |
//! | Who may open it? | One process a database. Members may share a folder, since each has databases of its own in it. |
//!
//! # What lies where
//! Below the folder there is one for each operator, and in it one for each range of key groups: `db` is the database. Keys are
//! the number of the group and the encoded key, so a group lies together. Behind them stands a mark, written in the same write
//! as each batch: the ledger, the operator, the groups, and the last batch. RocksDB's own log is off for states, since the
//! ledger is their log. What another number of members, or another ledger, has left there of the same groups goes when a database
//! is opened, unless it is in use.
//!
//! # Bases
//! A base of a whole store is a checkpoint of RocksDB: files are linked beside the database, and those that no earlier base
//! named are sent. A base of some groups is their entries. Both hold the state of exactly one batch, though later ones were
//! written meanwhile.
//!
//! # Building
//! RocksDB is C++, compiled by its build script with `g++`, which takes some twenty minutes of two cores; bindgen needs
//! `libclang`. Inside tidemill's own workspace `cargo xtask native` compiles it once for all builds.

// In each library and not in the workspace's lints: tests and examples may unwrap.
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod error;
mod hot;
mod options;
mod base;
mod database;
mod restore;
mod store;
mod backend;
mod storage;

pub use crate::backend::{MEMORY_BYTES, MEMORY_BYTES_MIN, RocksDbState};
pub use crate::storage::RocksDbStorage;
