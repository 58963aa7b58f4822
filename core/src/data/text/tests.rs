//! Texts against `str`, lines against a plain model.

#![allow(clippy::disallowed_methods, reason = "the threads only drop texts")]

use std::collections::hash_map::DefaultHasher;
use std::hash::{BuildHasher, Hash, Hasher};
use std::mem;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn hash(text: &Text) -> (u64, u64) {
    let mut std = DefaultHasher::new();
    text.hash(&mut std);
    (std.finish(), foldhash::fast::FixedState::with_seed(7).hash_one(text))
}

/// A text inside a block, with `before` and `after` around it, so that it shares if it can.
fn in_block(before: &str, text: &str, after: &str) -> Text {
    let block = Text::from(TextBlock::from(format!("{before}{text}{after}")));
    block.part(|all| &all[before.len()..before.len() + text.len()])
}

/// A text as each way of making one gives it.
fn every_form(text: &str) -> [Text; 5] {
    [
        Text::from(text),
        Text::from(text.to_owned()),
        in_block("", text, " and enough behind it to read on"),
        in_block("enough before it, it ends the block", text, ""),
        in_block("é", text, "é"),
    ]
}

/// Short pieces of few characters, so that separators, equal pieces and the border of 22 bytes are met often.
fn some_text() -> impl Strategy<Value = String> {
    let c = prop_oneof![
        4 => Just('a'), 2 => Just('b'), 3 => Just(' '), 1 => Just(','), 1 => Just('\n'), 1 => Just('\r'),
        1 => Just('\0'), 1 => Just('\t'), 1 => Just('é'), 1 => Just('\u{a0}'), 1 => Just('中'), 1 => Just('🌊'),
        1 => Just('\u{7f}'), 1 => any::<char>(),
    ];
    prop_oneof![
        3 => vec(c.clone(), 0..12),
        3 => vec(c.clone(), 16..26),
        2 => vec(c, 20..200),
    ]
    .prop_map(|chars| chars.into_iter().collect())
}

/// Lengths of 20 to 24 bytes, the border between inline and shared.
fn near_the_border() -> impl Strategy<Value = String> {
    (20..=24_usize, vec(prop_oneof![Just('a'), Just('b'), Just('\0'), Just('é')], 24)).prop_map(
        |(len, chars)| {
            let mut text = String::new();
            for c in chars {
                if text.len() + c.len_utf8() <= len {
                    text.push(c);
                }
            }
            text
        },
    )
}

/// Java's `readLine`, a character at a time.
fn model_lines(block: &str) -> Vec<String> {
    let (mut lines, mut line, mut open) = (Vec::new(), String::new(), false);
    let mut chars = block.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\n' || c == '\r' {
            if c == '\r' && chars.peek() == Some(&'\n') {
                chars.next();
            }
            lines.push(mem::take(&mut line));
            open = false;
        } else {
            line.push(c);
            open = true;
        }
    }
    if open {
        lines.push(line);
    }
    lines
}

fn lines_of(block: &TextBlock, portion: usize) -> Vec<Text> {
    let (mut lines, mut all) = (block.lines(), Vec::new());
    while lines.fill(&mut all, portion) > 0 {}
    all
}

fn texts<'a>(pieces: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    pieces.collect()
}

/// Collects after checking that the size hint holds at every step, and that the end is an end.
fn counted(mut pieces: impl Iterator<Item = Text>) -> Vec<Text> {
    let mut hints = Vec::new();
    let mut all = Vec::new();
    loop {
        hints.push(pieces.size_hint());
        let Some(piece) = pieces.next() else { break };
        all.push(piece);
    }
    for (taken, (least, most)) in hints.into_iter().enumerate() {
        let left = all.len() - taken;
        assert!(
            least <= left && most.is_none_or(|most| left <= most),
            "{least}..={most:?} but {left} of {all:?}"
        );
    }
    assert!(pieces.next().is_none());
    all
}

#[test]
fn a_text_is_24_bytes_and_can_be_sent() {
    fn sent<T: Send + Sync + 'static>() {}
    sent::<Text>();
    sent::<TextBlock>();
    sent::<Split<char>>();
    assert_eq!((size_of::<Text>(), size_of::<Option<Text>>()), (24, 24));
}

#[test]
fn up_to_22_bytes_are_inline_and_more_are_shared() {
    for len in 0..=40 {
        for text in every_form(&"x".repeat(len)) {
            assert_eq!(text.is_shared(), len > 22, "{len}");
        }
    }
}

#[test]
fn a_long_piece_shows_the_memory_of_its_block() {
    let received = Bytes::from(vec![b'x'; 100]);
    let block = TextBlock::from_utf8(received.clone()).unwrap();
    assert_eq!(block.as_str().as_ptr(), received.as_ptr());
    let line = lines_of(&block, 1).remove(0);
    assert_eq!(line.as_ptr(), received.as_ptr());
    assert_eq!(line.part(|line| &line[10..50]).as_ptr(), received[10..].as_ptr());
    assert_ne!(line.detach().as_ptr(), received.as_ptr());
    assert_eq!(line.detach(), line);
}

