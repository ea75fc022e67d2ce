//! F: in order of the list.

use super::{WWW, nth, web};
use crate::harness::{Ask, Setup};

const TWO: &str = "policy = \"failover\"\nto = [{ endpoint = \"p\" }, { endpoint = \"s\" }]";

fn answer(names: &[&str], route: &str, down: &[&str]) -> String {
    let (records, rest) = web(names, route);
    Setup::new(&records, &rest).down(down).build().ask(&Ask::a(WWW)).only()
}

#[test]
fn f1_the_primary_while_it_is_up_else_the_secondary() {
    assert_eq!(answer(&["p", "s"], TWO, &[]), nth(1));
    assert_eq!(answer(&["p", "s"], TWO, &["s"]), nth(1));
    assert_eq!(answer(&["p", "s"], TWO, &["p"]), nth(2));
    assert_eq!(answer(&["p", "-s"], TWO, &["p"]), nth(2));
    assert_eq!(answer(&["p", "s"], TWO, &["p", "s"]), nth(1));
    assert_eq!(answer(&["-p", "s"], TWO, &["s"]), nth(1));
    assert_eq!(answer(&["-p", "s"], TWO, &[]), nth(1));
}

#[test]
fn f2_any_number_of_members_in_order() {
    let names = ["a", "b", "c", "d", "e"];
    let members: Vec<_> = names.iter().map(|n| format!("{{ endpoint = \"{n}\" }}")).collect();
    let route = format!("policy = \"failover\"\nto = [{}]", members.join(", "));
    for up in 0..names.len() {
        assert_eq!(answer(&names, &route, &names[..up]), nth(up + 1));
    }
    assert_eq!(answer(&names, &route, &names), nth(1));
}
