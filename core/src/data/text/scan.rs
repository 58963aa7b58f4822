//! Finding one byte in 64 at once.

#![allow(unsafe_code, reason = "one load instruction, see below")]

/// How many bytes are looked at at once.
pub(super) const WINDOW: usize = 64;

/// Where `wanted` stands in the window: bit 0 for the first byte.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(super) fn find(window: &[u8; WINDOW], wanted: u8) -> u64 {
    use std::arch::x86_64::{_mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8, _mm_set1_epi8};

    let quarter = |at: usize| {
        // SAFETY: SSE2 belongs to every x86_64; 16 bytes from 0, 16, 32 and 48 lie in the window.
        let found = unsafe {
            let bytes = _mm_loadu_si128(window.as_ptr().add(at).cast());
            _mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(wanted.cast_signed())))
        };
        u64::from(found.cast_unsigned()) << at
    };
    quarter(0) | quarter(16) | quarter(32) | quarter(48)
}

/// Where `wanted` stands in the window: bit 0 for the first byte.
#[cfg(not(target_arch = "x86_64"))]
#[inline]
pub(super) fn find(window: &[u8; WINDOW], wanted: u8) -> u64 {
    find_by_words(window, wanted)
}

/// The same on every machine, eight bytes at a time.
#[cfg(any(test, not(target_arch = "x86_64")))]
fn find_by_words(window: &[u8; WINDOW], wanted: u8) -> u64 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    let (words, _) = window.as_chunks::<8>();
    words.iter().rev().fold(0, |found, word| {
        let differs = u64::from_le_bytes(*word) ^ (u64::from(wanted) * 0x0101_0101_0101_0101);
        // The top bit of each byte that is zero, without a carry from one byte into the next.
        let equal = !(((differs & LOW) + LOW) | differs | LOW);
        // The multiplication gathers the eight top bits in the top byte.
        found << 8 | (equal >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_place_of_the_byte_is_found_and_no_other(bytes in prop::collection::vec(any::<u8>(), WINDOW), pick in 0..WINDOW) {
            let window: [u8; WINDOW] = bytes.try_into().unwrap();
            for wanted in [window[pick], window[pick] ^ 1, window[pick] ^ 0x80, 0, b' '] {
                let expected = (0..WINDOW).filter(|at| window[*at] == wanted).fold(0, |found, at| found | 1 << at);
                prop_assert_eq!(find(&window, wanted), expected);
                prop_assert_eq!(find_by_words(&window, wanted), expected);
            }
        }
    }
}