#[test]
fn a_long_string_becomes_a_text_without_a_copy() {
    let string = "a string that is longer than 22 bytes".to_owned();
    let address = string.as_ptr();
    assert_eq!(Text::from(string).as_ptr(), address);
}

#[test]
fn a_block_lives_exactly_as_long_as_its_last_holder() {
    let received = Bytes::from(vec![b'x'; 100]);
    let block = TextBlock::from_utf8(received.clone()).unwrap();
    let mut lines = lines_of(&block, 10);
    let copy = lines[0].clone();
    let piece = copy.part(|line| &line[1..90]);
    let pieces = copy.clone().split('y');
    drop((block, copy));
    lines.clear();
    assert!(!received.is_unique());
    drop(pieces);
    assert!(!received.is_unique());
    assert_eq!(piece, "x".repeat(89).as_str());
    drop(piece);
    assert!(received.is_unique());
}

#[test]
fn a_portion_of_lines_raises_the_count_by_the_long_ones() {
    let received = Bytes::from("short\na line longer than 22 bytes\n".repeat(300));
    let block = TextBlock::from_utf8(received.clone()).unwrap();
    let lines = lines_of(&block, 256);
    assert_eq!(lines.len(), 600);
    let (short, long): (Vec<_>, Vec<_>) = lines.into_iter().partition(|line| line.len() < 10);
    drop((block, long));
    // The short ones hold nothing.
    assert!(received.is_unique());
    assert!(short.iter().all(|line| line == "short"));
}

#[test]
fn texts_of_one_block_may_be_dropped_on_many_threads() {
    let received = Bytes::from("a line that is longer than 22 bytes\n".repeat(1000));
    let block = TextBlock::from_utf8(received.clone()).unwrap();
    std::thread::scope(|threads| {
        for _ in 0..4 {
            let block = block.clone();
            threads
                .spawn(move || lines_of(&block, 7).into_iter().map(|line| line.clone().len()).sum::<usize>());
        }
    });
    assert!(!received.is_unique());
    drop(block);
    assert!(received.is_unique());
}

#[test]
fn what_part_picks_from_elsewhere_is_copied() {
    let text = Text::from("a text that is longer than 22 bytes");
    assert_eq!(text.part(|_| "elsewhere"), "elsewhere");
    assert_eq!(text.part(|_| "elsewhere, and longer than 22 bytes"), "elsewhere, and longer than 22 bytes");
    assert_eq!(text.part(|_| ""), "");
}

#[test]
fn bytes_that_are_not_utf8_are_refused_or_replaced() {
    let error = TextBlock::from_utf8(b"good \xff".to_vec()).unwrap_err();
    assert_eq!(error.valid_up_to(), 5);
    assert_eq!(TextBlock::from_utf8_lossy(b"good \xff".to_vec()).as_str(), "good \u{fffd}");
    let good = Bytes::from_static("good é".as_bytes());
    assert_eq!(TextBlock::from_utf8_lossy(good.clone()).as_str().as_ptr(), good.as_ptr());
}

#[test]
fn ends_of_lines_at_the_ends_of_blocks_and_portions() {
    for block in [
        "",
        "\n",
        "\r",
        "\r\n",
        "\n\r",
        "\r\r\n\n",
        "a",
        "a\r",
        "\ra",
        "\r\na\r\n",
        "a\rb\nc\r\nd",
        "a\n\nb\r\n",
    ] {
        let expected = model_lines(block);
        let block = TextBlock::from(block.to_owned());
        for portion in 1..4 {
            assert_eq!(lines_of(&block, portion), expected, "{:?}", block.as_str());
        }
        assert_eq!(block.count_lines(), expected.len(), "{:?}", block.as_str());
    }
}

#[test]
fn the_position_moves_behind_the_end_of_each_line() {
    let mut lines = TextBlock::from("ab\r\nc\nd".to_owned()).lines();
    let mut out = Vec::new();
    let positions: Vec<_> = (0..4).map(|_| (lines.fill(&mut out, 1), lines.position())).collect();
    assert_eq!(positions, [(1, 4), (1, 6), (1, 7), (0, 7)]);
}

#[test]
fn a_text_prints_as_str_does() {
    let text = Text::from("say \"é\"\n");
    assert_eq!(format!("{text:?} {text} {text:>12}"), format!("{0:?} {0} {0:>12}", "say \"é\"\n"));
}

#[test]
fn an_iterator_shows_what_is_left() {
    let mut pieces = Text::from("a b c").split(' ');
    pieces.next();
    assert_eq!(format!("{pieces:?}"), "Split { rest: Some(\"b c\"), .. }");
}

