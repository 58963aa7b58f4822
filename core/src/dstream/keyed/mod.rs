//! Operators that keep a state for each key: one machine, and small logics that run on it.
//!
//! The pairs of a batch go to the partitions in which the states of their keys are: whole numbers of key groups. There
//! a [`Logic`] runs once per partition, over the records and the [`States`], and gives the records of its output. All it
//! changes stays beside the states until the batch is committed.

mod base;
mod load;
mod logic;
mod operator;
mod output;
mod reader;
mod save;
mod states;
mod stored;
#[cfg(test)]
mod tests;
mod view;

pub(crate) use self::logic::{Logic, Now, Records};
pub(crate) use self::operator::{Keyed, KeyedPlan};
pub(crate) use self::reader::Query;
pub use self::reader::{StateReader, StateScan};
pub(crate) use self::states::States;
