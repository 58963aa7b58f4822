//! The iterators over the pieces of a text; each owns its text, so it can leave a closure.

use std::fmt;
use std::iter::FusedIterator;

use super::cut::Cut;
use super::repr::Text;
use super::scan::WINDOW;

mod sealed {
    pub trait Sealed {}
    impl Sealed for char {}
    impl Sealed for &'static str {}
    impl<F: Fn(char) -> bool + 'static> Sealed for F {}
}

/// What [`Text::split`] splits at: a `char`, a `&'static str`, or a test of a `char`.
#[diagnostic::on_unimplemented(
    message = "a text cannot be split at `{Self}`",
    note = "a separator is a `char`, a `&'static str` or a closure `|c: char| -> bool`"
)]
pub trait Separator: sealed::Sealed + 'static {
    /// The first separator at or behind `from`, which lies in `text` at a character border: its start and its end.
    #[doc(hidden)]
    fn find(&self, text: &str, from: usize) -> Option<(usize, usize)>;

    /// The separator as one ASCII byte, if it is one.
    #[doc(hidden)]
    fn byte(&self) -> Option<u8> {
        None
    }
}

impl Separator for char {
    fn find(&self, text: &str, from: usize) -> Option<(usize, usize)> {
        let at = from + text.get(from..)?.find(*self)?;
        Some((at, at + self.len_utf8()))
    }

    #[inline]
    fn byte(&self) -> Option<u8> {
        self.is_ascii().then_some(*self as u8)
    }
}

impl Separator for &'static str {
    fn find(&self, text: &str, from: usize) -> Option<(usize, usize)> {
        let at = from + text.get(from..)?.find(*self)?;
        Some((at, at + self.len()))
    }

    #[inline]
    fn byte(&self) -> Option<u8> {
        match self.as_bytes() {
            [byte] => Some(*byte),
            _ => None,
        }
    }
}

impl<F: Fn(char) -> bool + 'static> Separator for F {
    #[inline]
    fn find(&self, text: &str, from: usize) -> Option<(usize, usize)> {
        let (at, c) = text.get(from..)?.char_indices().find(|(_, c)| self(*c))?;
        Some((from + at, from + at + c.len_utf8()))
    }
}

/// The pieces of a [`Text`] between separators; see [`Text::split`].
#[derive(Clone)]
pub struct Split<S> {
    text: Cut,
    by: S,
    /// Where the next piece begins; `None` after the last one.
    at: Option<usize>,
    /// Where to look for separators next; never before `at`, but for a separator of one byte often behind it.
    ahead: usize,
    /// The separators found in the window before `ahead` that were not used yet, if the separator is one byte.
    found: u64,
}

impl<S: Separator> Split<S> {
    #[inline]
    pub(super) fn new(text: Text, by: S) -> Self {
        Self { text: Cut::new(text), by, at: Some(0), ahead: 0, found: 0 }
    }

    /// All that is left, as one piece.
    #[inline]
    fn rest(&mut self) -> Option<Text> {
        let at = self.at.take()?;
        Some(self.text.piece(&self.text.text()[at..]))
    }

    /// The next separator; what is found is not found again.
    #[inline]
    fn find(&mut self) -> Option<(usize, usize)> {
        let Some(byte) = self.by.byte() else { return self.find_any() };
        while self.found == 0 {
            if self.ahead >= self.text.len() {
                return None;
            }
            self.found = self.text.scan(self.ahead, byte);
            self.ahead += WINDOW;
        }
        let at = self.ahead - WINDOW + self.found.trailing_zeros() as usize;
        self.found &= self.found - 1;
        Some((at, at + 1))
    }

    fn find_any(&mut self) -> Option<(usize, usize)> {
        let text = self.text.text();
        let (start, end) = self.by.find(text, self.ahead)?;
        // An empty separator stands between all characters: go on behind the next one.
        self.ahead =
            if start < end { end } else { end + text[end..].chars().next().map_or(1, char::len_utf8) };
        Some((start, end))
    }
}

impl<S: Separator> Iterator for Split<S> {
    type Item = Text;

