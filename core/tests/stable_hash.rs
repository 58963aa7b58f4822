//! A key belongs to its group for good: state on disk and every member count on it.

use std::fmt::Debug;

use serde::Deserialize;
use tidemill::{Key, KeyGroup};

/// Keys with their groups. The file was made by another implementation of the hash and of the format of keys. It is
/// never made again: a key that moves away from what was kept for it loses it.
#[derive(Deserialize)]
struct Fixture {
    string: Vec<(String, u8)>,
    u64: Vec<(u64, u8)>,
    i64: Vec<(i64, u8)>,
    string_and_u64: Vec<((String, u64), u8)>,
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("fixtures/key_groups.json")).unwrap()
}

/// Asserts the group of each key; how many there are.
fn assert_groups<K: Key + Debug>(keys: &[(K, u8)]) -> usize {
    for (key, group) in keys {
        assert_eq!(KeyGroup::of(key).unwrap().index(), *group, "the key {key:?} has moved");
    }
    keys.len()
}

#[test]
fn no_key_has_ever_moved_to_another_group() {
    let Fixture { string, u64, i64, string_and_u64 } = fixture();
    let keys =
        assert_groups(&string) + assert_groups(&u64) + assert_groups(&i64) + assert_groups(&string_and_u64);
    assert_eq!(keys, 1000);
}

#[test]
fn a_key_means_the_same_in_every_width_of_integer() {
    for (key, group) in fixture().u64 {
        if let Ok(narrow) = u32::try_from(key) {
            assert_eq!(KeyGroup::of(&narrow).unwrap().index(), group, "{key}");
        }
    }
}

#[test]
fn keys_spread_over_all_groups() {
    let mut keys = [0u32; 128];
    for key in 0..128_000u64 {
        keys[usize::from(KeyGroup::of(&key).unwrap().index())] += 1;
    }
    // A thousand each, and by chance some thirty more or fewer.
    assert!(keys.iter().all(|keys| (800..1200).contains(keys)), "{keys:?}");
}
