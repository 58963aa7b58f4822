//! What values settings have, and how they are written.

use std::time::Duration;

use super::master::Master;

/// What may be written behind a key.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// A time span; what a number without a unit means differs from key to key in Spark.
    Duration {
        plain: Plain,
        from: Duration,
        to: Duration,
    },
    /// A number of bytes, always with a unit: Spark reads plain numbers as KiB, MiB or bytes, key by key.
    Bytes {
        from: u64,
    },
    /// A whole number.
    Integer {
        from: u64,
        to: u64,
    },
    /// A number, finite.
    Number {
        from: f64,
        to: f64,
    },
    Bool,
    /// Any text but the empty one.
    Text,
    /// One of a few words.
    Choice(&'static [&'static str]),
    Master,
}

/// What a duration without a unit means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plain {
    /// Nothing: the keys of our own want a unit.
    Refused,
    Milliseconds,
    Seconds,
}

/// The longest time span: adding it to any time of this age cannot overflow.
pub(super) const LONGEST: Duration = Duration::from_hours(100 * 365 * 24);

/// A value that was understood.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// `none`, where a key may have no value.
    None,
    Duration(Duration),
    Bytes(u64),
    Integer(u64),
    Number(f64),
    Bool(bool),
    Text(String),
    Choice(&'static str),
    Master(Master),
}

impl Kind {
    /// None for what is not understood or out of bounds.
    pub(super) fn parse(&self, text: &str) -> Option<Value> {
        let text = text.trim();
        match *self {
            Self::Duration { plain, from, to } => {
                let duration = parse_duration(text, plain)?;
                (from..=to).contains(&duration).then_some(Value::Duration(duration))
            }
            Self::Bytes { from } => parse_bytes(text).filter(|bytes| *bytes >= from).map(Value::Bytes),
            Self::Integer { from, to } => {
                text.parse().ok().filter(|number| (from..=to).contains(number)).map(Value::Integer)
            }
            // NaN is in no range.
            Self::Number { from, to } => {
                text.parse().ok().filter(|number| (from..=to).contains(number)).map(Value::Number)
            }
            Self::Bool => text.to_ascii_lowercase().parse().ok().map(Value::Bool),
            Self::Text => (!text.is_empty()).then(|| Value::Text(text.to_owned())),
            Self::Choice(words) => {
                words.iter().find(|word| word.eq_ignore_ascii_case(text)).map(|word| Value::Choice(word))
            }
            Self::Master => Master::read(text).map(Value::Master),
        }
    }

    /// What is accepted, in words.
    pub(super) fn expected(&self, text: &str) -> String {
        match *self {
            Self::Duration { plain, from, to } => {
                let plain = match plain {
                    Plain::Refused => " with its unit",
                    Plain::Milliseconds => ", a plain number being milliseconds",
                    Plain::Seconds => ", a plain number being seconds",
                };
                let bounds = if to == LONGEST {
                    format!("of at least {}", duration_text(from))
                } else {
                    format!("from {} to {}", duration_text(from), duration_text(to))
                };
                format!("a duration {bounds}, as in `200ms`, `2s` or `5min`{plain}")
            }
            Self::Bytes { from } => {
                format!("a size of at least {} with its unit, as in `512k`, `64m` or `1g`", bytes_text(from))
            }
            Self::Integer { from, to: u64::MAX } => format!("a whole number of at least {from}"),
            Self::Integer { from, to } => format!("a whole number from {from} to {to}"),
            Self::Number { from: f64::MIN, .. } => "a number".into(),
            Self::Number { from: f64::MIN_POSITIVE, .. } => "a number above 0".into(),
            Self::Number { from, to } if to >= f64::MAX => format!("a number of at least {from}"),
            Self::Number { from, to } => format!("a number from {from} to {to}"),
            Self::Bool => "`true` or `false`".into(),
            Self::Text => "a text that is not empty".into(),
            Self::Choice(words) => {
                words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" or ")
            }
            Self::Master => Master::expected(text),
        }
    }
}

/// A time span as `parse` reads it back.
pub(super) fn duration_text(duration: Duration) -> String {
    humantime::format_duration(duration).to_string().replace(' ', "")
}

fn parse_duration(text: &str, plain: Plain) -> Option<Duration> {
    // The crate panics where the seconds just fit and the nanoseconds carry over; what is let through stays far below.
    let longest_number = text.split(|c: char| !c.is_ascii_digit()).map(str::len).max()?;
    if longest_number > 10 || text.len() > 64 {
        return None;
    }
    if let Ok(number) = text.parse::<u64>() {
        return match plain {
            Plain::Refused => None,
            Plain::Milliseconds => Some(Duration::from_millis(number)),
            Plain::Seconds => Some(Duration::from_secs(number)),
        };
    }
    // In small letters as Spark does; so `5M` is five minutes, never five months.
    humantime::parse_duration(&text.to_ascii_lowercase()).ok()
}

/// Units of bytes, each 1024 of the one before. Spark's `kb` is 1024 too.
const UNITS: [&str; 6] = ["b", "k", "m", "g", "t", "p"];

