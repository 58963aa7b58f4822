//! What holds for every shuffle: elements without bytes, types that cannot travel; and who looks at partitions.

use std::panic::Location;

use serde::{Deserialize, Serialize};

use super::Rdd;
use super::node::Pull;
use super::tests::{job, together};
use super::wire::Many;
use crate::data::Wire;
use crate::runtime::{Site, TaskContext};

#[test]
fn elements_without_bytes_are_not_lost_between_members() {
    for counts in together(3, |job| {
        let units = Rdd::parallelize(job, vec![(); 7], 3);
        let pairs = units.map(|()| ((), ()));
        (
            units.repartition(3).count().unwrap(),
            pairs.partition_by(3).count().unwrap(),
            units.distinct().count().unwrap(),
        )
    }) {
        assert_eq!(counts, (7, 7, 1));
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Number(u64),
    Word(String),
}

#[test]
fn a_type_that_cannot_be_written_down_shows_on_one_member_too() {
    let values = vec![(1u8, Untagged::Number(1)), (1, Untagged::Word("two".into()))];
    let rdd = Rdd::parallelize(&job(2), values, 2);
    let failures = [
        ("reduce_by_key", rdd.reduce_by_key(|a, _| a).count()),
        ("group_by_key", rdd.group_by_key().count()),
        ("join", rdd.join(&rdd).count()),
        ("sort_by", rdd.sort_by(|(key, _)| *key, true).count()),
        ("repartition", rdd.repartition(2).count()),
    ];
    for (operator, result) in failures {
        let text = result.unwrap_err().chain();
        assert!(text.starts_with(operator) && text.contains("Untagged"), "{operator}: {text}");
        assert!(text.contains("cannot be read back") && text.contains("`untagged`"), "{operator}: {text}");
    }
}

/// The elements of each partition.
pub(crate) fn by_partition<T: Wire>(rdd: &Rdd<T>) -> Vec<Vec<T>> {
    let node = rdd.node();
    node.prepare(rdd.job()).unwrap();
    let partitions: Vec<usize> = (0..node.partitions()).collect();
    let site = Site::new("by_partition", Location::caller());
    let elements = |partition, task: &TaskContext| {
        let mut up = Pull::new(node.open(partition, task)?, task, site);
        let mut all = Vec::new();
        while let Some(chunk) = up.next()? {
            chunk.append_to(&mut all);
        }
        Ok(Many(all))
    };
    rdd.job().gather(site, &*node, &partitions, elements).unwrap().into_iter().map(|Many(all)| all).collect()
}
