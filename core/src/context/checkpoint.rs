//! Where a job writes down what it must not forget, and who keeps its states.

use std::panic::Location;
use std::sync::Arc;

use super::StreamingContext;
use crate::dstream::Phase;
use crate::state::{MemoryState, StateBackend};
use crate::storage::{Storage, open_storage};
use crate::words::{Error, Result, keys};

/// What a job has said of its memory, and where.
#[derive(Default)]
pub(super) struct Remembering {
    // The storage is none where it could not be opened, which is a mistake of the plan.
    checkpoint: Option<(&'static Location<'static>, Option<Arc<dyn Storage>>)>,
    backend: Option<(&'static Location<'static>, Arc<dyn StateBackend>)>,
}

impl StreamingContext {
    /// Writes down what the job must not forget in the folder `directory`, a path or a `file://` URL: its batches, and what
    /// operators with state remember. A job that starts again with the same directory goes on where the last run ended.
    ///
    /// Said once, before the start; best before any stream is drawn, as the number of partitions is fixed by the first
    /// start. Without a call the setting `tidemill.streaming.checkpoint.directory` counts. Two runs on one directory do
    /// not mix: the later one takes over, and the earlier one stops with [`Error::Fenced`](crate::Error::Fenced).
    ///
    /// A directory that cannot be, and a second call, are mistakes that [`start`](Self::start) reports.
    ///
    /// ```
    /// use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    ///
    /// # fn main() -> tidemill::Result<()> {
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let directory = folder.path().to_str().unwrap();
    /// let mut times = Vec::new();
    /// for _run in 0..2 {
    ///     let ssc = local(2);
    ///     ssc.checkpoint(directory);
    ///     let counts = collect_batches(&input_batches(&ssc, 1, vec![vec![1, 2]]).count());
    ///     run_batches(&ssc, 1)?;
    ///     ssc.stop(false)?;
    ///     times.extend(counts.times().iter().map(|time| time.as_millis()));
    /// }
    /// assert_eq!(times, [1000, 2000]);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "setCheckpointDir")]
    #[track_caller]
    pub fn checkpoint(&self, directory: &str) {
        self.set_checkpoint(Location::caller(), open_directory(directory, "checkpoint directory"));
    }

    /// As [`checkpoint`](Self::checkpoint), in a storage that the job brings, such as a connector's.
    ///
    /// ```
    /// use tidemill::MemoryStorage;
    /// use tidemill::testing::{input_batches, local, run_batches};
    ///
    /// let ssc = local(2);
    /// ssc.checkpoint_to(MemoryStorage::new());
    /// input_batches(&ssc, 1, vec![vec![1, 2]]).count().pprint();
    /// run_batches(&ssc, 1)?;
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn checkpoint_to(&self, storage: impl Storage) {
        self.set_checkpoint(Location::caller(), Ok(Arc::new(storage)));
    }

    /// Who keeps the states of the job; without a call they are in memory ([`MemoryState`]).
    ///
    /// Said once, before the start; anything else is a mistake that is reported as [`checkpoint`](Self::checkpoint) says.
    ///
    /// ```
    /// use tidemill::MemoryState;
    /// # use tidemill::testing::{input_batches, local, run_batches};
    /// # let ssc = local(2);
    /// # input_batches(&ssc, 1, vec![vec![1, 2]]).pprint();
    /// ssc.state_backend(MemoryState::new());
    /// # run_batches(&ssc, 1)?;
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn state_backend(&self, backend: impl StateBackend) {
        let caller = Location::caller();
        let before = {
            let mut remembering = self.0.remembering.lock();
            let before = remembering.backend.as_ref().map(|(first, _)| *first);
            if before.is_none() {
                remembering.backend = Some((caller, Arc::new(backend)));
            }
            before
        };
        self.check_said(caller, before, "the state backend");
    }

    fn set_checkpoint(&self, caller: &'static Location<'static>, storage: Result<Arc<dyn Storage>>) {
        let adopted = storage.and_then(|storage| self.adopt_parallelism(&*storage).map(|()| storage));
        let storage = adopted.map_err(|error| self.graph().mistake(caller, error.chain())).ok();
        let before = {
            let mut remembering = self.0.remembering.lock();
            let before = remembering.checkpoint.as_ref().map(|(first, _)| *first);
            if before.is_none() {
                remembering.checkpoint = Some((caller, storage));
            }
            before
        };
        self.check_said(caller, before, "the checkpoint directory");
    }

    /// What is said of a job's memory is said once, and before the start.
    fn check_said(
        &self,
        caller: &'static Location<'static>,
        before: Option<&'static Location<'static>>,
        what: &str,
    ) {
        if let Some(first) = before {
            self.graph().mistake(caller, format!("{what} is set already, at {first}: a job has one"));
        } else if self.graph().phase() != Phase::Initialized {
            self.graph().mistake(caller, format!("{what} is set after the start: set it before"));
        }
    }

    /// The storage of the checkpoint, from the code or the settings.
    pub(super) fn checkpoint_storage(&self) -> Result<Option<Arc<dyn Storage>>> {
        if let Some((_, storage)) = &self.0.remembering.lock().checkpoint {
            return Ok(storage.clone());
        }
        self.0
            .conf
            .get_typed(keys::CHECKPOINT_DIRECTORY)
            .map(|directory| open_directory(&directory, keys::CHECKPOINT_DIRECTORY.name()))
            .transpose()
    }

    /// Who keeps states.
    pub(super) fn backend(&self) -> Arc<dyn StateBackend> {
        match &self.0.remembering.lock().backend {
            Some((_, backend)) => Arc::clone(backend),
            None => Arc::new(MemoryState::new()),
        }
    }

    /// Whether a checkpoint was asked for, in the code or the settings.
    fn has_checkpoint(&self) -> bool {
        self.0.remembering.lock().checkpoint.is_some()
            || self.0.conf.get_typed(keys::CHECKPOINT_DIRECTORY).is_some()
    }

    /// Notes each operator whose state would be lost with the process.
    pub(super) fn check_checkpoint(&self) {
        if self.has_checkpoint() || self.0.conf.get_typed(keys::STATE_VOLATILE) {
            return;
        }
        for kept in self.graph().keepers().iter().filter(|kept| kept.keeper.must_checkpoint()) {
            self.graph().mistake(
                kept.keeper.site().location(),
                format!(
                    "the checkpoint directory has not been set: please set it by `StreamingContext::checkpoint()`, or \
                     set `{} = true` where the state of `{}` may end with the process",
                    keys::STATE_VOLATILE.name(),
                    kept.keeper.site().operator()
                ),
            );
        }
    }
}

/// The storage of the checkpoint; an error names `key`, by which the user has said where it is.
fn open_directory(directory: &str, key: &str) -> Result<Arc<dyn Storage>> {
    open_storage(directory).map_err(|error| match error {
        Error::Setting { value, expected, .. } => Error::Setting { key: key.into(), value, expected },
        other => other,
    })
}
