//! The test kit: contexts by a manual clock, a seeded runtime, faults, several members in one process, conformance
//! suites.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the kit tells what is wrong by panicking, as an assertion does"
)]

mod blocks;
pub mod direct;
mod harness;
mod members;
mod plant;
mod real;
mod seeded;
pub mod state;
pub mod receiver;
pub mod sink;
pub mod sinks;
pub mod storage;
mod together;
pub mod transport;

pub use self::blocks::{rejected, task_context, written_and_read_back};
pub use self::harness::{
    Collected, clock, collect_batches, input_batches, input_gaps, limit_spill_disk, local, local_every,
    local_with, run_batches,
};
pub use self::members::{
    members, members_on, members_with, seeded, seeded_members, seeded_members_on, seeded_members_with,
};
pub use self::plant::{Plant, PlantBatch, Verdict};
pub use self::real::{manual_runtime, real_runtime};
pub use self::seeded::{SeededRuntime, Turn};
pub use self::together::Together;
