//! Cases of limited rates: Spark's estimator, and what a receiver is limited to.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tidemill::testing::{collect_batches, local_with, run_batches};
use tidemill::{BatchInfo, BatchReport, Conf, Pid, PidGains, Rate, RateEstimator, StreamingListener};

use super::case::Case;

/// The rate behind each report, as Spark has it to the last bit but three.
pub(crate) fn pid(case: &Case) {
    let number = |key: &str| case.config[key].as_f64().unwrap();
    let gains = PidGains {
        proportional: number("Kp"),
        integral: number("Ki"),
        derived: number("Kd"),
        min_rate: number("minRate"),
    };
    let interval = Duration::from_millis(case.batch_ms);
    let mut pid = Pid::new(interval, gains).unwrap();
    let reports: Vec<[u64; 4]> = serde_json::from_value(case.input.clone()).unwrap();
    let expected: Vec<Option<f64>> = serde_json::from_value(case.expected.clone()).unwrap();
    assert_eq!(reports.len(), expected.len());
    for (at, ([time, records, processing, delay], expected)) in reports.into_iter().zip(expected).enumerate()
    {
        let mut done = BatchReport::new(interval);
        done.completed = Duration::from_millis(time);
        done.records = records;
        done.processing = Duration::from_millis(processing);
        done.scheduling_delay = Duration::from_millis(delay);
        let rate = pid.update(&done).map(Rate::as_per_second);
        let close = match (rate, expected) {
            (Some(rate), Some(expected)) => (rate - expected).abs() <= 1e-9 * expected.abs(),
            (rate, expected) => rate == expected,
        };
        assert!(close, "report {at} of {}: {rate:?}, and in Spark {expected:?}", case.name);
    }
}

/// What the constructor refuses.
pub(crate) fn pid_arguments(case: &Case) {
    let second = Duration::from_secs(1);
    let with = |change: fn(&mut PidGains)| {
        let mut gains = PidGains::default();
        change(&mut gains);
        Pid::new(second, gains)
    };
    assert!(with(|_| ()).is_ok());
    for refused in case.facts["reject"].as_array().unwrap().iter().map(|text: &Value| text.as_str().unwrap())
    {
        let made = match refused {
            "batch_ms=0" => Pid::new(Duration::ZERO, PidGains::default()),
            "Kp<0" => with(|gains| gains.proportional = -0.1),
            "Ki<0" => with(|gains| gains.integral = -0.1),
            "Kd<0" => with(|gains| gains.derived = -0.1),
            "minRate=0" => with(|gains| gains.min_rate = 0.0),
            "minRate<0" => with(|gains| gains.min_rate = -1.0),
            other => panic!("an argument that no test knows: {other}"),
        };
        assert!(made.is_err(), "{refused}");
    }
}

/// Gives the same rate each time.
struct Constant(Rate);

impl RateEstimator for Constant {
    fn update(&mut self, _done: &BatchReport) -> Option<Rate> {
        Some(self.0)
    }
}

/// What the input of each batch was limited to.
#[derive(Clone, Default)]
struct Limits(Arc<Mutex<Vec<Option<f64>>>>);

impl StreamingListener for Limits {
    fn on_batch_completed(&self, batch: &BatchInfo) {
        self.0.lock().unwrap().push(batch.inputs[0].rate_limit.map(Rate::as_per_second));
    }
}

/// What a receiver is limited to before the first estimate, and behind one.
pub(crate) fn limits(case: &Case) {
    let facts = |key: &str| case.facts[key].as_f64();
    // The suite says what the limit is behind an estimate of 105; what was seen of Spark, before and behind one of 77.
    let (estimate, before, behind) = match facts("after_update_77") {
        Some(behind) => (77.0, facts("limit"), behind),
        None => (105.0, None, facts("limit").unwrap()),
    };
    let mut conf = Conf::new().allow_several(true).master("local[1]").unwrap();
    for part in case.name.split_whitespace() {
        let Some((key, value)) = part.split_once('=') else { continue };
        let key = match key {
            "maxRate" => "spark.streaming.receiver.maxRate",
            "initialRate" => "spark.streaming.backpressure.initialRate",
            other => panic!("a setting that no test knows: {other}"),
        };
        conf = conf.set(key, value).unwrap();
    }
    if before.is_some() {
        let off = conf.clone().set("spark.streaming.backpressure.enabled", "false").unwrap();
        assert_eq!(limit_of_batches(off, estimate), before, "without back pressure the first limit stays");
        assert!(case.facts["update_0"] == "ignored" && Rate::per_second(0.0).is_none(), "nobody can say 0");
    }
    assert_eq!(limit_of_batches(conf, estimate), Some(behind));
}

/// The limit of a receiver that has records in each batch, behind three of them, whatever it is then.
fn limit_of_batches(conf: Conf, estimate: f64) -> Option<f64> {
    let ssc = local_with(conf);
    let rate = Rate::per_second(estimate).unwrap();
    ssc.rate_estimator(move |_| Constant(rate));
    let limits = Limits::default();
    ssc.add_streaming_listener(limits.clone());
    let (sender, numbers) = ssc.channel_stream::<u64>(100);
    let collected = collect_batches(&numbers);
    for batch in 0..3 {
        sender.send(batch).unwrap();
        while collected.batches().concat().len() as u64 <= batch {
            run_batches(&ssc, 1).unwrap();
        }
    }
    run_batches(&ssc, 1).unwrap();
    ssc.stop(true).unwrap();
    *limits.0.lock().unwrap().last().unwrap()
}
