//! Estimators on jobs on paper: 1,000 of them, drawn from their seeds.

use std::time::Duration;

use tidemill::testing::{Plant, PlantBatch, Verdict};
use tidemill::{BatchReport, Pid, PidGains, Rate, RateEstimator, Steady};

const SEEDS: u64 = 1000;

fn steady(plant: &Plant) -> Steady {
    Steady::new(Duration::from_secs_f64(plant.interval))
}

/// One with a second between batches, of which a batch without records takes a tenth, and nothing random.
fn plain(capacity: f64) -> Plant {
    Plant {
        interval: 1.0,
        fixed: 0.1,
        per_record: 0.9 / capacity,
        step: 1.0,
        step_at: 0,
        noise: 0.0,
        offered: 1e9,
        initial: 10_000.0,
        gate_closes: true,
        seed: 0,
    }
}

#[test]
fn steady_settles_behind_a_start_and_a_step_on_95_of_100_plants() {
    let failed: Vec<String> = (0..SEEDS)
        .filter_map(|seed| {
            let plant = Plant::drawn(seed);
            let verdicts = plant.judge(&mut steady(&plant));
            let holds = verdicts.iter().all(|verdict| verdict.as_ref().is_some_and(Verdict::holds));
            (!holds).then(|| format!("seed {seed}: {verdicts:?}"))
        })
        .collect();
    assert!(
        failed.len() as u64 <= SEEDS / 20,
        "{} of {SEEDS} seeds fail:\n{}",
        failed.len(),
        failed.join("\n")
    );
}

#[test]
fn the_plants_tell_estimators_apart() {
    /// Never says anything.
    struct Silent;

    impl RateEstimator for Silent {
        fn update(&mut self, _done: &BatchReport) -> Option<Rate> {
            None
        }
    }

    /// As fast as the last batch was.
    struct Last;

    impl RateEstimator for Last {
        fn update(&mut self, done: &BatchReport) -> Option<Rate> {
            Rate::per_second(done.records as f64 / done.processing.as_secs_f64())
        }
    }

    fn held(make: fn(&Plant) -> Box<dyn RateEstimator>) -> usize {
        let holds = |seed: &u64| {
            let plant = Plant::drawn(*seed);
            plant.judge(&mut *make(&plant)).iter().all(|verdict| verdict.as_ref().is_some_and(Verdict::holds))
        };
        (0..100).filter(holds).count()
    }
    let (silent, last) = (held(|_| Box::new(Silent)), held(|_| Box::new(Last)));
    let steady = held(|plant| Box::new(steady(plant)));
    assert!(silent < 5 && silent < last && last < steady, "{silent}, {last} and {steady} of 100");
}

#[test]
fn steady_finds_100_times_more_capacity_in_three_batches_and_overshoots_none() {
    let plant = plain(1e6);
    let batches = plant.run(&mut steady(&plant), 30);

    // The report of a batch comes at its end, and the rate holds from then on: the first rate shapes batch 1 in part.
    let fast = batches.iter().position(|batch| batch.records > 800_000).unwrap();
    assert!(fast <= 4, "batch {fast}: {batches:?}");
    let longest = batches.iter().map(PlantBatch::service).fold(0.0, f64::max);
    assert!(longest < 1.05, "{longest}");
}

#[test]
fn a_job_that_keeps_up_is_never_slowed_down() {
    let plant = Plant { offered: 5000.0, ..plain(1e6) };
    let batches = plant.run(&mut steady(&plant), 100);
    assert!(batches.iter().all(|batch| batch.records == 5000), "{batches:?}");
}

#[test]
fn a_job_of_short_batches_is_at_full_speed_after_a_few_of_them() {
    // 50,000 records a second every 10 ms, of which a batch without records takes two; the first rate is a fifth of it.
    let plant = Plant { interval: 0.01, fixed: 0.002, per_record: 1e-6, offered: 50_000.0, ..plain(1.0) };
    let batches = plant.run(&mut steady(&plant), 100);
    assert!(batches[3..].iter().all(|batch| batch.records >= 499), "{:?}", &batches[..10]);
}

#[test]
fn the_rate_does_not_swing() {
    let plant = plain(50_000.0);
    let batches = plant.run(&mut steady(&plant), 60);
    let (least, most) = batches[20..]
        .iter()
        .fold((u64::MAX, 0), |(least, most), batch| (least.min(batch.records), most.max(batch.records)));
    assert!(most - least <= 2 && least >= 44_000, "{least} to {most}");
}

#[test]
fn records_come_in_though_each_batch_takes_longer_than_an_interval_whatever_it_holds() {
    let plant = Plant { fixed: 3.0, ..plain(1e6) };
    let batches = plant.run(&mut steady(&plant), 200);
    let admitted: u64 = batches[100..].iter().map(|batch| batch.records).sum();
    assert!(admitted > 100_000, "{admitted}");
}

#[test]
fn the_same_seed_is_the_same_run() {
    let records = |seed| {
        let plant = Plant::drawn(seed);
        let mut pid = Pid::new(Duration::from_secs_f64(plant.interval), PidGains::default()).unwrap();
        plant.run(&mut pid, 50).iter().map(|batch| batch.records).collect::<Vec<_>>()
    };
    assert_eq!(records(3), records(3));
    assert_ne!(records(3), records(4));
}
