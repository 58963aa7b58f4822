//! Cases of limited rates: Spark's estimator, and what a receiver is limited to.

use std::time::Duration;

use serde_json::Value;
use tidemill::{BatchReport, Pid, PidGains, RateEstimator};

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
        let rate = pid.update(&done).map(|rate| rate.as_per_second());
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