fn parse_bytes(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let unit = unit.trim().to_ascii_lowercase();
    let power = UNITS.iter().position(|known| {
        unit.strip_prefix(known)
            .is_some_and(|rest| rest.is_empty() || (*known != "b" && ["b", "ib"].contains(&rest)))
    })?;
    number.parse::<u64>().ok()?.checked_mul(1 << (10 * power))
}

/// A size as `parse` reads it back: in the largest unit that leaves a whole number.
pub(super) fn bytes_text(bytes: u64) -> String {
    let power = match bytes {
        0 => 0,
        _ => (bytes.trailing_zeros() as usize / 10).min(UNITS.len() - 1),
    };
    format!("{}{}", bytes >> (10 * power), UNITS[power])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MILLISECONDS: Kind = duration(Plain::Milliseconds);
    const BYTES: Kind = Kind::Bytes { from: 0 };

    const fn duration(plain: Plain) -> Kind {
        Kind::Duration { plain, from: Duration::ZERO, to: LONGEST }
    }

    #[test]
    fn durations_are_written_as_in_spark() {
        for (text, millis) in [
            ("200ms", 200),
            ("2s", 2_000),
            ("1m", 60_000),
            ("5 min", 300_000),
            ("5M", 300_000),
            (" 1h ", 3_600_000),
            ("2d", 172_800_000),
            ("1m 30s", 90_000),
            ("1.5s", 1_500),
            ("200", 200),
            ("0", 0),
        ] {
            let expected = Value::Duration(Duration::from_millis(millis));
            assert_eq!(MILLISECONDS.parse(text), Some(expected), "{text}");
        }
        assert_eq!(MILLISECONDS.parse("1us"), Some(Value::Duration(Duration::from_micros(1))));
    }

    #[test]
    fn a_plain_number_means_what_the_key_says() {
        assert_eq!(duration(Plain::Seconds).parse("61"), Some(Value::Duration(Duration::from_secs(61))));
        assert_eq!(duration(Plain::Refused).parse("60"), None);
        assert!(duration(Plain::Refused).expected("60").contains("with its unit"));
    }

    #[test]
    fn what_is_not_a_duration_is_refused_and_does_not_panic() {
        for text in ["", "soon", "-1s", "1", "1 fortnight", "s", "200y", "18446744073709551615s1000ms"] {
            assert_eq!(duration(Plain::Refused).parse(text), None, "{text}");
        }
    }

    #[test]
    fn bytes_are_written_as_in_spark() {
        for (text, bytes) in [
            ("7b", 7),
            ("512k", 512 << 10),
            ("64m", 64 << 20),
            ("64 MiB", 64 << 20),
            ("64mb", 64 << 20),
            ("1g", 1 << 30),
            ("2TB", 2 << 40),
            ("1p", 1 << 50),
        ] {
            assert_eq!(BYTES.parse(text), Some(Value::Bytes(bytes)), "{text}");
        }
        for text in ["", "64", "m", "-1m", "1.5g", "1x", "1bb", "1bib", "99999999999p"] {
            assert_eq!(BYTES.parse(text), None, "{text}");
        }
    }

    #[test]
    fn bounds_belong_to_what_is_accepted() {
        let integer = Kind::Integer { from: 2, to: 4 };
        let number = Kind::Number { from: 0.0, to: 1.0 };
        for (kind, within, outside) in [
            (integer, ["2", "4"], ["1", "5"]),
            (number, ["0", "1.0"], ["-0.1", "1.1"]),
            (Kind::Number { from: 0.0, to: f64::MAX }, ["0", "1e9"], ["NaN", "inf"]),
            (Kind::Bytes { from: 1024 }, ["1k", "1024b"], ["1023b", "0b"]),
            (Kind::Bool, ["true", "False"], ["yes", "1"]),
            (Kind::Choice(&["stop", "skip"]), ["stop", "Skip"], ["halt", ""]),
            (Kind::Text, ["x", " y "], ["", " "]),
        ] {
            for text in within {
                assert!(kind.parse(text).is_some(), "{text} for {kind:?}");
            }
            for text in outside {
                assert_eq!(kind.parse(text), None, "{text} for {kind:?}");
            }
        }
        assert_eq!(integer.expected(""), "a whole number from 2 to 4");
        assert_eq!(number.expected(""), "a number from 0 to 1");
    }

    proptest! {
        #[test]
        fn a_duration_that_is_written_and_read_is_the_same(secs in 0..LONGEST.as_secs(), nanos in 0..1_000_000_000_u32) {
            let duration = Duration::new(secs, nanos);
            prop_assert_eq!(MILLISECONDS.parse(&duration_text(duration)), Some(Value::Duration(duration)));
        }

        #[test]
        fn a_size_that_is_written_and_read_is_the_same(number in any::<u64>(), shift in 0..64_u32) {
            // The shift makes round numbers, which have the large units.
            let bytes = number.checked_shl(shift).unwrap_or(0);
            prop_assert_eq!(BYTES.parse(&bytes_text(bytes)), Some(Value::Bytes(bytes)));
        }

        #[test]
        fn no_text_makes_a_value_panic(text in "[0-9.]{0,20} ?[a-zµ]{0,4}[0-9]{0,6}[a-z]{0,3}") {
            let _ = MILLISECONDS.parse(&text);
            let _ = BYTES.parse(&text);
        }
    }
}
