//! The suite for direct inputs: one that keeps its promises passes, and each broken promise is found.

use std::ops::Range;
use std::panic::catch_unwind;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tidemill::testing::direct::{Fed, conformance};
use tidemill::{Ask, Chunk, Chunks, DirectInput, Rejects, Result, TaskContext};

/// What an input does wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    Loses,
    Repeats,
    ReadsOtherRecordsLater,
    ReadsBackwards,
    PlansByItself,
    ForgetsTheLimit,
    NeedsMoreThanThePosition,
    MiscountsRanges,
    MovesRanges,
    LosesTheCommitted,
    CannotDecode,
}

/// A log in memory, of which each plan names two ranges.
struct LogInput {
    log: Arc<Mutex<Vec<u64>>>,
    fault: Fault,
    // What a faulty one keeps, other than settings.
    kept: AtomicU64,
}

impl DirectInput for LogInput {
    type Record = u64;
    type Range = (u64, u64);
    type Position = u64;

    fn advance(position: &mut u64, range: &(u64, u64)) {
        *position = range.1;
    }

    fn plan(&self, position: &u64, ask: &Ask) -> Result<Vec<(u64, u64)>> {
        let length = self.log.lock().unwrap().len() as u64;
        let mut from = *position;
        match self.fault {
            Fault::Loses if from > 0 && from < length => from += 1,
            Fault::Repeats if from < length => from = from.saturating_sub(1),
            Fault::PlansByItself | Fault::NeedsMoreThanThePosition => {
                from = self.kept.load(Ordering::Relaxed);
            }
            Fault::LosesTheCommitted => from = from.max(self.kept.load(Ordering::Relaxed)),
            _ => {}
        }
        let max = ask.records_max.filter(|_| self.fault != Fault::ForgetsTheLimit).unwrap_or(length);
        let to = length.min(from + max).max(from);
        if self.fault == Fault::PlansByItself {
            self.kept.store(to, Ordering::Relaxed);
        }
        if self.fault == Fault::NeedsMoreThanThePosition {
            self.kept.store(*position, Ordering::Relaxed);
        }
        let middle = from + (to - from) / 3;
        Ok([(from, middle), (middle, to)].into_iter().filter(|(from, to)| from < to).collect())
    }

    fn records(&self, (from, to): &(u64, u64)) -> Option<u64> {
        Some(to - from + u64::from(self.fault == Fault::MiscountsRanges))
    }

    fn read(
        &self,
        (from, to): &(u64, u64),
        rejects: &Rejects,
        _: &TaskContext,
    ) -> Result<Box<dyn Chunks<u64>>> {
        let mut numbers = self.log.lock().unwrap()[*from as usize..*to as usize].to_vec();
        match self.fault {
            Fault::ReadsOtherRecordsLater if self.kept.fetch_max(*to, Ordering::Relaxed) >= *to => {
                numbers.iter_mut().for_each(|number| *number += 1);
            }
            Fault::ReadsBackwards => numbers.reverse(),
            Fault::CannotDecode => rejects.add(|| tidemill::Rejected::new("record 0", "half a record", "")),
            _ => {}
        }
        Ok(Box::new(Given(numbers, false)))
    }

    fn home(&self, range: &(u64, u64)) -> u64 {
        if self.fault == Fault::MovesRanges { self.kept.fetch_add(1, Ordering::Relaxed) } else { range.0 % 3 }
    }

    fn committed(&self, position: &u64) -> Result<()> {
        if self.fault == Fault::LosesTheCommitted {
            self.kept.store(position + 1, Ordering::Relaxed);
        }
        Ok(())
    }
}

struct Given(Vec<u64>, bool);

impl Chunks<u64> for Given {
    fn next(&mut self) -> Result<Option<Chunk<'_, u64>>> {
        let lent = std::mem::replace(&mut self.1, true);
        Ok((!lent).then_some(Chunk::Ref(&self.0)))
    }
}

struct Log {
    log: Arc<Mutex<Vec<u64>>>,
    fault: Fault,
}

impl Log {
    fn new(fault: Fault) -> Self {
        Self { log: Arc::default(), fault }
    }
}

impl Fed for Log {
    type Input = LogInput;
    const LIMITS: bool = true;
    const IN_ORDER: bool = true;

    fn input(&self) -> LogInput {
        LogInput { log: Arc::clone(&self.log), fault: self.fault, kept: AtomicU64::new(0) }
    }

    fn feed(&self, numbers: Range<u64>) {
        self.log.lock().unwrap().extend(numbers);
    }

    fn number(&self, record: &u64) -> u64 {
        *record
    }
}

#[test]
fn an_input_that_keeps_its_promises_passes_the_suite() {
    conformance(|| Log::new(Fault::None));
}

#[test]
fn each_broken_promise_is_found() {
    let faults = [
        (Fault::Repeats, "came twice"),
        (Fault::ReadsOtherRecordsLater, "reads differently"),
        (Fault::ReadsBackwards, "is not in order"),
        (Fault::PlansByItself, "another plan at the same position"),
        (Fault::ForgetsTheLimit, "10 records were asked for"),
        (Fault::NeedsMoreThanThePosition, "were planned behind"),
        (Fault::MiscountsRanges, "another number of records"),
        (Fault::MovesRanges, "has two homes"),
        (Fault::CannotDecode, "cannot be decoded"),
        (Fault::Loses, "190 records were fed"),
        (Fault::LosesTheCommitted, "20 records were fed"),
    ];
    for (fault, said) in faults {
        let panic = catch_unwind(|| conformance(|| Log::new(fault))).expect_err("it passes");
        let panic = panic.downcast_ref::<String>().unwrap_or_else(|| panic!("{fault:?} says nothing"));
        assert!(panic.contains(said), "{fault:?}: {panic}");
    }
}
