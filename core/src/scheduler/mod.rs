//! A tick becomes a plan, a plan becomes jobs, jobs become tasks; then the commit.
//!
//! Two threads: the **clock** says when a batch is due and cuts the inputs, at once and never late; the **driver** takes
//! due batches in order and does everything that has an order: plan, run, commit, publish. So batches never overlap, and
//! with several members all collectives are entered in one order.

mod account;
mod bases;
mod batch;
mod checkpoint;
#[cfg(test)]
mod checkpoint_tests;
mod clock;
mod control;
mod desk;
mod driver;

pub(crate) use self::bases::Bases;
pub(crate) use self::clock::{Hands, Ticker, run_clock};
pub(crate) use self::control::{Control, Stop, first_batch};
pub(crate) use self::driver::{Driver, Times, run_driver};
