//! The element type of text: pieces that own what they show.

mod repr;
mod block;
mod scan;
mod cut;
mod split;
mod traits;

pub use self::block::TextLines;
pub(crate) use self::block::count_lines;
pub use self::repr::{Text, TextBlock};
pub use self::split::{Separator, Split, SplitAsciiWhitespace, SplitLines, SplitN, SplitWhitespace};

/// The methods of `str` that give pieces, as methods that give texts.
impl Text {
    /// The pieces between separators: a `char`, a `&'static str`, or a test of a `char`.
    ///
    /// As with `str::split`, two separators side by side have an empty piece between them. A separator that is one
    /// ASCII character, as in `split(' ')`, is the fastest.
    ///
    /// ```
    /// use tidemill::Text;
    ///
    /// let words: Vec<Text> = Text::from("to be  or").split(' ').collect();
    /// assert_eq!(words, ["to", "be", "", "or"]);
    /// ```
    #[inline]
    pub fn split<S: Separator>(&self, by: S) -> Split<S> {
        Split::new(self.clone(), by)
    }

    /// At most `n` pieces; the last one is all that is left.
    ///
    /// ```
    /// use tidemill::Text;
    ///
    /// let fields: Vec<Text> = Text::from("2026-11-22 18:03 engine started").splitn(3, ' ').collect();
    /// assert_eq!(fields, ["2026-11-22", "18:03", "engine started"]);
    /// ```
    pub fn splitn<S: Separator>(&self, n: usize, by: S) -> SplitN<S> {
        SplitN::new(self.clone(), n, by)
    }

    /// What stands before and what stands behind the first separator; `None` if there is none.
    ///
    /// ```
    /// use tidemill::Text;
    ///
    /// let (key, value) = Text::from("page=/index?a=b").split_once('=').unwrap();
    /// assert_eq!((key.as_str(), value.as_str()), ("page", "/index?a=b"));
    /// ```
    #[allow(clippy::needless_pass_by_value, reason = "as with str, so that a char can be given as it is")]
    pub fn split_once<S: Separator>(&self, by: S) -> Option<(Self, Self)> {
        let (start, end) = by.find(self, 0)?;
        Some((self.piece(&self[..start]), self.piece(&self[end..])))
    }

    /// The words between white space, none of them empty.
    ///
    /// ```
    /// use tidemill::Text;
    ///
    /// let words: Vec<Text> = Text::from(" to be\tor\u{a0}not ").split_whitespace().collect();
    /// assert_eq!(words, ["to", "be", "or", "not"]);
    /// ```
    pub fn split_whitespace(&self) -> SplitWhitespace {
        SplitWhitespace::new(self.clone())
    }

    /// The words between ASCII white space, none of them empty; faster than [`split_whitespace`](Text::split_whitespace).
    ///
    /// ```
    /// use tidemill::Text;
    ///
    /// let words: Vec<Text> = Text::from(" to be\tor ").split_ascii_whitespace().collect();
    /// assert_eq!(words, ["to", "be", "or"]);
    /// ```
    pub fn split_ascii_whitespace(&self) -> SplitAsciiWhitespace {
        SplitAsciiWhitespace::new(self.clone())
    }

    /// The lines, as `str::lines` gives them: ended by `\n` or `\r\n`, which do not belong to them.
    ///
    /// ```
    /// use tidemill::Text;
    ///
    /// let lines: Vec<Text> = Text::from("to be\r\n\nor not").lines().collect();
    /// assert_eq!(lines, ["to be", "", "or not"]);
    /// ```
    pub fn lines(&self) -> SplitLines {
        SplitLines::new(self.clone())
    }

    /// Without white space at both ends.
    ///
    /// ```
    /// assert_eq!(tidemill::Text::from("  to be\n").trim(), "to be");
    /// ```
    #[must_use]
    pub fn trim(&self) -> Self {
        self.part(str::trim)
    }

    /// Without white space in front.
    ///
    /// ```
    /// assert_eq!(tidemill::Text::from("  to be ").trim_start(), "to be ");
    /// ```
    #[must_use]
    pub fn trim_start(&self) -> Self {
        self.part(str::trim_start)
    }

    /// Without white space at the end.
    ///
    /// ```
    /// assert_eq!(tidemill::Text::from(" to be\n").trim_end(), " to be");
    /// ```
    #[must_use]
    pub fn trim_end(&self) -> Self {
        self.part(str::trim_end)
    }

    /// What follows `prefix`; `None` if the text does not begin with it.
    ///
    /// ```
    /// use tidemill::Text;
    ///
    /// assert_eq!(Text::from("#rust").strip_prefix("#").unwrap(), "rust");
    /// assert!(Text::from("rust").strip_prefix("#").is_none());
    /// ```
    pub fn strip_prefix(&self, prefix: &str) -> Option<Self> {
        self.as_str().strip_prefix(prefix).map(|rest| self.piece(rest))
    }

    /// What stands before `suffix`; `None` if the text does not end with it.
    ///
    /// ```
    /// use tidemill::Text;
    ///
    /// assert_eq!(Text::from("to be,").strip_suffix(",").unwrap(), "to be");
    /// assert!(Text::from("to be").strip_suffix(",").is_none());
    /// ```
    pub fn strip_suffix(&self, suffix: &str) -> Option<Self> {
        self.as_str().strip_suffix(suffix).map(|rest| self.piece(rest))
    }

    /// The part that `pick` returns, for every method of `str` that has no counterpart here; what `pick` returns from
    /// elsewhere is copied.
    ///
    /// ```
    /// use tidemill::Text;
    ///
    /// let heading = Text::from("## Rooms").part(|text| text.trim_start_matches(['#', ' ']));
    /// assert_eq!(heading, "Rooms");
    /// ```
    #[must_use]
    pub fn part(&self, pick: impl FnOnce(&str) -> &str) -> Self {
        self.piece(pick(self))
    }

    /// The same text without its block: what is kept for long should not keep a whole block in memory.
    ///
    /// ```
    /// use tidemill::{Text, TextBlock};
    ///
    /// let block = Text::from(TextBlock::from("a long line of a log, of which one field is kept: /index".to_owned()));
    /// let kept = block.part(|line| &line[..30]).detach();
    /// assert_eq!(kept, "a long line of a log, of which");
    /// ```
    #[must_use]
    pub fn detach(&self) -> Self {
        if self.is_shared() { Self::from(self.as_str()) } else { self.clone() }
    }
}

#[cfg(test)]
mod tests;
