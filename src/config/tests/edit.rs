//! Weights edited in place.

use super::{EXAMPLE, load_files};
use crate::config::edit::set_weight;

#[test]
fn a_shifted_weight_changes_its_number_and_nothing_else() {
    let (_directory, loaded) = load_files(&[("zones/example.com.toml", EXAMPLE)]);
    let (path, text) = set_weight(&loaded, "eu", "frankfurt", 50).unwrap();
    assert!(path.ends_with("zones/example.com.toml"));
    assert_eq!(text, EXAMPLE.replace("weight = 90", "weight = 50"));
}

const FORMS: &str = r#"zone = "example.com"
[records]
"@" = { NS = "ns.example.net." }
w = { route = "w" }
[endpoints]
a = { A = "192.0.2.1" } # first
b = { A = "192.0.2.2" }
[routes.w]
policy = "weighted"
to = [
  "a", # short
  { endpoint = "b" },
]
"#;

#[test]
fn a_member_without_a_weight_gets_one_where_it_stands() {
    let (_directory, loaded) = load_files(&[("zones/example.com.toml", FORMS)]);
    let (_, text) = set_weight(&loaded, "example.com/w", "b", 3).unwrap();
    assert_eq!(text, FORMS.replace("{ endpoint = \"b\" }", "{ endpoint = \"b\", weight = 3 }"));
    let (_, text) = set_weight(&loaded, "w", "a", 0).unwrap();
    assert_eq!(text, FORMS.replace("  \"a\", # short", "  { endpoint = \"a\", weight = 0 }, # short"));
}

#[test]
fn a_route_or_member_that_is_not_there_is_told_with_the_nearest_name() {
    let (_directory, loaded) = load_files(&[("zones/example.com.toml", FORMS)]);
    let fault = set_weight(&loaded, "v", "a", 1).unwrap_err();
    assert_eq!((fault.code, fault.help.as_deref()), ("no-member", Some("did you mean `w`?")));
    let fault = set_weight(&loaded, "w", "c", 1).unwrap_err();
    assert_eq!((fault.code, fault.help.as_deref()), ("no-member", Some("did you mean `a`?")));
}
