//! Rounds: tidemill and its limit in turn, a line for each run, and at the end what the two have to do with each other.

use std::env;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use serde::Serialize;

use crate::child;
use crate::limit::Limits;
use crate::measure::{self, Measured};
use crate::stats::Figure;
use crate::workloads::{Goal, Name, Workload};

/// Fewer rounds say nothing about the spread.
pub(crate) const ROUNDS_THAT_COUNT: u32 = 7;

/// Results that both sides report and that must be the same: a fast run that counts wrongly is worth nothing.
const RESULTS: [&str; 6] = ["distinct", "words", "checksum", "check", "keys_out", "sum"];

/// Who runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Side {
    Tidemill,
    Limit,
}

/// How the harness was called.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) rounds: u32,
    pub(crate) quick: bool,
    pub(crate) only: Option<Side>,
}

/// What a workload needs to start a run.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) limits: Limits,
    pub(crate) quick: bool,
}

impl Setup {
    /// This program as a child that makes one run of one side.
    pub(crate) fn entry(&self, workload: Name, side: Side) -> Result<Command> {
        let mut command = Command::new(env::current_exe().context("finding this program")?);
        let name = |value: &dyn Fn() -> Option<clap::builder::PossibleValue>| {
            value().map(|value| value.get_name().to_owned()).context("a hidden name")
        };
        command.arg("entry").arg(name(&|| workload.to_possible_value())?);
        command.arg(name(&|| side.to_possible_value())?);
        command.arg("--data").arg(self.limits.data());
        if self.quick {
            command.arg("--quick");
        }
        Ok(command)
    }
}

/// The line of one run.
#[derive(Debug, Serialize)]
struct Row<'a> {
    entry: Side,
    workload: &'a str,
    #[serde(flatten)]
    measured: &'a Measured,
    /// The 1-minute load average just before the run.
    load: f64,
}

/// The last line: what tidemill's runs have to do with its limit's. `None` where a workload has no limit or no goal.
#[derive(Debug, Serialize)]
struct Summary<'a> {
    workload: &'a str,
    /// The median of tidemill's rates ÷ the median of the limit's.
    rate_ratio: Option<f64>,
    /// The same for CPU-seconds an item.
    cpu_ratio: Option<f64>,
    /// (p75 − p25) ÷ median of the rounds' ratios of rates.
    spread: Option<f64>,
    /// The same for CPU-seconds an item.
    cpu_spread: Option<f64>,
    goals: Vec<Judged>,
    /// Whether all goals are met.
    met: Option<bool>,
    rounds: usize,
    /// False after too few or too short runs.
    counts: bool,
}

/// One goal in the last line.
#[derive(Debug, Serialize)]
struct Judged {
    figure: &'static str,
    median: Option<f64>,
    spread: Option<f64>,
    goal: String,
    met: bool,
}

/// All rounds of one workload, printed as they come.
///
/// # Errors
/// If a side cannot be built, fails, or the two sides have computed different results.
pub(crate) fn run(workload: &Workload, plan: Plan) -> Result<()> {
    let setup = Setup { limits: Limits::build()?, quick: plan.quick };
    let sides: Vec<Side> =
        workload.sides.iter().copied().filter(|side| plan.only.is_none_or(|only| only == *side)).collect();
    ensure!(!sides.is_empty(), "{} has no limit: leave --only out", workload.name);
    let (mut ours, mut limit) = (Vec::new(), Vec::new());
    for round in 0..plan.rounds {
        for side in turn(&sides, round) {
            let load = measure::load()?;
            let measured = (workload.run)(&setup, side)
                .with_context(|| format!("{} of {}, round {}", side_name(side), workload.name, round + 1))?;
            println!(
                "{}",
                serde_json::to_string(&Row {
                    entry: side,
                    workload: workload.name,
                    measured: &measured,
                    load
                })?
            );
            match side {
                Side::Tidemill => ours.push(measured),
                Side::Limit => limit.push(measured),
            }
        }
        agree(ours.last(), limit.last())?;
    }
    if plan.only.is_none() {
        let counts = plan.rounds >= ROUNDS_THAT_COUNT && !plan.quick;
        println!(
            "{}",
            serde_json::to_string(&summary(workload.name, workload.goals, &ours, &limit, counts))?
        );
    }
    Ok(())
}

