//! What was read in a batch, and what of it could not be used: counted over all members, reported, and written as dead
//! letters.

use std::sync::Arc;

use super::batch::{failed_output, named_publish};
use super::driver::Driver;
use crate::dstream::{DEAD_LETTERS, DeadLetterOutput};
use crate::metrics::{Event, InputInfo};
use crate::rdd::{Found, Job, OutputScope, Rdd, Reader, Reads, Saved};
use crate::sink::{DeadLetters, LetterBox, save_some};
use crate::words::{BatchTime, Error, Result, keys};

/// What was read in a batch.
#[derive(Default)]
pub(super) struct Account {
    readers: Vec<OfReader>,
}

/// What one input or operator has read.
struct OfReader {
    reads: Arc<Reads>,
    // The longest read of each partition, by partition, and the member that did it.
    found: Vec<(u32, Found)>,
}

/// Records of one input and batch, or of an operator, that could not be used.
struct Bad {
    stream_id: Option<usize>,
    name: String,
    batch: BatchTime,
    records: u64,
    reason: String,
}

impl Driver {
    /// Counts what was read. With several members they tell each other, `together`, before the commit: whether a batch may be
    /// committed depends on what all of them rejected, and no collective before it knows. One more for each batch, of a few
    /// bytes for each partition.
    ///
    /// # Errors
    /// Where a rejected record could not be put aside.
    pub(super) fn account(&self, time: BatchTime, job: &Arc<Job>, together: bool) -> Result<Account> {
        let readers = self.readers(time, job);
        let mine = || readers.iter().map(|reads| reads.found()).collect::<Result<Vec<Vec<Found>>>>();
        let told = if together { job.all_gather(self.site, mine)? } else { vec![mine()?] };
        let first_member = if together { 0 } else { self.engine.me() };
        let mut readers: Vec<OfReader> =
            readers.into_iter().map(|reads| OfReader { reads, found: Vec::new() }).collect();
        for (member, of_member) in (first_member..).zip(told) {
            for (reader, found) in readers.iter_mut().zip(of_member) {
                found.into_iter().for_each(|found| reader.add(member, found));
            }
        }
        Ok(Account { readers })
    }

    /// All who could have read, in an order that the plan gives.
    fn readers(&self, time: BatchTime, job: &Job) -> Vec<Arc<Reads>> {
        let inputs = self.graph.inputs();
        let mut all: Vec<Arc<Reads>> =
            inputs.iter().filter_map(|input| input.rejected_at_gate(time)).chain(job.reads()).collect();
        // Outputs that run side by side prepare in any order.
        all.sort_by_cached_key(|reads| match &reads.reader {
            Reader::Receiver { stream_id, .. } => (*stream_id, reads.batch, 0, String::new()),
            Reader::Input { stream_id, .. } => (*stream_id, reads.batch, 1, String::new()),
            Reader::Operator(site) => (usize::MAX, None, 2, site.to_string()),
        });
        all
    }

    /// Tells people and listeners of what could not be used.
    pub(super) fn report_rejects(&self, account: &Account, time: BatchTime) {
        for Bad { stream_id, name, batch, records, reason } in account.bad(time) {
            tracing::warn!(input = name, %batch, records, reason, "records could not be used");
            self.events.post(Event::RecordsRejected { batch, stream_id, input: name, records, reason });
        }
    }

    /// The error of an input that gave too many bad records.
    pub(super) fn too_many_rejects(
        &self,
        account: &Account,
        time: BatchTime,
        inputs: &[InputInfo],
    ) -> Option<Error> {
        let most = self.rejected_max? as u64;
        let input = inputs.iter().find(|input| input.rejected > most)?;
        let bad = account.bad(time);
        let first = bad.iter().find(|bad| bad.stream_id == Some(input.stream_id) && bad.batch == time);
        Some(Error::new(format!(
            "input `{}` gave {} records to the batch of {time} that could not be decoded, and `{}` is {most}: correct the \
             source or its decoder, or raise the setting; the first: {}",
            input.name,
            input.rejected,
            keys::REJECTED_MAX.name(),
            first.map_or("", |bad| &bad.reason),
        )))
    }

