//! Jobs on paper, on which a rate estimator shows what it does.

use std::time::Duration;

use crate::backpressure::{BatchReport, RateEstimator};
use crate::source::{INSIDE_AT_START, INSIDE_MAX, LATE};

/// The longest block, in seconds: what the limiter saves up while nobody comes.
const BLOCK_MAX: f64 = 0.2;

/// A job on paper with one receiver: a batch of *n* records takes `fixed + per_record × n × ε`, and from one batch on
/// `per_record` is another.
///
/// It does what the engine does. A batch is cut at each tick and waits for those before it; its report comes when it is
/// done; the rate that the estimator gives holds for what is admitted from then on; the limiter saves up one block; and the
/// gate is closed while too much is inside or a batch is late.
///
/// ```
/// use std::time::Duration;
/// use tidemill::Steady;
/// use tidemill::testing::Plant;
///
/// let plant = Plant::drawn(7);
/// let mut steady = Steady::new(Duration::from_secs_f64(plant.interval));
/// let [start, step] = plant.judge(&mut steady);
/// assert!(start.unwrap().holds() && step.unwrap().holds());
/// ```
#[derive(Clone, Debug)]
pub struct Plant {
    /// Seconds from one batch to the next.
    pub interval: f64,
    /// Seconds that a batch takes without records.
    pub fixed: f64,
    /// Seconds a record.
    pub per_record: f64,
    /// What `per_record` is multiplied with from batch `step_at` on.
    pub step: f64,
    /// The first batch that is computed behind the step.
    pub step_at: usize,
    /// The σ of ln ε.
    pub noise: f64,
    /// Records a second that the source has.
    pub offered: f64,
    /// Records a second that are let in before the first estimate.
    pub initial: f64,
    /// Whether the gate closes while too much is inside or a batch is late. In Spark it does not.
    pub gate_closes: bool,
    /// Where the noise begins.
    pub seed: u64,
}

/// One batch of a plant; times that are not known yet are infinite.
#[derive(Clone, Debug)]
pub struct PlantBatch {
    /// When it was cut, in seconds.
    pub cut: f64,
    /// When its computation began.
    pub started: f64,
    /// When it was done.
    pub done: f64,
    /// Its records.
    pub records: u64,
    /// Batches with records that were due before it and had not begun when it was cut.
    pub waiting: usize,
    held_back: bool,
}

impl PlantBatch {
    /// Seconds of computation.
    pub fn service(&self) -> f64 {
        self.done - self.started
    }
}

/// How batches 4 to 10 went behind a start or a step.
///
/// The first batch is the first that was admitted whole behind the first report from there; batches without records, in which
/// the gate was closed, are passed over.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The median of the time that they took, in intervals: at most 1.2.
    pub median: f64,
    /// The 95th percentile of it, of seven the longest: at most 2.
    pub p95: f64,
    /// What they admitted, as a part of what can be computed: 0.8 to 1.2.
    pub admitted: f64,
    /// The most batches that waited at a tick behind batch 4: at most 1.
    pub waiting: usize,
    /// Intervals from the first report to the end of batch 4's.
    pub settled: f64,
}

impl Verdict {
    /// Whether all that is asked is kept.
    pub fn holds(&self) -> bool {
        self.median <= 1.2 && self.p95 <= 2.0 && (0.8..=1.2).contains(&self.admitted) && self.waiting <= 1
    }
}

impl Plant {
    /// The plant of a seed: an interval of 10 ms to 10 s, a fixed part of 0 to 40 % of it, capacity for 300 to 3 million
    /// records a second and at least 300 an interval, noise of σ = 0.1, a step of × 10 or ÷ 10, and a source that has 2 to 20
    /// times what can ever be computed. The first rate is 10,000 a second.
    pub fn drawn(seed: u64) -> Self {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let interval = 10f64.powf(random.between(-2.0, 1.0));
        let fixed = interval * random.between(0.0, 0.4);
        let least = f64::max(300.0, 300.0 / interval);
        let capacity = least * (3e6 / least).powf(random.next());
        let step = if random.next() < 0.5 { 10.0 } else { 0.1 };
        Self {
            interval,
            fixed,
            per_record: (interval - fixed) / (capacity * interval),
            step,
            step_at: 20 + (random.next() * 20.0) as usize,
            noise: 0.1,
            offered: capacity * f64::max(1.0, 1.0 / step) * random.between(2.0, 20.0),
            initial: 10_000.0,
            gate_closes: true,
            seed,
        }
    }

    /// Runs until so many batches are done.
    pub fn run(&self, estimator: &mut dyn RateEstimator, batches: usize) -> Vec<PlantBatch> {
        let mut run = Run::new(self);
        while run.finished < batches {
            run.advance(estimator);
        }
        run.batches.truncate(batches);
        run.batches
    }

    /// Runs until batch 10 behind the start and batch 10 behind the step are done, and judges both. `None` where that was
    /// not within 20,000 ticks and reports.
    pub fn judge(&self, estimator: &mut dyn RateEstimator) -> [Option<Verdict>; 2] {
        let mut run = Run::new(self);
        for _ in 0..20_000 {
            run.advance(estimator);
            if run.finished > self.step_at
                && let Some(step) = self.verdict(&run, self.step_at)
            {
                return [self.verdict(&run, 0), Some(step)];
            }
        }
        [self.verdict(&run, 0), None]
    }

