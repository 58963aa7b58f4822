//! Medians, quartiles, ratios of interleaved rounds, and the rule by which a goal is met.

use std::fmt;

/// The value below which the share `q` of `values` lies, interpolated between neighbours; `None` without values.
pub(crate) fn quantile(values: &[f64], q: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = q * (sorted.len().checked_sub(1)? as f64);
    let (low, high) = (at.floor(), at.ceil());
    let (below, above) = (sorted.get(low as usize)?, sorted.get(high as usize)?);
    Some(below + (above - below) * (at - low))
}

/// The middle value.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    quantile(values, 0.5)
}

/// (p75 − p25) ÷ median.
pub(crate) fn spread(values: &[f64]) -> Option<f64> {
    Some((quantile(values, 0.75)? - quantile(values, 0.25)?) / median(values)?)
}

/// One figure over all rounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Figure {
    pub(crate) median: f64,
    /// (p75 − p25) ÷ median of the rounds.
    pub(crate) spread: f64,
}

impl Figure {
    /// An absolute figure: the median of the rounds and their spread.
    pub(crate) fn of(rounds: &[f64]) -> Option<Self> {
        Some(Self { median: median(rounds)?, spread: spread(rounds)? })
    }

    /// Ours ÷ the limit's: the ratio of the medians, and the spread of the rounds' own ratios.
    ///
    /// The two sides of a round run one after the other, so what the machine does meanwhile hits both and their
    /// ratio spreads less than either of them. `None` if the sides have not run equally often.
    pub(crate) fn ratio(ours: &[f64], limit: &[f64]) -> Option<Self> {
        if ours.len() != limit.len() {
            return None;
        }
        let rounds: Vec<f64> = ours.iter().zip(limit).map(|(ours, limit)| ours / limit).collect();
        Some(Self { median: median(ours)? / median(limit)?, spread: spread(&rounds)? })
    }
}

/// What a figure has to reach.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Want {
    /// A ratio of at least so much.
    RatioAtLeast(f64),
    /// A ratio of at most so much.
    RatioAtMost(f64),
    /// An absolute figure (milliseconds, MiB) of at most so much.
    AtMost(f64),
}

impl Want {
    /// Whether the goal is reached with half of the spread against us: median − spread/2 for a floor, median +
    /// spread/2 for a ceiling. An absolute figure is judged as the ratio of what was measured to what is allowed.
    pub(crate) fn met(self, figure: Figure) -> bool {
        let half = figure.spread / 2.0;
        match self {
            Self::RatioAtLeast(goal) => figure.median - half >= goal,
            Self::RatioAtMost(goal) => figure.median + half <= goal,
            Self::AtMost(goal) => figure.median / goal + half <= 1.0,
        }
    }
}

impl fmt::Display for Want {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RatioAtLeast(goal) => write!(f, ">= {goal}"),
            Self::RatioAtMost(goal) | Self::AtMost(goal) => write!(f, "<= {goal}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    fn figure(median: f64, spread: f64) -> Figure {
        Figure { median, spread }
    }

    #[test]
    fn the_median_does_not_depend_on_the_order() {
        assert_eq!(median(&[9.0, 1.0, 5.0]), Some(5.0));
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), Some(2.5));
    }

    #[test]
    fn quartiles_lie_between_neighbours() {
        let values = [7.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        assert_eq!(quantile(&values, 0.25), Some(2.5));
        assert_eq!(quantile(&values, 0.75), Some(5.5));
        assert_eq!(quantile(&values, 0.0), Some(1.0));
        assert_eq!(quantile(&values, 1.0), Some(7.0));
    }

    #[test]
    fn one_round_has_a_median_and_no_spread() {
        assert_eq!(Figure::of(&[3.0]), Some(figure(3.0, 0.0)));
    }

    #[test]
    fn no_rounds_have_no_figure() {
        assert_eq!(median(&[]), None);
        assert_eq!(Figure::of(&[]), None);
        assert_eq!(Figure::ratio(&[], &[]), None);
    }

    #[test]
    fn the_spread_is_relative_to_the_median() {
        // p25 = 2.5, p75 = 5.5, median = 4.
        assert_eq!(spread(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]), Some(0.75));
    }

    #[test]
    fn the_ratio_is_that_of_the_medians_and_its_spread_that_of_the_rounds() {
        // Round for round exactly 2, although each side doubles from round to round.
        let ratio = Figure::ratio(&[2.0, 4.0, 8.0], &[1.0, 2.0, 4.0]).unwrap();
        assert!(near(ratio.median, 2.0) && near(ratio.spread, 0.0), "{ratio:?}");
        // Medians 6 and 3; the rounds' ratios are 1, 2 and 6.
        let ratio = Figure::ratio(&[2.0, 6.0, 18.0], &[2.0, 3.0, 3.0]).unwrap();
        assert!(near(ratio.median, 2.0) && near(ratio.spread, (4.0 - 1.5) / 2.0), "{ratio:?}");
    }

    #[test]
    fn sides_of_different_length_have_no_ratio() {
        assert_eq!(Figure::ratio(&[1.0, 2.0], &[1.0]), None);
    }

    #[test]
    fn a_floor_is_met_when_half_the_spread_below_the_median_reaches_it() {
        assert!(Want::RatioAtLeast(1.0).met(figure(1.05, 0.1)));
        assert!(!Want::RatioAtLeast(1.0).met(figure(1.04, 0.1)));
        assert!(!Want::RatioAtLeast(1.0).met(figure(0.99, 0.0)));
    }

    #[test]
    fn a_ceiling_is_met_when_half_the_spread_above_the_median_stays_below_it() {
        assert!(Want::RatioAtMost(2.0).met(figure(1.75, 0.5)));
        assert!(!Want::RatioAtMost(2.0).met(figure(1.76, 0.5)));
    }

    #[test]
    fn an_absolute_goal_is_judged_as_a_share_of_what_is_allowed() {
        // 80 of 100 with a spread of 40 %: 0.8 + 0.2 reaches 1, 0.81 + 0.2 does not.
        assert!(Want::AtMost(100.0).met(figure(80.0, 0.4)));
        assert!(!Want::AtMost(100.0).met(figure(81.0, 0.4)));
    }

    #[test]
    fn a_figure_that_is_no_number_meets_no_goal() {
        for want in [Want::RatioAtLeast(1.0), Want::RatioAtMost(1.0), Want::AtMost(1.0)] {
            assert!(!want.met(figure(f64::NAN, 0.0)), "{want:?}");
        }
    }
}