/// Runs a command that prints one measurement.
pub(crate) fn run_child(command: Command) -> Result<Measured> {
    child::run(command)
}

/// Every other round the other way round, so that neither side always runs on a machine warmed by the other.
fn turn(sides: &[Side], round: u32) -> Vec<Side> {
    let mut sides = sides.to_vec();
    if round % 2 == 1 {
        sides.reverse();
    }
    sides
}

fn side_name(side: Side) -> &'static str {
    match side {
        Side::Tidemill => "tidemill",
        Side::Limit => "the limit",
    }
}

fn agree(ours: Option<&Measured>, limit: Option<&Measured>) -> Result<()> {
    let (Some(ours), Some(limit)) = (ours, limit) else { return Ok(()) };
    for name in RESULTS {
        if let (Some(a), Some(b)) = (ours.more.get(name), limit.more.get(name)) {
            ensure!(a == b, "the sides differ in `{name}`: tidemill {a}, its limit {b}");
        }
    }
    Ok(())
}

fn summary<'a>(
    name: &'a str,
    goals: &[Goal],
    ours: &[Measured],
    limit: &[Measured],
    counts: bool,
) -> Summary<'a> {
    let each = |runs: &[Measured], of: fn(&Measured) -> f64| runs.iter().map(of).collect::<Vec<_>>();
    let ratio = |of: fn(&Measured) -> f64| Figure::ratio(&each(ours, of), &each(limit, of));
    let rate = ratio(|run| run.rate);
    let cpu = ratio(|run| run.cpu_s / run.n as f64);
    let figure_of = |name: &str| match name {
        "rate_ratio" => rate,
        "cpu_ratio" => cpu,
        own => {
            let rounds = |runs: &[Measured], name: &str| -> Option<Vec<f64>> {
                runs.iter().map(|run| run.more.get(name)?.as_f64()).collect()
            };
            match own.strip_suffix("_ratio") {
                Some(both) => Figure::ratio(&rounds(ours, both)?, &rounds(limit, both)?),
                None => Figure::of(&rounds(ours, own)?),
            }
        }
    };
    let judged: Vec<Judged> = goals
        .iter()
        .map(|goal| {
            let figure = figure_of(goal.figure);
            Judged {
                figure: goal.figure,
                median: figure.map(|figure| rounded(figure.median)),
                spread: figure.map(|figure| rounded(figure.spread)),
                goal: goal.want.to_string(),
                // A figure that is missing has not met its goal.
                met: figure.is_some_and(|figure| goal.want.met(figure)),
            }
        })
        .collect();
    Summary {
        workload: name,
        rate_ratio: rate.map(|rate| rounded(rate.median)),
        cpu_ratio: cpu.map(|cpu| rounded(cpu.median)),
        spread: rate.map(|rate| rounded(rate.spread)),
        cpu_spread: cpu.map(|cpu| rounded(cpu.spread)),
        met: (!judged.is_empty()).then(|| judged.iter().all(|goal| goal.met)),
        goals: judged,
        rounds: ours.len(),
        counts,
    }
}

