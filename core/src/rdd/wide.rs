//! Loops over plain values, compiled for the processor's wide registers too.

use std::mem::needs_drop;

use multiversion::multiversion;

/// Runs `each`, a loop over elements `E`; where the processor has 256-bit registers, a second compilation of it that uses
/// them. A program is built for the smallest processor of its kind unless its user says otherwise, and every operator
/// is a pass of its own over a chunk: for numbers, how many fit into a register decides how fast that is.
///
/// The results are the same: only the width differs, no operation is fused or reordered. Elements that own memory gain
/// nothing, and get no second compilation.
#[inline]
pub(super) fn wide<E, R>(each: impl FnOnce() -> R) -> R {
    if const { needs_drop::<E>() } { each() } else { widest(each) }
}

#[multiversion(targets("x86_64+avx2"))]
fn widest<R, F: FnOnce() -> R>(each: F) -> R {
    each()
}

#[cfg(test)]
mod tests {
    use crate::rdd::Rdd;
    use crate::rdd::tests::job;

    #[test]
    fn both_compilations_give_the_same_bits_at_every_length() {
        // Adding floats in another order would show in the last bits.
        let step = |x: f64| x * 1.1 + 0.3 / x;
        for length in 0..70 {
            let numbers: Vec<f64> = (0..length).map(|n| f64::from(n + 1).sqrt()).collect();
            let narrow = || numbers.iter().copied().map(step).fold(0.0, |sum, x| sum + x);
            let rdd = Rdd::parallelize(&job(1), numbers.clone(), 1).map(step);
            let sum = rdd.fold(0.0, |sum, x| sum + x).unwrap();
            assert_eq!(sum.to_bits(), std::hint::black_box(narrow)().to_bits(), "of {length}");
        }
    }

    #[test]
    fn elements_that_own_memory_run_too() {
        let lengths = Rdd::parallelize(&job(1), vec![String::from("tide"), String::from("mill")], 1);
        assert_eq!(
            lengths.map(|word| word + "s").map(|word| word.len()).reduce(|a, b| a + b).unwrap(),
            Some(10)
        );
    }
}
