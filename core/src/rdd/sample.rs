//! `sample`: some of the elements, by chance and yet the same each time.

use std::panic::Location;

use super::Rdd;
use super::node::{Narrow, Operator, Part, Pull};
use crate::data::{Chunk, Chunks, Data};
use crate::words::Result;

/// Above this mean, `exp(-mean)` loses precision; a Poisson number of a larger mean is a sum of such numbers.
const POISSON_STEP: f64 = 16.0;

impl<T> Rdd<T> {
    /// Some of the elements, in their order and partition.
    ///
    /// Without replacement each element is taken with probability `fraction` (0 to 1); with replacement it comes as
    /// often as a Poisson number of mean `fraction` says (0 or more). `fraction` is what to expect, not an exact share.
    /// The same `seed` gives the same sample of the same partitions, in every try and on any number of members.
    ///
    /// ```
    /// # let ssc = tidemill::testing::local(2);
    /// let numbers = ssc.parallelize((0..10_000).collect(), 4);
    /// let tenth = numbers.sample(false, 0.1, 42);
    /// assert!((800..1_200).contains(&tenth.count()?));
    /// assert_eq!(tenth.collect()?, numbers.sample(false, 0.1, 42).collect()?);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    ///
    /// # Errors
    /// A `fraction` out of its range fails every action on the result.
    #[track_caller]
    pub fn sample(&self, with_replacement: bool, fraction: f64, seed: u64) -> Rdd<T>
    where
        T: Data,
    {
        let site = self.site("sample", Location::caller());
        if with_replacement && !(fraction >= 0.0 && fraction.is_finite()) {
            return self.refuse(site, "fraction", fraction, "0 or more");
        }
        if !with_replacement && !(0.0..=1.0).contains(&fraction) {
            return self.refuse(
                site,
                "fraction",
                fraction,
                "between 0 and 1 when each element is taken once",
            );
        }
        self.then(Narrow::new(self.node(), site, Sample { with_replacement, fraction, seed }))
    }
}

struct Sample {
    with_replacement: bool,
    fraction: f64,
    seed: u64,
}

struct Sampled<T> {
    up: Pull<T>,
    with_replacement: bool,
    fraction: f64,
    random: SplitMix,
    out: Vec<T>,
}

impl<T: Data> Operator<T, T> for Sample {
    fn open(&self, up: Pull<T>, partition: usize) -> Part<T> {
        // The seed goes through the mixer first: neighbouring seeds and partitions must not give shifted sequences.
        let seed = SplitMix(self.seed).next() ^ partition as u64;
        Box::new(Sampled {
            up,
            with_replacement: self.with_replacement,
            fraction: self.fraction,
            random: SplitMix(SplitMix(seed).next()),
            out: Vec::new(),
        })
    }
}

impl<T: Data> Chunks<T> for Sampled<T> {
    fn next(&mut self) -> Result<Option<Chunk<'_, T>>> {
        self.out.clear();
        let Some(chunk) = self.up.next()? else {
            return Ok(None);
        };
        for element in chunk.as_slice() {
            let times = if self.with_replacement {
                self.random.poisson(self.fraction)
            } else {
                u64::from(self.random.unit() < self.fraction)
            };
            self.out.extend((0..times).map(|_| element.clone()));
        }
        Ok(Some(Chunk::Own(&mut self.out)))
    }
}

/// Steele, Lea and Flood's `SplitMix64`: a few instructions a number, and any seed will do.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// At least 0, less than 1.
    fn unit(&mut self) -> f64 {
        // As many bits as a double has.
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// How often something happens that happens `mean` times on average, by Knuth's product of uniform numbers.
    fn poisson(&mut self, mut mean: f64) -> u64 {
        let mut times = 0;
        while mean > 0.0 {
            let step = mean.min(POISSON_STEP);
            mean -= step;
            let limit = (-step).exp();
            let mut product = self.unit();
            while product > limit {
                times += 1;
                product *= self.unit();
            }
        }
        times
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdd::tests::{job, same_on_all};
    use crate::words::Error;

    fn numbers(upto: u32, partitions: usize) -> Rdd<u32> {
        Rdd::parallelize(&job(2), (0..upto).collect(), partitions)
    }

    #[test]
    fn takes_none_for_zero_and_each_once_for_one() {
        assert!(numbers(1_000, 3).sample(false, 0.0, 1).is_empty().unwrap());
        assert!(numbers(1_000, 3).sample(true, 0.0, 1).is_empty().unwrap());
        assert_eq!(
            numbers(1_000, 3).sample(false, 1.0, 1).collect().unwrap(),
            (0..1_000).collect::<Vec<_>>()
        );
    }

    #[test]
    fn without_replacement_keeps_order_and_takes_about_the_fraction() {
        let taken = numbers(20_000, 4).sample(false, 0.3, 7).collect().unwrap();
        assert!(taken.is_sorted_by(|a, b| a < b));
        // Six standard deviations of sqrt(20000 · 0.3 · 0.7).
        assert!(taken.len().abs_diff(6_000) < 389, "{}", taken.len());
    }

    #[test]
    fn with_replacement_mean_and_variance_are_those_of_poisson() {
        for mean in [0.5, 3.0, 40.0] {
            let taken = numbers(20_000, 2).sample(true, mean, 11).collect().unwrap();
            let mut times = vec![0.0; 20_000];
            for n in taken {
                times[n as usize] += 1.0;
            }
            let average = times.iter().sum::<f64>() / 20_000.0;
            let variance = times.iter().map(|t| (t - average) * (t - average)).sum::<f64>() / 20_000.0;
            assert!((average - mean).abs() < 6.0 * (mean / 20_000.0).sqrt(), "mean {average} of {mean}");
            assert!((variance / mean - 1.0).abs() < 0.12, "variance {variance} of {mean}");
        }
    }

    #[test]
    fn a_mean_beyond_what_the_exponential_can_show_is_still_the_mean() {
        let taken = numbers(200, 2).sample(true, 1_000.0, 13).count().unwrap();
        // Six standard deviations of sqrt(200 · 1000).
        assert!(taken.abs_diff(200_000) < 2_684, "{taken}");
    }

    #[test]
    fn the_same_seed_takes_the_same_on_any_number_of_members() {
        let one = same_on_all(|job| {
            let numbers = Rdd::parallelize(job, (0..3_000).collect::<Vec<u32>>(), 4);
            [false, true].map(|again| numbers.sample(again, 0.4, 5).collect().unwrap())
        });
        assert_ne!(one[0], numbers(3_000, 4).sample(false, 0.4, 6).collect().unwrap());
    }

    #[test]
    fn partitions_take_different_places() {
        let parts = numbers(2_000, 2).sample(false, 0.5, 3).glom().collect().unwrap();
        let second: Vec<u32> = parts[1].iter().map(|n| n - 1_000).collect();
        assert_ne!(parts[0], second);
    }

    #[test]
    fn a_fraction_out_of_range_is_an_error_that_says_so() {
        for (again, fraction) in
            [(false, 1.5), (false, -0.1), (true, -0.1), (true, f64::NAN), (false, f64::NAN)]
        {
            let error = numbers(3, 1).sample(again, fraction, 0).map(|n| n).count().unwrap_err();
            let Error::Setting { key, .. } = &error else { panic!("{error:?}") };
            assert!(key.starts_with("fraction of sample (") && key.contains("sample.rs"), "{error}");
        }
    }
}
