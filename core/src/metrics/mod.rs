//! What happened: events for listeners, counters and histograms for the `metrics` facade, counted once a batch.

mod bus;
mod events;
mod facade;
mod listener;

pub(crate) use self::bus::EventBus;
pub use self::events::{BatchInfo, Event, InputInfo, OutputOperationInfo, ReceiverInfo, ReceiverState};
pub(crate) use self::facade::ACCUMULATOR;
pub use self::listener::StreamingListener;
