//! The corridor between members.
//!
//! Every member runs the same plan; what they do together is a *collective*: an all-to-all of byte blocks, entered by
//! all in the same order. Barriers and all-gathers are built on it. One member needs no corridor: [`Alone`].

use std::fmt::Debug;
use std::sync::Arc;

use crate::words::Result;

/// A member of the cluster, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Member(pub u32);

/// Names one collective the same way on every member.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Collective {
    /// Its number, from 0.
    pub number: u64,
    /// What is done, and where in the user's code: a member that differs ends with both.
    pub site: String,
}

/// Bytes for one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Partition it came from: with `to_partition`, what makes the order of arrival not matter.
    pub from_partition: u32,
    /// Partition it is for.
    pub to_partition: u32,
    /// How many records it holds.
    pub records: u32,
    /// The encoded records.
    pub bytes: Arc<[u8]>,
}

/// All-to-all of byte blocks; the only thing that members do together.
///
/// # Promises
/// 1. All members enter the same collectives in the same order. One that differs gets an error that names both sites.
/// 2. When [`Outbox::finish`] returns `Ok`, every block that was sent to this member has been taken by its inbox.
/// 3. An error that one member gives to `finish` is everybody's: nobody waits for one that failed, or that has left.
pub trait Transport: Send + Sync + Debug + 'static {
    /// Who this is.
    fn me(&self) -> Member;

    /// How many there are.
    fn members(&self) -> u32;

    /// The host that a member runs on, as receivers name it that prefer one; `None` where that is not known. The same on
    /// every member.
    fn host(&self, member: Member) -> Option<String> {
        let _ = member;
        None
    }

    /// Enters a collective. What others send goes to `inbox` from now on, while tasks still run: a bounded sender must
    /// never wait for a receiver that waits for its own tasks.
    ///
    /// # Errors
    /// Where the members diverge, or one is gone.
    fn begin(&self, what: Collective, inbox: Arc<dyn Inbox>) -> Result<Box<dyn Outbox>>;

    /// This member enters no collective any more: those of the others fail from now on, instead of waiting for it.
    fn leave(&self) {}
}

/// Takes blocks as they come, on a thread of the transport.
pub trait Inbox: Send + Sync {
    /// One block.
    ///
    /// # Errors
    /// Where it cannot be kept; the collective fails for all then.
    fn take(&self, from: Member, block: Block) -> Result<()>;
}

/// This member's half of a collective.
pub trait Outbox: Send + Sync {
    /// Sends one block; from any task thread. A task sends at its end only: what a failed try sent cannot be taken back.
    ///
    /// # Errors
    /// Where the other member is gone.
    fn send(&self, to: Member, block: Block) -> Result<()>;

    /// Says "that was all", or why there is no more, and waits for everybody.
    ///
    /// # Errors
    /// The first error of any member, by number of member.
    fn finish(self: Box<Self>, mine: Result<(), String>) -> Result<()>;
}

/// The only member: nothing has to be carried anywhere.
#[derive(Clone, Copy, Debug, Default)]
pub struct Alone;

impl Transport for Alone {
    fn me(&self) -> Member {
        Member(0)
    }

    fn members(&self) -> u32 {
        1
    }

    fn begin(&self, _what: Collective, inbox: Arc<dyn Inbox>) -> Result<Box<dyn Outbox>> {
        struct ToMyself(Arc<dyn Inbox>);
        impl Outbox for ToMyself {
            fn send(&self, to: Member, block: Block) -> Result<()> {
                self.0.take(to, block)
            }
            fn finish(self: Box<Self>, mine: Result<(), String>) -> Result<()> {
                mine.map_err(|reason| crate::words::Error::Member { member: 0, reason })
            }
        }
        Ok(Box::new(ToMyself(inbox)))
    }
}
