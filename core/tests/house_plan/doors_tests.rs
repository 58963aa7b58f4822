//! Doors are found in all the forms that Rust allows.

use super::doors::{self, File, Target};

fn file(module: &str, text: &str) -> File {
    File { name: "f.rs".into(), module: module.split("::").map(str::to_owned).collect(), text: text.into() }
}

/// The names that a file of `module` reaches; `?` for one that it hides.
fn names(module: &str, text: &str) -> Vec<String> {
    let name = |target| match target {
        Target::Name(name) => name,
        Target::Hidden(_) => "?".to_owned(),
    };
    doors::of_files(&[file(module, text)]).into_iter().map(|door| name(door.target)).collect()
}

#[test]
fn imports_in_groups_nested_aliased_and_with_globs() {
    let text = "use std::fmt; use serde::{Serialize, de::Error};
        use crate::words::Error; use crate::{data::{Text, Key as K}, rdd::*, memory as m, state};
        pub(crate) use {crate::sink::{self, print::{A, B}}, bytes::Bytes,};";
    assert_eq!(
        names("context::x", text),
        ["words", "data", "data", "rdd", "memory", "state", "sink", "sink", "sink"]
    );
}

#[test]
fn super_and_self_lead_where_the_file_stands() {
    assert_eq!(names("rdd::map", "use super::chunk::C; use self::inner::D;"), ["rdd", "rdd"]);
    assert_eq!(names("rdd::map", "use super::super::state::S;"), ["state"]);
    assert_eq!(names("rdd", "use super::{state::S, sink};"), ["state", "sink"]);
    assert_eq!(
        names("rdd::map", "fn f() { super::super::state::g(); self::super::super::sink::h() }"),
        ["state", "sink"]
    );
    let inline = "mod a { mod b { use super::super::super::state::S; } use super::x::Y; } use super::z::Z;";
    assert_eq!(names("rdd", inline), ["state", "rdd", "z"]);
    assert_eq!(names("rdd", "mod a { fn f() { if x {} } } use super::z::Z;"), ["z"]);
}

#[test]
fn paths_in_code_in_types_and_in_macros() {
    let text = r#"
        fn f(x: &crate::data::Text) -> Result<crate::words::Error, tidemill::Rate> { x }
        macro_rules! m { () => { $crate::rdd::map() } }
        println!("crate::no::x {}", crate::metrics::count());
        pub(crate) struct S; pub(in crate::state) struct T;
        impl<T> crate::sink::Sink for T where T: Fn(<crate::window::W as Trait>::Out) {}
        fn g<'a>(x: &'a str) -> impl Sized + use<'a> { crate::ledger::y(crate::scheduler::w(x)) }
    "#;
    let expected = "data words Rate rdd metrics state sink window ledger scheduler";
    assert_eq!(names("context", text), expected.split(' ').collect::<Vec<_>>());
}

#[test]
fn other_crates_comments_and_texts_are_no_doors() {
    let text = r#"
        //! [`crate::rdd::Rdd`]
        /// use crate::state::S;
        // use crate::sink::S;
        use std::crate_name; use rayon::iter; fn f() -> impl Sized + use<'a> { foo::crate_x::y("use crate::a::b;") }
    "#;
    assert_eq!(names("data", text), [""; 0]);
}

#[test]
fn what_hides_the_room_is_seen_as_hidden() {
    for text in [
        "use crate::*;",
        "use crate as root;",
        "use crate::{self as root};",
        "use super::super::*;",
        "use super::super as root;",
        "extern crate self as root;",
        "macro_rules! m { ($room:ident) => { $crate::$room::f() } }",
        "#[path = \"../../state/x.rs\"] mod x;",
        "include!(\"../state/x.rs\");",
    ] {
        assert_eq!(names("rdd::map", text), ["?"], "{text}");
    }
}

#[test]
fn test_code_is_free_and_the_code_behind_it_is_not() {
    let text = "
        #[cfg(test)] use crate::{testing::X, context::Y};
        #[cfg(test)] #[allow(x)] fn f(x: [u8; 3], y: crate::a::B) -> [u8; 2] { { crate::context::go() } }
        #[cfg(all(test, feature = \"x\"))] mod tests { use crate::context::X; fn g() {} }
        #[cfg(test)] fn generic<A: crate::a::B, C>(c: crate::a::D) where A: crate::a::E, C: crate::a::F {}
        struct S { #[cfg(test)] seen: crate::testing::Seen, other: crate::data::Text, #[cfg(test)] f: fn(crate::a::B) }
        mod inner { struct S { #[cfg(test)] last: crate::testing::Seen } use super::super::rdd::R; }
        use super::memory::M;
        #[cfg(not(test))] use crate::state::S;
        #[cfg(feature = \"testing\")] use crate::sink::S;
        use crate::words::Error;";
    assert_eq!(names("rdd", text), ["data", "rdd", "memory", "state", "sink", "words"]);
}

#[test]
fn a_file_that_only_tests_have_is_free() {
    let files = [
        file("rdd", "#[cfg(test)] mod tests; mod map;"),
        file("rdd::tests", "use crate::context::C;"),
        file("rdd::tests::more", "use crate::context::C;"),
        file("rdd::map", "use crate::data::D;"),
    ];
    let doors = doors::of_files(&files);
    assert_eq!(doors.len(), 1, "{doors:?}");
    assert_eq!(doors[0].target, Target::Name("data".into()));
}

#[test]
fn a_door_knows_its_line_and_whether_it_is_shown_on() {
    let text =
        "use crate::data::{\n    Text,\n};\npub use crate::rdd::R;\npub(in crate::rdd) use crate::sink::S;";
    let doors = doors::of_files(&[file("context", text)]);
    let seen: Vec<(&str, bool)> = doors.iter().map(|door| (door.at.as_str(), door.reexport)).collect();
    assert_eq!(seen, [("f.rs:2", false), ("f.rs:4", true), ("f.rs:5", false), ("f.rs:5", true)]);
}

#[test]
fn lib_rs_tells_its_modules_and_whose_its_names_are() {
    let lib = "mod words; #[cfg(feature = \"testing\")] pub mod testing;
        pub use crate::words::{Error, time::{BatchTime as Time}}; pub use self::data::Text; pub use rdd::Rdd; pub use sink::*;";
    assert_eq!(doors::modules(lib), ["words", "testing"]);
    let exported = doors::exports(lib);
    let pairs: Vec<(&str, &str)> =
        exported.iter().map(|(name, room)| (name.as_str(), room.as_str())).collect();
    assert_eq!(pairs, [("Error", "words"), ("Rdd", "rdd"), ("Text", "data"), ("Time", "words")]);
}
