//! Everything that can go wrong, and whether trying again can help.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use super::time::BatchTime;

/// Any error: what user functions return, so that `?` takes every error type, ours and `anyhow`'s too.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// tidemill's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Whether trying again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// The other side may come back, or the failure was one of a kind: try again.
    WithBackoff,
    /// It will fail the same way each time: the remaining tries of a task are skipped.
    Never,
}

/// Everything that can stop a job.
///
/// A variant says *where* the job was; its source says what happened there. No message repeats its source, so a
/// reporter that prints the chain prints each part once.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting is out of range, unknown, or contradicts another one.
    #[error("setting `{key}` is {value}, but must be {expected}")]
    Setting {
        /// The full key, as in `tidemill.streaming.block_interval`, or the argument's name.
        key: String,
        /// What was given.
        value: String,
        /// What would be accepted, in words.
        expected: String,
    },

    /// The plan that was drawn has mistakes: all of them, each with its place in the user's code.
    #[error("the plan has {} mistake(s):{}", .0.len(), listed(.0))]
    Plan(Vec<Mistake>),

    /// A call that the context's state does not allow, such as starting twice.
    #[error("{0}")]
    State(String),

    /// An operator, or a user function in it, failed for good on a partition of a batch.
    #[error(
        "{operator} ({site}) failed on partition {partition} of {partitions} in the batch of {batch}, try {attempt}"
    )]
    Task {
        /// The operator, as in `map`.
        operator: &'static str,
        /// Where it stands in the user's code.
        site: &'static Location<'static>,
        /// The batch.
        batch: BatchTime,
        /// The partition, from 0.
        partition: u32,
        /// How many partitions there are.
        partitions: u32,
        /// The number of the last try.
        attempt: u32,
        /// What the first failed try said: later ones may fail only because of it, as with a poisoned lock.
        source: BoxError,
    },

    /// An output operation failed, so its batch is not done.
    #[error("output `{output}` ({site}) failed in the batch of {batch}")]
    Output {
        /// The output operation.
        output: String,
        /// Where it stands in the user's code.
        site: &'static Location<'static>,
        /// The batch.
        batch: BatchTime,
        /// What happened.
        source: BoxError,
    },

    /// A panic in a user function; the text is the panic's.
    #[error("panic: {0}")]
    Panic(String),

    /// An action was called inside a task, where it would wait for itself.
    #[error(
        "`{action}` was called inside a task: an Rdd cannot be used in a function that runs on elements; join the two, \
         or collect one outside and give it to the function with `broadcast`"
    )]
    InsideTask {
        /// The action.
        action: &'static str,
    },

    /// A value cannot be written down, or not be read back.
    #[error("`{type_name}` cannot be {direction}: {reason}")]
    Wire {
        /// The Rust type.
        type_name: &'static str,
        /// `written down` or `read back`.
        direction: &'static str,
        /// What is wrong, and what to do.
        reason: String,
    },

    /// A receiver, an input or a sink lost the system on its other side.
    #[error("connector `{connector}` failed: {what}")]
    Connector {
        /// The connector's crate name without the `tidemill-`, as in `socket`.
        connector: &'static str,
        /// What it was doing, and with whom.
        what: String,
        /// Whether trying again can help.
        retry: Retry,
        /// The connector's own error.
        source: Option<BoxError>,
    },

    /// Storage could not be read or written.
    #[error("storage: cannot {action} `{path}`")]
    Storage {
        /// What was tried, as in `write`.
        action: &'static str,
        /// On what.
        path: String,
        /// Whether trying again can help.
        retry: Retry,
        /// What the system said.
        source: BoxError,
    },

    /// Bytes that were written down are damaged, or of another kind or version.
    #[error("`{path}` cannot be read: {reason}")]
    Corrupt {
        /// Where the bytes come from.
        path: String,
        /// What is wrong with them.
        reason: String,
    },

    /// A newer run of the same job has taken over; this one must stop.
    #[error("fenced: {0}")]
    Fenced(String),

    /// Another member of the cluster failed, or the members run different plans.
    #[error("member {member}: {reason}")]
    Member {
        /// The member, from 0.
        member: u32,
        /// What it said.
        reason: String,
    },

    /// The task was cancelled, because the job stops or a sibling failed for good.
    #[error("the task was cancelled")]
    Cancelled,

    /// The job is stopping; nothing more is accepted.
    #[error("the job is stopping")]
    Stopping,

    /// The job has ended with an error; each who waits for it learns why.
    #[error("the job was stopped by an error")]
    Stopped(#[source] Arc<Error>),

    /// A failure of a user function or of an implementation outside tidemill.
    #[error("{what}")]
    Other {
        /// What was done.
        what: String,
        /// Whether trying again can help.
        retry: Retry,
        /// What happened.
        source: Option<BoxError>,
    },
}

impl Error {
    /// An error of a user's own, for which trying again does not help.
    pub fn new(what: impl Into<String>) -> Self {
        Self::Other { what: what.into(), retry: Retry::Never, source: None }
    }

    /// What a user function returned; a [`tidemill::Error`](Error) inside stays what it is.
    pub fn from_user(error: BoxError) -> Self {
        match error.downcast::<Error>() {
            Ok(ours) => *ours,
            Err(source) => Self::Other {
                what: "a user function failed".into(),
                retry: Retry::WithBackoff,
                source: Some(source),
            },
        }
    }

    /// Whether trying again can help.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Connector { retry, .. } | Self::Storage { retry, .. } | Self::Other { retry, .. } => *retry,
            Self::Panic(_) => Retry::WithBackoff,
            Self::Setting { .. }
            | Self::Plan(_)
            | Self::State(_)
            | Self::Task { .. }
            | Self::Output { .. }
            | Self::InsideTask { .. }
            | Self::Wire { .. }
            | Self::Corrupt { .. }
            | Self::Fenced(_)
            | Self::Member { .. }
            | Self::Cancelled
            | Self::Stopped(_)
            | Self::Stopping => Retry::Never,
        }
    }

    /// Whether this came from a task that was cancelled, because the job stops.
    pub(crate) fn is_cancelled(&self) -> bool {
        let mut next: Option<&(dyn std::error::Error + 'static)> = Some(self);
        while let Some(error) = next {
            if matches!(error.downcast_ref::<Error>(), Some(Error::Cancelled | Error::Stopping)) {
                return true;
            }
            next = error.source();
        }
        false
    }

    /// This error and its sources in one line, outermost first.
    pub fn chain(&self) -> String {
        chain_of(self)
    }
}

/// An error and its sources in one line, outermost first.
pub(crate) fn chain_of(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

impl fmt::Debug for Error {
    /// The whole chain: it is what a `main` that returns an error prints.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.chain())
    }
}

/// A wrong call while the plan was drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The place in the user's code; none for what no single line is to blame for.
    pub site: Option<&'static Location<'static>>,
    /// What is wrong, and what to do.
    pub message: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.site {
            Some(site) => write!(f, "{site}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

fn listed(mistakes: &[Mistake]) -> String {
    let lines: Vec<String> = mistakes.iter().map(|mistake| format!("\n  {mistake}")).collect();
    lines.concat()
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (_, Some(text)) => text.clone(),
        _ => "a value that is no text".to_owned(),
    }
}
