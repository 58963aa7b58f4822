//! Page views, as Spark's example of that name has them: a generator of lines, and what a line says.

use std::fmt;

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use tidemill::Text;

/// One page that one user has looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageView {
    /// The page's address.
    pub url: Text,
    /// What the server answered: 200 or 404.
    pub status: u16,
    /// Where the user lives.
    pub zip_code: u32,
    /// Who it was.
    pub user: u32,
}

impl PageView {
    /// Reads a line of four fields with tabs between: address, status, zip code, user.
    ///
    /// # Errors
    /// The field that is missing or no number.
    pub fn parse(line: &Text) -> anyhow::Result<Self> {
        let mut fields = line.split('\t');
        let mut next = |name| fields.next().with_context(|| format!("the page view has no {name}"));
        let url = next("address")?;
        let status = next("status")?.parse().context("the status is no number")?;
        let zip_code = next("zip code")?.parse().context("the zip code is no number")?;
        let user = next("user")?.parse().context("the user is no number")?;
        ensure!(fields.next().is_none(), "the page view has more than four fields");
        Ok(Self { url, status, zip_code, user })
    }
}

impl fmt::Display for PageView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, status, zip_code, user } = self;
        write!(f, "{url}\t{status}\t{zip_code}\t{user}")
    }
}

/// What the users of a small site look at, for ever, and each time the same.
///
/// A few users are on the site at a time. One of them looks at a page; now and then one leaves after that, and the next
/// one comes. So a visit has a beginning and an end.
#[derive(Clone, Debug)]
pub struct PageViews {
    random: u64,
    here: [u32; Self::AT_A_TIME],
    next: u32,
}

impl PageViews {
    /// So many users are on the site.
    const AT_A_TIME: usize = 5;
    /// So many users there are; behind the last one the first one comes again.
    const USERS: u32 = 100;
    /// One of so many page views is a user's last one.
    const VISIT: u64 = 10;

    // Spark's site: what is looked at, by how many of a hundred.
    const PAGES: [(&str, u64); 3] =
        [("http://foo.com/", 70), ("http://foo.com/news", 20), ("http://foo.com/contact", 10)];
    const STATUSES: [(u16, u64); 2] = [(200, 95), (404, 5)];
    const ZIP_CODES: [u32; 2] = [94_709, 94_117];

    /// A number below `limit`: a xorshift, as the lines need not be hard to guess.
    fn below(&mut self, limit: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 32) % limit
    }

    /// One of `choices`, each as often as its part of a hundred.
    fn one_of<T: Copy>(&mut self, choices: &[(T, u64)]) -> Option<T> {
        let mut at = self.below(100);
        for (choice, part) in choices {
            match at.checked_sub(*part) {
                Some(left) => at = left,
                None => return Some(*choice),
            }
        }
        None
    }
}

impl Default for PageViews {
    fn default() -> Self {
        let mut next = 0;
        let here = std::array::from_fn(|_| {
            next += 1;
            next
        });
        // Any number but 0, where a xorshift stays.
        Self { random: 0x0ddb_a110_f71d_ed00, here, next }
    }
}

impl Iterator for PageViews {
    type Item = PageView;

    fn next(&mut self) -> Option<PageView> {
        let url = Text::from(self.one_of(&Self::PAGES)?);
        let status = self.one_of(&Self::STATUSES)?;
        let at = usize::try_from(self.below(Self::AT_A_TIME as u64)).ok()?;
        let leaves = self.below(Self::VISIT) == 0;
        let here = self.here.get_mut(at)?;
        let user = *here;
        if leaves {
            self.next = self.next % Self::USERS + 1;
            *here = self.next;
        }
        // A user has one home.
        let zip_code = Self::ZIP_CODES[usize::from(user % 2 == 0)];
        Some(PageView { url, status, zip_code, user })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_line_says_what_was_written_and_another_one_is_refused_by_name() {
        for view in PageViews::default().take(1_000) {
            assert_eq!(PageView::parse(&view.to_string().into()).unwrap(), view);
        }
        for (line, named) in [
            ("http://foo.com/", "status"),
            ("http://foo.com/\tgone\t94709\t1", "status"),
            ("http://foo.com/\t200\t94709", "user"),
            ("http://foo.com/\t200\t94709\t1\t2", "more than four"),
        ] {
            let error = PageView::parse(&line.into()).unwrap_err().to_string();
            assert!(error.contains(named), "{line:?}: {error}");
        }
    }

    #[test]
    fn users_come_and_leave_and_pages_are_looked_at_as_often_as_they_should() {
        let views: Vec<PageView> = PageViews::default().take(10_000).collect();
        let share =
            |wanted: &dyn Fn(&PageView) -> bool| views.iter().filter(|view| wanted(view)).count() / 100;

        assert!((68..=72).contains(&share(&|view| view.url == "http://foo.com/")));
        assert!((3..=7).contains(&share(&|view| view.status == 404)));
        let mut visits = BTreeMap::<u32, usize>::new();
        for view in &views[..1_000] {
            *visits.entry(view.user).or_default() += 1;
        }
        assert!(visits.len() > 50, "users leave after about ten pages: {visits:?}");
    }
}
