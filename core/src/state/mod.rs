//! What is remembered from batch to batch: stores of bytes by key group, what a batch changes in them, and the states
//! that user functions see.
//!
//! A store is a view of the ledger, never a second truth: tasks read it and write down what they change; the commit of
//! the batch makes that durable; only then it goes into the store. So a failed try leaves nothing behind, and a store
//! may forget its last batches as long as it knows which.

mod changes;
mod codec;
mod kept;
mod lookup;
mod store;
mod memory;
pub(crate) mod typed;
mod value;
mod spec;

pub use self::changes::{Change, Changes};
pub(crate) use self::codec::Codec;
pub(crate) use self::kept::{Delta, Shape, short_name};
pub use self::lookup::{Keys, ScanCursor, Values};
pub use self::memory::MemoryState;
pub(crate) use self::memory::{BaseFrom, read_base, write_groups};
pub use self::spec::StateSpec;
pub use self::store::{StateBackend, StateBase, StateOpening, StateStore, StateView};
pub(crate) use self::value::Outcome;
pub use self::value::State;
