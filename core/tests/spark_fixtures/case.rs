//! A case of the fixtures, and how one that is a stream of batches is run.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;
use tidemill::testing::{collect_batches, input_batches, input_gaps, local_every, run_batches};
use tidemill::{DStream, Data, StreamingContext, Wire};

/// What Spark does with an input.
#[derive(Deserialize)]
pub(crate) struct Case {
    pub(crate) suite: String,
    #[serde(rename = "case")]
    pub(crate) name: String,
    pub(crate) batch_ms: u64,
    pub(crate) input: Value,
    pub(crate) expected: Value,
    ordered: bool,
    #[serde(default)]
    pub(crate) facts: Value,
    #[serde(default)]
    pub(crate) config: Value,
    #[serde(default = "no_states")]
    pub(crate) initial_state: Value,
    #[serde(default)]
    pub(crate) expected_state_snapshots: Value,
    // The batch, from 1, whose Rdd cannot be generated.
    error_at_batch: Option<u64>,
    expected_times_ms: Option<Vec<u64>>,
    // What Spark says.
    error: Option<String>,
    // Where what Spark gives is a mistake of Spark's: what is right.
    #[serde(default)]
    correct: Value,
    pub(crate) expected_partitions_per_batch: Option<usize>,
}

fn no_states() -> Value {
    Value::Array(Vec::new())
}

/// All of them.
pub(crate) fn all() -> Vec<Case> {
    serde_json::from_str(include_str!("../fixtures/spark-fixtures.json")).unwrap()
}

impl Case {
    /// A context by a manual clock, with the case's interval.
    pub(crate) fn context(&self) -> StreamingContext {
        local_every(2, Duration::from_millis(self.batch_ms))
    }

    /// A value of the case as a type.
    pub(crate) fn read<T: DeserializeOwned>(value: &Value) -> T {
        serde_json::from_value(value.clone()).unwrap()
    }

    /// A stream of `batches` in two partitions; `null` behind them is a time without an Rdd.
    pub(crate) fn stream<T: Data + DeserializeOwned>(ssc: &StreamingContext, batches: &Value) -> DStream<T> {
        let batches: Vec<Option<Vec<T>>> = Self::read(batches);
        let (count, gaps) = (batches.len(), batches.iter().any(Option::is_none));
        let batches: Vec<Vec<T>> = batches.into_iter().map_while(|batch| batch).collect();
        assert!(count - batches.len() == usize::from(gaps), "a gap is the last batch");
        if gaps { input_gaps(ssc, 2, batches) } else { input_batches(ssc, 2, batches) }
    }

    /// Runs what `draw` makes of the case's input.
    pub(crate) fn one<T: Data + DeserializeOwned, U: Wire + Serialize>(
        &self,
        draw: impl FnOnce(&DStream<T>) -> DStream<U>,
    ) {
        let ssc = self.context();
        let drawn = draw(&Self::stream(&ssc, &self.input));
        self.run(&ssc, &drawn);
    }

    /// Runs what `draw` makes of the case's left and right input.
    pub(crate) fn two<T: Data + DeserializeOwned, R: Data + DeserializeOwned, U: Wire + Serialize>(
        &self,
        draw: impl FnOnce(&DStream<T>, &DStream<R>) -> DStream<U>,
    ) {
        let ssc = self.context();
        let left = Self::stream(&ssc, &self.input["left"]);
        let right = Self::stream(&ssc, &self.input["right"]);
        let drawn = draw(&left, &right);
        self.run(&ssc, &drawn);
    }

    /// The error that is expected.
    pub(crate) fn expected_error(&self) -> &str {
        self.error.as_deref().unwrap_or_default()
    }

    /// Runs as many batches as are expected, and the one that fails behind them, if there is one.
    pub(crate) fn run<U: Wire + Serialize>(&self, ssc: &StreamingContext, drawn: &DStream<U>) {
        self.run_every(ssc, drawn, 1);
    }

    /// As [`run`](Self::run), for a stream that has an Rdd every `batches` batches.
    pub(crate) fn run_every<U: Wire + Serialize>(
        &self,
        ssc: &StreamingContext,
        drawn: &DStream<U>,
        batches: usize,
    ) {
        let right = if self.correct.is_null() { &self.expected } else { &self.correct };
        let expected: Vec<Vec<Value>> = Self::read(right);
        let collected = collect_batches(drawn);
        run_batches(ssc, (expected.len() * batches) as u64).unwrap();
        if let Some(batch) = self.error_at_batch {
            assert_eq!(
                batch,
                expected.len() as u64 + 1,
                "the failing batch is the one behind those expected"
            );
            let error = run_batches(ssc, 1).unwrap_err().chain();
            let said = format!("could not generate an Rdd at time {} ms", batch * self.batch_ms);
            assert!(error.contains(&said), "{error}");
        }
        let got: Vec<Vec<Value>> = Self::read(&serde_json::to_value(collected.batches()).unwrap());
        assert_eq!(self.in_order(got), self.in_order(expected));
        if let Some(times) = &self.expected_times_ms {
            let got: Vec<u64> = collected.times().iter().map(|time| time.as_millis()).collect();
            assert_eq!(&got, times);
        }
    }

    fn in_order(&self, mut batches: Vec<Vec<Value>>) -> Vec<Vec<Value>> {
        if !self.ordered {
            for batch in &mut batches {
                batch.sort_by_key(Value::to_string);
            }
        }
        batches
    }
}
