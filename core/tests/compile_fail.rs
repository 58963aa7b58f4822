//! What the types forbid is said in a few words: the texts are part of the API.

#[test]
fn wrong_types_give_short_errors() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