    #[inline]
    fn next(&mut self) -> Option<Text> {
        let at = self.at?;
        let Some((start, end)) = self.find() else { return self.rest() };
        self.at = Some(end);
        Some(self.text.piece(&self.text.text()[at..start]))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        // An empty separator gives one piece more than characters, and an empty one at the end.
        self.at.map_or((0, Some(0)), |at| (1, Some(self.text.len() - at + 2)))
    }
}

impl<S: Separator> FusedIterator for Split<S> {}

/// Shows what is left.
impl<S> fmt::Debug for Split<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rest = self.at.and_then(|at| self.text.text().get(at..));
        f.debug_struct("Split").field("rest", &rest).finish_non_exhaustive()
    }
}

/// At most so many pieces of a [`Text`]; see [`Text::splitn`].
#[derive(Clone)]
pub struct SplitN<S> {
    split: Split<S>,
    left: usize,
}

impl<S: Separator> SplitN<S> {
    pub(super) fn new(text: Text, n: usize, by: S) -> Self {
        Self { split: Split::new(text, by), left: n }
    }
}

impl<S: Separator> Iterator for SplitN<S> {
    type Item = Text;

    fn next(&mut self) -> Option<Text> {
        self.left = self.left.checked_sub(1)?;
        if self.left == 0 { self.split.rest() } else { self.split.next() }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let (least, most) = self.split.size_hint();
        (least.min(self.left), most.map(|most| most.min(self.left)))
    }
}

impl<S: Separator> FusedIterator for SplitN<S> {}

impl<S> fmt::Debug for SplitN<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SplitN").field("split", &self.split).field("left", &self.left).finish()
    }
}

/// An iterator whose next piece is picked from the rest of its text.
macro_rules! pieces {
    ($(#[$doc:meta])* $name:ident, $next:expr) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name {
            text: Cut,
            /// Where the rest begins.
            at: usize,
        }

        impl $name {
            #[inline]
            pub(super) fn new(text: Text) -> Self {
                Self { text: Cut::new(text), at: 0 }
            }
        }

        impl Iterator for $name {
            type Item = Text;

            #[inline]
            fn next(&mut self) -> Option<Text> {
                let next: fn(&str) -> Option<(usize, usize, usize)> = $next;
                let rest = &self.text.text()[self.at..];
                let (start, end, used) = next(rest)?;
                let piece = self.text.piece(&rest[start..end]);
                self.at += used;
                Some(piece)
            }

            fn size_hint(&self) -> (usize, Option<usize>) {
                // Each piece uses up one byte at least.
                (0, Some(self.text.len() - self.at))
            }
        }

        impl FusedIterator for $name {}

        /// Shows what is left.
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).field("rest", &self.text.text().get(self.at..)).finish()
            }
        }
    };
}

pieces! {
    /// The words of a [`Text`]; see [`Text::split_whitespace`].
    SplitWhitespace, |rest| {
        let start = rest.find(|c: char| !c.is_whitespace())?;
        let end = rest[start..].find(char::is_whitespace).map_or(rest.len(), |len| start + len);
        Some((start, end, end))
    }
}

pieces! {
    /// The words of a [`Text`] between ASCII white space; see [`Text::split_ascii_whitespace`].
    SplitAsciiWhitespace, |rest| {
        let bytes = rest.as_bytes();
        let start = bytes.iter().position(|byte| !byte.is_ascii_whitespace())?;
        let len = bytes[start..].iter().position(u8::is_ascii_whitespace);
        let end = len.map_or(bytes.len(), |len| start + len);
        Some((start, end, end))
    }
}

pieces! {
    /// The lines of a [`Text`]; see [`Text::lines`].
    SplitLines, |rest| {
        if rest.is_empty() {
            return None;
        }
        let Some(newline) = memchr::memchr(b'\n', rest.as_bytes()) else { return Some((0, rest.len(), rest.len())) };
        let line = &rest[..newline];
        Some((0, line.strip_suffix('\r').unwrap_or(line).len(), newline + 1))
    }
}