    /// How it went behind batch `from`, the first that was computed with what came then.
    fn verdict(&self, run: &Run<'_>, from: usize) -> Option<Verdict> {
        let reported = run.batches.get(from..run.finished)?.iter().find(|batch| batch.records > 0)?.done;
        let whole = |batch: &&PlantBatch| batch.records > 0 && batch.cut - self.interval >= reported;
        let counted: Vec<&PlantBatch> = run.batches.iter().filter(whole).take(10).collect();
        let (settled, last) = (counted.get(3)?.cut, counted.get(9).filter(|last| last.done.is_finite())?.cut);
        let mut services: Vec<f64> =
            counted[3..].iter().map(|batch| batch.service() / self.interval).collect();
        services.sort_by(f64::total_cmp);
        let records: u64 = counted[3..].iter().map(|batch| batch.records).sum();
        let per_record = self.per_record * if from < self.step_at { 1.0 } else { self.step };
        let behind = run.batches.iter().filter(|batch| batch.cut > settled && batch.cut <= last);
        Some(Verdict {
            median: services[3],
            p95: services[6],
            admitted: records as f64 / 7.0 * per_record / (self.interval - self.fixed),
            waiting: behind.map(|batch| batch.waiting).max().unwrap_or(0),
            settled: (settled - reported) / self.interval,
        })
    }
}

/// A run of a plant: now, and what is inside.
struct Run<'a> {
    plant: &'a Plant,
    random: Random,
    now: f64,
    // Those that are done come first.
    batches: Vec<PlantBatch>,
    finished: usize,
    rate: f64,
    inside_max: f64,
    // Records since the last tick, records in batches, and seconds of the limiter that nobody has used.
    open: f64,
    inside: f64,
    saved: f64,
    held_back: bool,
    late: bool,
    // Waiting does not help: batches without records take longer than an interval too.
    in_vain: bool,
}

impl<'a> Run<'a> {
    fn new(plant: &'a Plant) -> Self {
        Self {
            plant,
            random: Random(plant.seed ^ 0x5851_f42d_4c95_7f2d),
            now: 0.0,
            batches: Vec::new(),
            finished: 0,
            rate: plant.initial,
            inside_max: INSIDE_AT_START,
            open: 0.0,
            inside: 0.0,
            saved: plant.interval.min(BLOCK_MAX),
            held_back: false,
            late: false,
            in_vain: false,
        }
    }

    fn advance(&mut self, estimator: &mut dyn RateEstimator) {
        let tick = (self.batches.len() + 1) as f64 * self.plant.interval;
        let done = self.batches.get(self.finished).map_or(f64::INFINITY, |batch| batch.done);
        self.admit(tick.min(done));
        if done <= tick { self.complete(estimator) } else { self.cut() }
    }

    /// Lets in what the source has, the limiter passes and the gate has room for.
    fn admit(&mut self, until: f64) {
        let time = until - self.now;
        self.now = until;
        let has = self.plant.offered * time;
        let passes = (self.saved + time) * self.rate;
        let mut admitted = has.min(passes);
        if self.plant.gate_closes && !self.in_vain {
            let room = self.inside_max * self.rate * self.plant.interval - self.inside - self.open;
            admitted = if self.late && self.inside > 0.0 { 0.0 } else { admitted.min(room).max(0.0) };
        }
        self.held_back |= admitted < has;
        self.open += admitted;
        self.saved = (self.saved + time - admitted / self.rate).min(self.plant.interval.min(BLOCK_MAX));
    }

    fn cut(&mut self) {
        let records = self.open.floor();
        self.open -= records;
        self.inside += records;
        let waits = |batch: &&PlantBatch| batch.records > 0 && batch.started.is_infinite();
        self.batches.push(PlantBatch {
            cut: self.now,
            started: f64::INFINITY,
            done: f64::INFINITY,
            records: records as u64,
            waiting: self.batches[self.finished..].iter().filter(waits).count(),
            held_back: std::mem::take(&mut self.held_back),
        });
        self.start_next();
    }

    fn complete(&mut self, estimator: &mut dyn RateEstimator) {
        let batch = &self.batches[self.finished];
        self.finished += 1;
        self.inside -= batch.records as f64;
        self.late = batch.done - batch.cut > LATE * self.plant.interval;
        let in_time = batch.service() < self.plant.interval;
        self.in_vain = !in_time && (self.in_vain || batch.records == 0);
        if batch.records > 0 {
            self.inside_max = INSIDE_MAX;
            let mut report = BatchReport::new(Duration::from_secs_f64(self.plant.interval));
            report.completed = Duration::from_secs_f64(batch.done);
            report.records = batch.records;
            report.processing = Duration::from_secs_f64(batch.service());
            report.scheduling_delay = Duration::from_secs_f64(batch.started - batch.cut);
            report.held_back = batch.held_back;
            if let Some(rate) = estimator.update(&report) {
                self.rate = rate.as_per_second();
            }
        }
        self.start_next();
    }

    /// Computes the next batch, if one is due and none is computed.
    fn start_next(&mut self) {
        let plant = self.plant;
        let next = self.batches.get_mut(self.finished);
        let Some(batch) = next.filter(|batch| batch.started.is_infinite()) else { return };
        let per_record = plant.per_record * if self.finished < plant.step_at { 1.0 } else { plant.step };
        let noise = (plant.noise * self.random.normal()).exp();
        batch.started = self.now;
        batch.done = self.now + plant.fixed + per_record * batch.records as f64 * noise;
    }
}

/// `SplitMix64`: the same numbers on each machine and for ever.
struct Random(u64);

impl Random {
    /// From 0 to 1, without 1.
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn between(&mut self, from: f64, to: f64) -> f64 {
        from + (to - from) * self.next()
    }

    /// Of mean 0 and deviation 1, by Box and Muller.
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.next()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.next()).cos()
    }
}
