//! Who hears of events.

use std::time::Duration;

use super::events::{BatchInfo, Event, OutputOperationInfo, ReceiverInfo};

/// Hears what happens, with Spark's callbacks; each does nothing unless it is written.
///
/// Callbacks come one after another on a thread of their own, in the order in which things happened, so a slow listener
/// delays no batch. If it falls behind by more than `tidemill.listener.queue_max` events, the newest are dropped and
/// counted (`tidemill_listener_events_dropped_total`). After the job has stopped nothing comes any more.
///
/// ```
/// use tidemill::{BatchInfo, StreamingListener};
///
/// struct Slow;
/// impl StreamingListener for Slow {
///     fn on_batch_completed(&self, batch: &BatchInfo) {
///         if batch.scheduling_delay() > batch.processing_delay() {
///             println!("batch {} waited", batch.batch_time);
///         }
///     }
/// }
/// ```
pub trait StreamingListener: Send + Sync + 'static {
    /// The job has started.
    fn on_streaming_started(&self, _time: Duration) {}
    /// A receiver runs.
    fn on_receiver_started(&self, _receiver: &ReceiverInfo) {}
    /// A receiver reported an error.
    fn on_receiver_error(&self, _receiver: &ReceiverInfo) {}
    /// A receiver has ended.
    fn on_receiver_stopped(&self, _receiver: &ReceiverInfo) {}
    /// A batch is due.
    fn on_batch_submitted(&self, _batch: &BatchInfo) {}
    /// A batch is being computed.
    fn on_batch_started(&self, _batch: &BatchInfo) {}
    /// A batch is done.
    fn on_batch_completed(&self, _batch: &BatchInfo) {}
    /// An output operation begins.
    fn on_output_operation_started(&self, _operation: &OutputOperationInfo) {}
    /// An output operation has ended.
    fn on_output_operation_completed(&self, _operation: &OutputOperationInfo) {}
    /// Everything else, and all of the above before its own callback.
    fn on_event(&self, _event: &Event) {}
}

/// Calls the callback of `event`.
pub(super) fn tell(listener: &dyn StreamingListener, event: &Event) {
    listener.on_event(event);
    match event {
        Event::StreamingStarted { time } => listener.on_streaming_started(*time),
        Event::ReceiverStarted(receiver) => listener.on_receiver_started(receiver),
        Event::ReceiverError(receiver) => listener.on_receiver_error(receiver),
        Event::ReceiverStopped(receiver) => listener.on_receiver_stopped(receiver),
        Event::BatchSubmitted(batch) => listener.on_batch_submitted(batch),
        Event::BatchStarted(batch) => listener.on_batch_started(batch),
        Event::BatchCompleted(batch) => listener.on_batch_completed(batch),
        Event::OutputOperationStarted(operation) => listener.on_output_operation_started(operation),
        Event::OutputOperationCompleted(operation) => listener.on_output_operation_completed(operation),
        Event::ClockJumped { .. }
        | Event::ClockSetBack { .. }
        | Event::InputWarning { .. }
        | Event::RecordsLost { .. }
        | Event::RecordsRejected { .. }
        | Event::RecordsRepeated { .. }
        | Event::SpillFailed { .. } => {}
    }
}
