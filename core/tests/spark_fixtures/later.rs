//! Cases of the fixtures that wait for a part that is still to come.

/// What brings the case, its suite, and the case. A row goes when its part is there: the case then runs, or differs.
pub(crate) const LATER: &[(&str, &str, &str)] = &[
    ("kafka", "DirectKafkaStreamSuite [K commit 050b8177]", "max messages, no lag"),
    ("kafka", "DirectKafkaStreamSuite [K commit 050b8177]", "max messages capped"),
    ("kafka", "DirectKafkaStreamSuite [K commit 050b8177]", "rates 100,50,20 at 500 ms"),
    ("page", "UISeleniumSuite", "tables"),
    ("page", "UIUtilsSuite", "formatting"),
    ("page", "StreamingJobProgressListenerSuite", "counters"),
    ("page", "DStreamScopeSuite", "scope names"),
    ("recovery", "CheckpointSuite", "rate controller survives recovery"),
    ("recovery", "MapWithStateSuite", "driver failure recovery"),
    ("recovery", "CheckpointSuite", "recover map+reduceByKey"),
    ("recovery", "CheckpointSuite", "recover file stream"),
    ("recovery", "CheckpointSuite", "two writes in one batch"),
    ("recovery", "CheckpointSuite", "non-existent checkpoint dir"),
    ("recovery", "ReceivedBlockHandlerSuite", "record count bytes 100"),
    ("recovery", "ReceivedBlockHandlerSuite", "record count array 25"),
    ("recovery", "ReceivedBlockHandlerSuite", "record count array 50"),
    ("recovery", "ReceivedBlockHandlerSuite", "record count array 75"),
    ("recovery", "ReceivedBlockHandlerSuite", "record count iterator 100"),
    ("recovery", "ReceivedBlockHandlerSuite", "WAL cleaning"),
    ("recovery", "ReceivedBlockHandlerSuite", "errors"),
    ("recovery", "ReceivedBlockTrackerSuite", "allocation"),
    ("recovery", "ReceivedBlockTrackerSuite", "write failure keeps blocks"),
    ("recovery", "StreamingContextSuite", "getOrCreate"),
];
