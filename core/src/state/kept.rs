//! What the ledger knows of an operator that remembers something: who it is, and what a batch adds to it.

use serde::{Deserialize, Serialize};

/// What is written down of an operator, so that another build of the job knows whether it may go on with its state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shape {
    /// The operator, as in `map_with_state`.
    pub(crate) kind: String,
    /// The version of what is kept: [`StateSpec::version`](super::StateSpec::version).
    pub(crate) version: u32,
    /// In how many partitions it is kept, where that is fixed for good.
    pub(crate) partitions: Option<u32>,
}

/// What a batch adds to an operator, as one of its tasks has written it down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Delta {
    /// The partition that it belongs to.
    pub(crate) partition: u32,
    /// Only the operator reads them; for states they are [`Changes`](super::Changes).
    pub(crate) bytes: Vec<u8>,
}
