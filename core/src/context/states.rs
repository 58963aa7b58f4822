//! States that are looked up from outside.

use std::any::type_name;

use super::StreamingContext;
use crate::dstream::{Query, StateReader};
use crate::state::short_name;
use crate::words::{Error, Result};

impl StreamingContext {
    /// The states of the operator with this uid, to be looked up while the job runs; also inside of `foreach_rdd`.
    ///
    /// ```
    /// # use tidemill::{StateSpec, testing::{collect_batches, input_batches, local, run_batches}};
    /// let ssc = local(2);
    /// let tides = input_batches(&ssc, 2, vec![vec![('a', 2u64), ('b', 5)], vec![('a', 3)]]);
    /// let totals = tides.update_state_by_key(|new, total: Option<u64>| Some(total.unwrap_or(0) + new.sum::<u64>()));
    /// let _all = collect_batches(&totals.uid("totals"));
    /// run_batches(&ssc, 2)?;
    /// let totals = ssc.state::<char, u64>("totals")?;
    /// let (batch, found) = totals.get(&['a', 'b', 'c'])?;
    /// assert_eq!((batch.as_millis(), found), (2000, vec![Some(5), Some(5), None]));
    /// assert_eq!(totals.scan()?.map(|pairs| pairs.map(|pairs| pairs.len())).sum::<Result<usize, _>>()?, 2);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::State`](crate::Error::State) where no operator of this name keeps a state, or one of other types; it says
    /// which there are. Before the start, and once the job has ended, there is none.
    pub fn state<K: 'static, S: 'static>(&self, uid: &str) -> Result<StateReader<K, S>> {
        let keepers = self.graph().keepers();
        let mut there = Vec::new();
        for (index, kept) in keepers.iter().enumerate() {
            let Some(query) = kept.keeper.query() else { continue };
            let Some(query) = query.downcast_ref::<Query>() else { continue };
            let name = kept.uid(index);
            if name != uid {
                there.push(name);
                continue;
            }
            let reader = query.reader.downcast_ref::<StateReader<K, S>>();
            return reader.cloned().ok_or_else(|| {
                let asked = [type_name::<K>(), type_name::<S>()];
                let (mut is, mut asked) = (query.types.map(str::to_owned), asked.map(str::to_owned));
                let short = |names: &[String; 2]| names.each_ref().map(|name| short_name(name));
                // Two types of different modules may have one short name.
                if short(&is) != short(&asked) {
                    (is, asked) = (short(&is), short(&asked));
                }
                let ([key, state], [asked_key, asked_state]) = (is, asked);
                Error::State(format!(
                    "state `{uid}` is of `{key}` and `{state}`, and was asked for as of `{asked_key}` and `{asked_state}`"
                ))
            });
        }
        let there = if there.is_empty() {
            "there is none: states are there between the start and the end of the job".to_string()
        } else {
            format!("there is `{}`", there.join("`, `"))
        };
        Err(Error::State(format!("no operator with the uid `{uid}` keeps states: {there}")))
    }
}
