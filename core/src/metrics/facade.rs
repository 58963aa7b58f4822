//! Counters and histograms, counted once a batch.

use metrics::{counter, gauge, histogram};

use super::events::{BatchInfo, Event};

/// Names, so that a page that shows them and a test can list them.
pub(crate) const BATCHES: &str = "tidemill_batches_completed_total";
pub(crate) const BATCHES_FAILED: &str = "tidemill_batches_failed_total";
pub(crate) const RECORDS: &str = "tidemill_records_total";
pub(crate) const REJECTED: &str = "tidemill_records_rejected_total";
pub(crate) const REPEATED: &str = "tidemill_records_repeated_total";
pub(crate) const LOST: &str = "tidemill_records_lost_total";
pub(crate) const PROCESSING: &str = "tidemill_batch_processing_seconds";
pub(crate) const SCHEDULING: &str = "tidemill_batch_scheduling_delay_seconds";
pub(crate) const RECEIVER_ERRORS: &str = "tidemill_receiver_errors_total";
pub(crate) const LAST_BATCH: &str = "tidemill_last_completed_batch_milliseconds";
pub(crate) const ACCUMULATOR: &str = "tidemill_accumulator";
pub(crate) const DROPPED: &str = "tidemill_listener_events_dropped_total";

pub(super) fn count(event: &Event) {
    match event {
        Event::BatchCompleted(batch) => completed(batch),
        Event::ReceiverError(_) => counter!(RECEIVER_ERRORS).increment(1),
        Event::RecordsLost { records, .. } => counter!(LOST).increment(*records),
        Event::RecordsRejected { records, .. } => counter!(REJECTED).increment(*records),
        Event::RecordsRepeated { records, .. } => counter!(REPEATED).increment(*records),
        _ => {}
    }
}

fn completed(batch: &BatchInfo) {
    if batch.failure_reason.is_some() {
        counter!(BATCHES_FAILED).increment(1);
        return;
    }
    counter!(BATCHES).increment(1);
    counter!(RECORDS).increment(batch.records());
    gauge!(LAST_BATCH).set(batch.batch_time.as_millis() as f64);
    if let Some(delay) = batch.processing_delay() {
        histogram!(PROCESSING).record(delay.as_secs_f64());
    }
    if let Some(delay) = batch.scheduling_delay() {
        histogram!(SCHEDULING).record(delay.as_secs_f64());
    }
}