/// Four digits behind the point are more than any of these figures is worth.
fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::*;
    use crate::stats::Want;

    fn run(n: u64, rate: f64, cpu_s: f64) -> Measured {
        Measured { n, seconds: n as f64 / rate, rate, cpu_s, rss_mb: 1.0, more: Map::new() }
    }

    #[test]
    fn the_sides_take_turns_in_going_first() {
        let sides = [Side::Tidemill, Side::Limit];
        assert_eq!(turn(&sides, 0), [Side::Tidemill, Side::Limit]);
        assert_eq!(turn(&sides, 1), [Side::Limit, Side::Tidemill]);
    }

    #[test]
    fn cpu_is_compared_per_item() {
        // Twice the items for twice the CPU is the same CPU an item.
        let line = summary("w", &[], &[run(20, 30.0, 4.0)], &[run(10, 20.0, 2.0)], true);
        assert_eq!((line.rate_ratio, line.cpu_ratio, line.met), (Some(1.5), Some(1.0), None));
    }

    #[test]
    fn all_goals_have_to_be_met() {
        let goals = [
            Goal { figure: "rate_ratio", want: Want::RatioAtLeast(0.7) },
            Goal { figure: "cpu_ratio", want: Want::RatioAtMost(2.0) },
        ];
        let (ours, limit) = ([run(10, 8.0, 3.0)], [run(10, 10.0, 1.0)]);
        let line = summary("w", &goals, &ours, &limit, true);
        assert_eq!((line.goals[0].met, line.goals[1].met, line.met), (true, false, Some(false)));
        assert_eq!(summary("w", &goals[..1], &ours, &limit, true).met, Some(true));
    }

    #[test]
    fn an_absolute_goal_looks_at_tidemills_own_figure_alone() {
        let goals = [Goal { figure: "p99_ms", want: Want::AtMost(12.0) }];
        let ours = [run(1, 1.0, 1.0).with("p99_ms", 11.0)];
        let limit = [run(1, 1.0, 1.0).with("p99_ms", 99.0)];
        let line = summary("w", &goals, &ours, &limit, false);
        assert_eq!((line.goals[0].median, line.met, line.counts), (Some(11.0), Some(true), false));
    }

    #[test]
    fn a_figure_that_both_sides_report_is_judged_by_its_ratio() {
        let goals = [Goal { figure: "ms_1m_ratio", want: Want::RatioAtMost(2.0) }];
        let of = |ms: f64| [run(1, 1.0, 1.0).with("ms_1m", ms)];
        let judged = |ours: f64, limit: f64| {
            let (ours, limit) = (of(ours), of(limit));
            let line = summary("w", &goals, &ours, &limit, false);
            (line.goals[0].median, line.met)
        };
        assert_eq!(judged(9.0, 6.0), (Some(1.5), Some(true)));
        assert_eq!(judged(15.0, 6.0), (Some(2.5), Some(false)));
    }

    #[test]
    fn a_goal_whose_figure_is_missing_is_not_met() {
        let goals = [Goal { figure: "p99_ms", want: Want::AtMost(12.0) }];
        let line = summary("w", &goals, &[run(1, 1.0, 1.0)], &[], true);
        assert_eq!((line.met, line.rate_ratio), (Some(false), None));
    }

    #[test]
    fn the_last_line_names_what_has_no_value_as_null() {
        let line = serde_json::to_value(summary("w", &[], &[run(1, 1.0, 1.0)], &[], true)).unwrap();
        assert_eq!(
            (&line["workload"], &line["rate_ratio"], &line["spread"]),
            (&json!("w"), &Value::Null, &Value::Null)
        );
    }

    #[test]
    fn sides_that_compute_different_results_are_an_error() {
        let (ours, limit) = (run(1, 1.0, 1.0).with("distinct", 7), run(1, 1.0, 1.0).with("distinct", 8));
        let error = agree(Some(&ours), Some(&limit)).unwrap_err().to_string();
        assert!(error.contains("distinct") && error.contains('7') && error.contains('8'), "{error}");
        agree(Some(&ours), Some(&ours.clone().with("rss", 9))).unwrap();
    }

    #[test]
    fn a_line_of_a_run_has_the_promised_fields() {
        let row = Row { entry: Side::Limit, workload: "socket", measured: &run(2, 4.0, 0.5), load: 0.25 };
        let want = json!({"entry": "limit", "workload": "socket", "n": 2, "seconds": 0.5, "rate": 4.0, "cpu_s": 0.5, "rss_mb": 1.0, "load": 0.25});
        assert_eq!(serde_json::to_value(&row).unwrap(), want);
    }
}
