//! `deduplicate`: of records with the same key only the first.

use std::panic::Location;
use std::time::Duration;

use super::DStream;
use super::keyed::{Keyed, KeyedPlan, Logic, Now, Records, States};
use crate::data::{Key, Wire};
use crate::runtime::Site;
use crate::state::Codec;
use crate::state::typed::Due;
use crate::words::Result;

impl<T: Wire> DStream<T> {
    /// The first record of each key; further ones are left out until `horizon` is over, by the times of the batches: for
    /// records that a source, or who writes to it, gives twice.
    ///
    /// At batch `t` a record is left out if one of its key was passed on in `(t - horizon, t]`. What is left out does not make
    /// the horizon longer, so a key that comes all the time comes out once a horizon. Kept is each key for as long as that, and
    /// nothing else of the record.
    ///
    /// The records come out in the partitions that their keys name, into which they travel, in the order in which they came.
    /// With a checkpoint directory the keys are kept over a restart.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// let ssc = local(2); // A batch is a second.
    /// let orders = input_batches(&ssc, 1, vec![vec![(1, 't'), (1, 't')], vec![(1, 't')], vec![(1, 't')]]);
    /// let once = collect_batches(&orders.deduplicate(Duration::from_secs(2), |(number, _)| *number));
    /// run_batches(&ssc, 3)?;
    /// assert_eq!(once.batches(), [vec![(1, 't')], vec![], vec![(1, 't')]]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[doc(alias = "dropDuplicates")]
    #[track_caller]
    pub fn deduplicate<K: Key>(
        &self,
        horizon: Duration,
        key: impl Fn(&T) -> K + Send + Sync + 'static,
    ) -> DStream<T> {
        self.deduplicated(None, horizon, key)
    }

    /// As [`deduplicate`](Self::deduplicate), with the keys in `partitions` partitions, 1 to 128.
    #[track_caller]
    pub fn deduplicate_into<K: Key>(
        &self,
        partitions: usize,
        horizon: Duration,
        key: impl Fn(&T) -> K + Send + Sync + 'static,
    ) -> DStream<T> {
        self.deduplicated(Some(u32::try_from(partitions).unwrap_or(u32::MAX)), horizon, key)
    }

    #[track_caller]
    fn deduplicated<K: Key>(
        &self,
        partitions: Option<u32>,
        horizon: Duration,
        key: impl Fn(&T) -> K + Send + Sync + 'static,
    ) -> DStream<T> {
        let plan = KeyedPlan {
            site: Site::new("deduplicate", Location::caller()),
            partitions,
            codec: Codec::default(),
            slot_millis: self.stream().slide().as_millis(),
            initial: Vec::new(),
            logic: First { horizon },
        };
        Keyed::new(&self.map(move |record| (key(&record), record)), plan).kept_outputs(self.graph())
    }
}

/// Of each key the first record of a horizon.
struct First {
    horizon: Duration,
}

impl<K: Key, T: Wire> Logic<K, T, ()> for First {
    type Out = T;

    fn must_checkpoint(&self) -> bool {
        false
    }

    fn run(
        &self,
        now: &Now<'_>,
        records: Records<K, T>,
        states: &mut States<'_, K, ()>,
        out: &mut Vec<T>,
    ) -> Result<()> {
        let horizon = u64::try_from(self.horizon.as_millis()).unwrap_or(u64::MAX);
        let over = Due::at(now.millis().saturating_add(horizon));
        records.for_each(|group, key, record| {
            let slot = states.find(group, &key)?;
            if states.get(slot).is_none() || states.due(slot).is_over(now.millis()) {
                states.put(slot, (), over);
                out.push(record);
            }
            Ok(())
        })?;
        for slot in states.take_due(now.millis())? {
            states.remove(slot);
        }
        Ok(())
    }
}