proptest! {
    #[test]
    fn every_form_of_a_text_reads_and_hashes_the_same(text in prop_oneof![some_text(), near_the_border()]) {
        for form in every_form(&text) {
            prop_assert_eq!(form.as_str(), &text);
            prop_assert_eq!(&form, &text);
            prop_assert_eq!(hash(&form), hash(&Text::from(text.as_str())));
            prop_assert_eq!(&form.detach(), &form.clone());
            prop_assert_eq!(String::from(form), text.clone());
        }
        prop_assert_eq!(text.chars().collect::<Text>(), text);
    }

    #[test]
    fn equality_and_order_are_those_of_str(
        one in prop_oneof![some_text(), near_the_border()],
        other in prop_oneof![some_text(), near_the_border()],
        cut in any::<prop::sample::Index>(),
    ) {
        // A beginning of the same text, and the same text, too: random texts are seldom close.
        let borders: Vec<usize> = one.char_indices().map(|(at, _)| at).chain([one.len()]).collect();
        for other in [&other, &one[..*cut.get(&borders)], &one, &format!("{one}\0")] {
            for a in every_form(&one) {
                for b in every_form(other) {
                    prop_assert_eq!(a == b, one == *other, "{:?} {:?}", a, b);
                    prop_assert_eq!(a.cmp(&b), one.as_str().cmp(other), "{:?} {:?}", a, b);
                    prop_assert_eq!(hash(&a) == hash(&b), one == *other, "{:?} {:?}", a, b);
                }
            }
        }
    }

    #[test]
    fn pieces_are_those_of_str(text in some_text(), n in 0..5_usize) {
        for form in every_form(&text) {
            for by in [' ', 'a', '\0', '\u{7f}', 'é', '🌊'] {
                prop_assert_eq!(counted(form.split(by)), texts(text.split(by)));
                prop_assert_eq!(counted(form.splitn(n, by)), texts(text.splitn(n, by)));
                let once = form.split_once(by);
                prop_assert_eq!(once.as_ref().map(|(a, b)| (a.as_str(), b.as_str())), text.split_once(by));
            }
            for by in ["", " ", "a", "aa", "aba", "é", "é中", "not there"] {
                prop_assert_eq!(counted(form.split(by)), texts(text.split(by)));
                prop_assert_eq!(counted(form.splitn(n, by)), texts(text.splitn(n, by)));
                let once = form.split_once(by);
                prop_assert_eq!(once.as_ref().map(|(a, b)| (a.as_str(), b.as_str())), text.split_once(by));
                let stripped = (form.strip_prefix(by), form.strip_suffix(by));
                prop_assert_eq!(stripped.0.as_deref(), text.strip_prefix(by));
                prop_assert_eq!(stripped.1.as_deref(), text.strip_suffix(by));
            }
            prop_assert_eq!(counted(form.split(char::is_whitespace)), texts(text.split(char::is_whitespace)));
            prop_assert_eq!(counted(form.split(|c| c > 'a')), texts(text.split(|c| c > 'a')));
            prop_assert_eq!(counted(form.split_whitespace()), texts(text.split_whitespace()));
            prop_assert_eq!(counted(form.split_ascii_whitespace()), texts(text.split_ascii_whitespace()));
            prop_assert_eq!(counted(form.lines()), texts(text.lines()));
            prop_assert_eq!(form.trim(), text.trim());
            prop_assert_eq!(form.trim_start(), text.trim_start());
            prop_assert_eq!(form.trim_end(), text.trim_end());
            prop_assert_eq!(form.part(|text| text.trim_matches('a')), text.trim_matches('a'));
        }
    }

    #[test]
    fn lines_of_a_block_are_those_of_the_model(text in some_text(), portion in 1..9_usize) {
        let block = TextBlock::from(text.clone());
        let expected = model_lines(&text);
        prop_assert_eq!(lines_of(&block, portion), expected.clone());
        prop_assert_eq!(block.count_lines(), expected.len());
    }

    #[test]
    fn pieces_of_pieces_of_a_block_are_those_of_str(text in some_text()) {
        let block = TextBlock::from(text.clone());
        let pieces: Vec<Text> = lines_of(&block, 3).into_iter().flat_map(|line| line.split(' ')).collect();
        drop(block);
        let lines = model_lines(&text);
        prop_assert_eq!(pieces, lines.iter().flat_map(|line| line.split(' ')).collect::<Vec<_>>());
    }

    #[test]
    fn a_text_is_serialized_as_a_string(text in prop_oneof![some_text(), near_the_border()]) {
        let bytes = postcard::to_allocvec(&Text::from(text.as_str())).unwrap();
        prop_assert_eq!(&bytes, &postcard::to_allocvec(&text).unwrap());
        prop_assert_eq!(&postcard::from_bytes::<Text>(&bytes).unwrap(), &text);
        let json = serde_json::to_string(&text).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Text>(&json).unwrap(), &text);
        // A reader cannot lend its string, so it hands over another form.
        prop_assert_eq!(&serde_json::from_reader::<_, Text>(json.as_bytes()).unwrap(), &text);
    }
}