    /// Writes the dead letters of the batch, as an output does; none where there is no sink, or no letter.
    pub(super) fn save_letters(
        &self,
        time: BatchTime,
        job: &Arc<Job>,
        account: &Account,
    ) -> Result<Vec<(String, Saved)>> {
        let Some(DeadLetterOutput { site, sink }) = self.graph.dead_letters() else { return Ok(Vec::new()) };
        let letters = account.letters(time);
        if letters.boxes.is_empty() {
            return Ok(Vec::new());
        }
        let wanted: Vec<usize> = letters.boxes.iter().map(|(number, _)| *number).collect();
        let job = job.for_output(OutputScope::new(&self.job, DEAD_LETTERS));
        let letters = Rdd::new(letters, &job);
        save_some(&letters, site, &sink, |number| wanted.binary_search(&number).is_ok())
            .map_err(|error| failed_output(site, time, error))?;
        let saved = job.output.as_ref().map(OutputScope::take_saved).unwrap_or_default();
        Ok(saved
            .into_iter()
            .map(|saved| (DEAD_LETTERS.to_owned(), named_publish(saved, site, time)))
            .collect())
    }
}

impl Account {
    /// Completes what is said of each input: its records are those that were found, where all of them were read.
    pub(super) fn complete(&self, time: BatchTime, inputs: &mut [InputInfo]) {
        for input in inputs {
            let (mut whole, mut found_in_all) = (false, 0);
            for reader in self.readers.iter().filter(|reader| reader.reads.batch == Some(time)) {
                match &reader.reads.reader {
                    Reader::Input { stream_id, .. } if *stream_id == input.stream_id => {
                        whole = reader.is_whole();
                    }
                    Reader::Receiver { stream_id, .. } if *stream_id == input.stream_id => {}
                    _ => continue,
                }
                for (_, found) in &reader.found {
                    input.handed_on += found.handed_on;
                    input.rejected += found.rejected;
                    found_in_all += found.handed_on + found.rejected;
                }
            }
            // No process has died with records of this batch, as the job would have with it.
            input.lost = 0;
            input.records = if whole { found_in_all } else { input.records.max(found_in_all) };
            input.not_read = input.records - found_in_all;
        }
    }

    /// The batch is done, whatever became of it.
    pub(super) fn close(&self) {
        self.readers.iter().for_each(|reader| reader.reads.done());
    }

    /// Who left how many out, for the first time.
    fn bad(&self, time: BatchTime) -> Vec<Bad> {
        let mut all: Vec<Bad> = Vec::new();
        for OfReader { reads, found } in &self.readers {
            let records: u64 = found.iter().map(|(_, found)| found.fresh).sum();
            if records == 0 {
                continue;
            }
            let (stream_id, name) = match &reads.reader {
                Reader::Input { stream_id, name } | Reader::Receiver { stream_id, name } => {
                    (Some(*stream_id), name.clone())
                }
                Reader::Operator(site) => (None, site.to_string()),
            };
            let batch = reads.batch.unwrap_or(time);
            // What a receiver rejected itself and what tasks did is one number for people.
            if let Some(last) = all.last_mut()
                && stream_id.is_some()
                && (last.stream_id, last.batch) == (stream_id, batch)
            {
                last.records += records;
                continue;
            }
            let first =
                found.iter().filter(|(_, found)| found.fresh > 0).find_map(|(_, found)| found.first.clone());
            all.push(Bad { stream_id, name, batch, records, reason: first.unwrap_or_default() });
        }
        all
    }

    /// The boxes with letters. Each partition of each reader has a number, whether it has letters or not: a batch that runs
    /// again writes the same ones under the same ids.
    fn letters(&self, batch: BatchTime) -> DeadLetters {
        let (mut boxes, mut numbers) = (Vec::new(), 0);
        for OfReader { reads, found } in &self.readers {
            for (owner, found) in found.iter().filter(|(_, found)| found.fresh > 0) {
                let (reads, partition, owner) = (Arc::clone(reads), found.partition, *owner);
                boxes.push((numbers + partition as usize, LetterBox { reads, partition, owner }));
            }
            numbers += reads.partitions();
        }
        DeadLetters { batch, boxes, numbers }
    }
}

impl OfReader {
    /// Notes what `member` has read of a partition; where several did, the longest counts, and the first of those.
    fn add(&mut self, member: u32, found: Found) {
        match self.found.binary_search_by_key(&found.partition, |(_, known)| known.partition) {
            Err(index) => self.found.insert(index, (member, found)),
            Ok(index) => {
                let (_, known) = &self.found[index];
                if found.handed_on + found.rejected > known.handed_on + known.rejected {
                    self.found[index] = (member, found);
                }
            }
        }
    }

    fn is_whole(&self) -> bool {
        self.found.len() == self.reads.partitions() && self.found.iter().all(|(_, found)| found.ended)
    }
}
