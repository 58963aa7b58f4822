//! A job with 30 operators over 6 types: built by the workload `build`, which looks at the time it takes and its size.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidemill::{StreamingContext, Text};

/// A reading of one sensor. The six types: `Text`, `Reading`, `(String, Reading)`, `(String, f64)`, `Alarm`, `u64`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Reading {
    sensor: String,
    celsius: f64,
    at: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Alarm {
    sensor: String,
    excess: f64,
}

fn reading(line: &Text) -> Option<Reading> {
    let mut fields = line.as_str().split(' ');
    Some(Reading {
        sensor: fields.next()?.to_owned(),
        celsius: fields.next()?.parse().ok()?,
        at: fields.next()?.parse().ok()?,
    })
}

fn main() -> tidemill::Result<()> {
    let ssc = StreamingContext::new("local[2]", "thirty operators", Duration::from_secs(1))?;
    let lines = ssc.queue_stream([ssc.parallelize(vec![Text::from("a 20.5 1"), Text::from("b 31.0 2")], 2)]);
    // 1 to 6: text.
    let text = lines
        .filter(|line| !line.is_empty())
        .map(|line| line.trim())
        .flat_map(|line| line.split(';'))
        .map(|line| line.trim())
        .filter(|line| !line.starts_with('#'))
        .repartition(4);
    // 7 to 12: readings.
    let readings = text
        .flat_map(|line| reading(&line))
        .filter(|reading| reading.celsius > -90.0)
        .map(|reading| Reading { celsius: reading.celsius + 273.15, ..reading })
        .filter(|reading| reading.at > 0)
        .map(|reading| Reading { at: reading.at / 10 * 10, ..reading })
        .filter(|reading| !reading.sensor.is_empty());
    // 13 to 17: by sensor.
    let by_sensor = readings
        .map(|reading| (reading.sensor.clone(), reading))
        .filter(|(sensor, _)| sensor != "test")
        .map_values(|reading| Reading { celsius: reading.celsius.max(0.0), ..reading })
        .reduce_by_key(|a, b| if a.at > b.at { a } else { b })
        .filter(|(_, reading)| reading.celsius > 200.0);
    // 18 to 22: temperatures.
    let warmest = by_sensor
        .map_values(|reading| reading.celsius)
        .reduce_by_key(f64::max)
        .map_values(|kelvin| kelvin - 273.15)
        .filter(|(_, celsius)| celsius.is_finite())
        .partition_by(4);
    // 23 to 26: alarms.
    let alarms = warmest
        .map(|(sensor, celsius)| Alarm { sensor, excess: celsius - 30.0 })
        .filter(|alarm| alarm.excess > 0.0)
        .map(|alarm| Alarm { excess: alarm.excess.min(100.0), ..alarm })
        .repartition(1);
    // 27 to 30: counts.
    let counts = alarms
        .map(|alarm| alarm.excess as u64)
        .filter(|excess| *excess > 0)
        .map(|excess| excess / 10)
        .count();
    counts.pprint();
    ssc.start()?;
    ssc.await_termination()
}
