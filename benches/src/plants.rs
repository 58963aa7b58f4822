//! The table of the book: estimators on jobs on paper.

use std::time::Duration;

use tidemill::testing::{Plant, Verdict};
use tidemill::{Pid, PidGains, RateEstimator, Steady};

/// As in the test.
const SEEDS: u64 = 1000;

/// A name, what makes the estimator, and whether the gate closes while too much waits.
type Row = (&'static str, fn(Duration) -> Box<dyn RateEstimator>, bool);

const ROWS: [Row; 3] = [
    ("`steady`", |interval| Box::new(Steady::new(interval)), true),
    ("`pid`", pid, true),
    ("`pid`, and no gate, as in Spark", pid, false),
];

fn pid(interval: Duration) -> Box<dyn RateEstimator> {
    // Invariant: a plant's interval is not nothing, and Spark's gains are right.
    Box::new(Pid::new(interval, PidGains::default()).unwrap_or_else(|error| unreachable!("{error}")))
}

/// Runs each estimator on all plants and prints a table in Markdown.
pub(crate) fn run() {
    println!("| estimator | behind | plants that hold | time of a batch | admitted | waiting | settled |");
    println!("|---|---|--:|--:|--:|--:|--:|");
    for (name, make, gate_closes) in ROWS {
        for (behind, step, phase) in
            [("the start", None, 0), ("*b* × 10", Some(10.0), 1), ("*b* ÷ 10", Some(0.1), 1)]
        {
            let plants = (0..SEEDS).map(|seed| Plant { gate_closes, ..Plant::drawn(seed) });
            let plants = plants.filter(|plant| step.is_none_or(|step| plant.step == step));
            let verdicts: Vec<Option<Verdict>> = plants
                .map(|plant| {
                    let mut estimator = make(Duration::from_secs_f64(plant.interval));
                    let [start, step] = plant.judge(&mut *estimator);
                    if phase == 0 { start } else { step }
                })
                .collect();
            println!("| {name} | {behind} | {}", cells(&verdicts));
        }
    }
    for (name, make, gate_closes) in ROWS {
        let holds = |seed: &u64| {
            let plant = Plant { gate_closes, ..Plant::drawn(*seed) };
            let verdicts = plant.judge(&mut *make(Duration::from_secs_f64(plant.interval)));
            verdicts.iter().all(|verdict| verdict.as_ref().is_some_and(Verdict::holds))
        };
        let failed: Vec<u64> = (0..SEEDS).filter(|seed| !holds(seed)).collect();
        println!("\n{name} fails on {} of {SEEDS} seeds: {failed:?}", failed.len());
    }
}

fn cells(verdicts: &[Option<Verdict>]) -> String {
    let settled: Vec<&Verdict> = verdicts.iter().flatten().collect();
    let holds = settled.iter().filter(|verdict| verdict.holds()).count();
    let at = |part: f64, of: fn(&Verdict) -> f64| {
        let mut values: Vec<f64> = settled.iter().map(|verdict| of(verdict)).collect();
        values.sort_by(f64::total_cmp);
        values.get((part * values.len().saturating_sub(1) as f64) as usize).copied().unwrap_or(f64::NAN)
    };
    format!(
        "{:.1} % | {:.2}, {:.2} | {:.2} to {:.2} | {} | {:.0} |",
        100.0 * holds as f64 / verdicts.len() as f64,
        at(0.5, |verdict| verdict.median),
        at(0.95, |verdict| verdict.p95),
        at(0.05, |verdict| verdict.admitted),
        at(0.95, |verdict| verdict.admitted),
        at(0.95, |verdict| verdict.waiting as f64),
        at(0.5, |verdict| verdict.settled),
    )
}
