//! Every operator and action against the same thing on plain vectors: over any partitioning, behind other operators, on
//! one, two and three members, with tasks that fail once, the same elements in the same order.

mod actions;
mod input;
mod joins;
mod narrow;
mod shuffles;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;

use self::input::{Case, Inputs, cases};
use super::Job;
use super::tests::{job, together};
use crate::words::Error;

/// The list: each method of `Rdd` that gives elements or a value, by its name. One that ends in `_into` is proved with
/// the one that it extends.
const OPERATORS: &[(&str, fn() -> Proof)] = &[
    ("map", narrow::map),
    ("try_map", narrow::try_map),
    ("map_or_reject", narrow::map_or_reject),
    ("filter", narrow::filter),
    ("try_filter", narrow::try_filter),
    ("flat_map", narrow::flat_map),
    ("flat_map_to", narrow::flat_map_to),
    ("try_flat_map", narrow::try_flat_map),
    ("map_partitions", narrow::map_partitions),
    ("map_partitions_with_index", narrow::map_partitions_with_index),
    ("glom", narrow::glom),
    ("keys", narrow::keys),
    ("values", narrow::values),
    ("map_values", narrow::map_values),
    ("flat_map_values", narrow::flat_map_values),
    ("union", narrow::union),
    ("cache", narrow::cache),
    ("persist", narrow::persist),
    ("sample", narrow::sample),
    ("zip_with_index", narrow::zip_with_index),
    ("coalesce", narrow::coalesce),
    ("num_partitions", narrow::num_partitions),
    ("reduce_by_key", shuffles::reduce_by_key),
    ("aggregate_by_key", shuffles::aggregate_by_key),
    ("combine_by_key", shuffles::combine_by_key),
    ("group_by_key", shuffles::group_by_key),
    ("distinct", shuffles::distinct),
    ("count_by_value", shuffles::count_by_value),
    ("repartition", shuffles::repartition),
    ("partition_by", shuffles::partition_by),
    ("sort_by", shuffles::sort_by),
    ("sort_by_key", shuffles::sort_by_key),
    ("cogroup", joins::cogroup),
    ("join", joins::join),
    ("left_outer_join", joins::left_outer_join),
    ("right_outer_join", joins::right_outer_join),
    ("full_outer_join", joins::full_outer_join),
    ("subtract_by_key", joins::subtract_by_key),
    ("a join of what is in place already", joins::in_place),
    ("collect", actions::collect),
    ("count", actions::count),
    ("is_empty", actions::is_empty),
    ("take", actions::take),
    ("first", actions::first),
    ("top", actions::top),
    ("top_by", actions::top_by),
    ("take_ordered", actions::take_ordered),
    ("take_ordered_by", actions::take_ordered_by),
    ("reduce", actions::reduce),
    ("fold", actions::fold),
    ("aggregate", actions::aggregate),
    ("count_by_key", actions::count_by_key),
    ("collect_as_map", actions::collect_as_map),
    ("on_driver", actions::on_driver),
];

/// Methods of `Rdd` that have an effect and no result; each has its tests in its file.
const EFFECTS: &[&str] = &["foreach", "try_foreach", "foreach_partition", "save_to"];

/// What an operator does, and what it must give.
struct Proof {
    /// Its results as text, in their order.
    run: fn(&Inputs) -> Result<Vec<String>, Error>,
    /// The same from plain vectors.
    model: fn(&Case) -> Vec<String>,
    /// Whether the model says the order too.
    in_order: bool,
}

impl Proof {
    /// Of what keeps an order that can be told beforehand.
    fn in_order(run: fn(&Inputs) -> Result<Vec<String>, Error>, model: fn(&Case) -> Vec<String>) -> Self {
        Self { run, model, in_order: true }
    }

    /// Of what gives its elements in the order of hashes: the same each time, and on all members.
    fn in_any_order(run: fn(&Inputs) -> Result<Vec<String>, Error>, model: fn(&Case) -> Vec<String>) -> Self {
        Self { run, model, in_order: false }
    }
}

/// What each operator of the list gives, or how it fails.
fn run_all(case: &Case, job: &Arc<Job>, fails: bool) -> Vec<Result<Vec<String>, String>> {
    let run = |(_, proof): &(_, fn() -> Proof)| {
        (proof().run)(&Inputs::of(case, job, fails)).map_err(|error| error.chain())
    };
    OPERATORS.iter().map(run).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_operator_gives_what_its_model_does(case in cases()) {
        let model = case.plain();
        let alone = run_all(&case, &job(1), false);
        for ((name, proof), given) in OPERATORS.iter().zip(&alone) {
            let proof = proof();
            let (mut given, mut expected) = (given.clone(), (proof.model)(&model));
            if !proof.in_order {
                given = given.map(|mut all| { all.sort(); all });
                expected.sort();
            }
            prop_assert_eq!(given, Ok(expected), "{}", name);
        }
        let mut others = vec![("with a task that fails".to_owned(), run_all(&case, &job(2), true))];
        for members in [2, 3] {
            let all = together(members, |job| run_all(&case, job, true));
            others.extend((0..).zip(all).map(|(me, all)| (format!("on member {me} of {members}"), all)));
        }
        for (how, others) in &others {
            for (((name, _), given), alone) in OPERATORS.iter().zip(others).zip(&alone) {
                prop_assert_eq!(given, alone, "{} {}", name, how);
            }
        }
    }
}

#[test]
fn every_method_of_an_rdd_is_in_the_list() {
    let mut methods = BTreeSet::new();
    methods_below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut methods);
    let listed: BTreeSet<&str> =
        OPERATORS.iter().map(|(name, _)| *name).chain(EFFECTS.iter().copied()).collect();

    let is_listed = |name: &str| listed.contains(name.strip_suffix("_into").unwrap_or(name));
    let missing: Vec<_> = methods.iter().filter(|name| !is_listed(name)).collect();
    assert!(missing.is_empty(), "without a proof against plain vectors: {missing:?}");
    // Names of methods have no spaces.
    let gone: Vec<_> =
        listed.iter().filter(|name| !name.contains(' ') && !methods.contains(**name)).collect();
    assert!(gone.is_empty(), "in the list, and no method: {gone:?}");
}

/// The public methods in blocks `impl … Rdd<…>` of all files below a folder.
fn methods_below(folder: &Path, methods: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            methods_below(&path, methods);
            continue;
        }
        let mut of_rdd = false;
        for line in fs::read_to_string(&path).unwrap().lines() {
            if line.starts_with("impl") {
                of_rdd = line.contains(" Rdd<") && !line.contains(" for ");
            } else if let Some(method) = line.strip_prefix("    pub fn ").filter(|_| of_rdd) {
                methods.extend(method.split(['<', '(']).next().map(String::from));
            }
        }
    }
}

#[test]
fn a_reduce_task_that_fails_takes_its_records_again() {
    // Three keys in one map partition and one target: three hashes in the map task, the next is the reduce task's.
    let case = Case { fails: (input::Place::Function, 5), ..Case::of(vec![vec![(1, 1), (2, 2), (3, 3)]], 1) };
    let inputs = Inputs::of(&case, &job(2), true);

    let mut groups = (shuffles::group_by_key().run)(&inputs).unwrap();

    groups.sort();
    assert_eq!(groups, ["(1, [1])", "(2, [2])", "(3, [3])"]);
    assert!(inputs.fuse.has_burnt());
}
