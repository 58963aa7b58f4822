//! Spark's frame around the first elements of a batch.

use std::fmt::{Debug, Write as _};
use std::io::Write as _;

use crate::words::{BatchTime, Error, Result, Retry};

/// As many dashes as Spark prints.
const DASHES: &str = "-------------------------------------------";

/// Prints the frame of a batch. `first` holds one element more than `n` where there are more.
pub(crate) fn print<T: Debug>(time: BatchTime, first: &[T], n: usize) -> Result<()> {
    // One write a frame, so that frames of other streams do not come between.
    let text = frame(time, first, n);
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|source| Error::Other {
        what: "cannot print to the standard output".into(),
        retry: Retry::Never,
        source: Some(source.into()),
    })
}

fn frame<T: Debug>(time: BatchTime, first: &[T], n: usize) -> String {
    let mut text = format!("{DASHES}\nTime: {time}\n{DASHES}\n");
    for element in first.iter().take(n) {
        // Writing to a String cannot fail; a Debug that fails leaves its line short.
        let _ = writeln!(text, "{element:?}");
    }
    if first.len() > n {
        text.push_str("...\n");
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: BatchTime = BatchTime::from_millis(1_357_008_430_000);
    const HEADER: &str = "-------------------------------------------\n\
                          Time: 1357008430000 ms\n\
                          -------------------------------------------\n";

    #[test]
    fn a_frame_has_a_header_elements_and_a_blank_line() {
        assert_eq!(frame(TIME, &[("tide", 3)], 10), format!("{HEADER}(\"tide\", 3)\n\n"));
    }

    #[test]
    fn an_empty_batch_still_has_its_frame() {
        assert_eq!(frame::<u8>(TIME, &[], 10), format!("{HEADER}\n"));
    }

    #[test]
    fn more_than_n_elements_end_with_dots() {
        assert_eq!(frame(TIME, &[1, 2, 3], 2), format!("{HEADER}1\n2\n...\n\n"));
    }
}
