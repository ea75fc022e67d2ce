//! T: nodes of nodes.

use std::collections::BTreeMap;

use super::{WWW, assert_share, endpoints, nth};
use crate::harness::{Ask, Setup, assert_error, assert_loads, assert_warning, load, zone};

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// Endpoints a to f with 192.0.2.1 to 6, and these routes.
fn setup(routes: &str) -> Setup {
    Setup::new("www = { route = \"web\" }", &format!("{}{routes}", endpoints(&NAMES)))
}

fn faults(routes: &str) -> rhumb::config::Loaded {
    load(&zone("www = { route = \"web\" }", &format!("{}{routes}", endpoints(&NAMES))))
}

fn answer(routes: &str, down: &[&str]) -> String {
    setup(routes).down(down).build().ask(&Ask::a(WWW)).only()
}

/// A failover from a pool of three to d.
fn pool(min_healthy: &str) -> String {
    format!(
        "[routes.web]\npolicy = \"failover\"\nto = [{{ route = \"pool\" }}, {{ endpoint = \"d\" }}]\n\
         [routes.pool]\npolicy = \"failover\"\n{min_healthy}\n\
         to = [{{ endpoint = \"a\" }}, {{ endpoint = \"b\" }}, {{ endpoint = \"c\" }}]\n"
    )
}

#[test]
fn t1_a_node_is_up_while_one_member_is_unless_more_are_wanted() {
    assert_eq!(answer(&pool(""), &["a", "b"]), nth(3));
    assert_eq!(answer(&pool(""), &["a", "b", "c"]), nth(4));
    assert_eq!(answer(&pool("min_healthy = 2"), &["a"]), nth(2));
    assert_eq!(answer(&pool("min_healthy = 2"), &["a", "b"]), nth(4));
}

#[test]
fn t1_a_percentage_is_of_members() {
    assert_eq!(answer(&pool("min_healthy = \"60%\""), &["a"]), nth(2));
    assert_eq!(answer(&pool("min_healthy = \"67%\""), &["a"]), nth(4));
    assert_eq!(answer(&pool("min_healthy = \"100%\""), &[]), nth(1));
}

#[test]
fn t1_a_percentage_is_by_weight_in_weighted_nodes() {
    let routes = "[routes.web]\npolicy = \"failover\"\nto = [{ route = \"pool\" }, { endpoint = \"d\" }]\n\
                  [routes.pool]\npolicy = \"weighted\"\nmin_healthy = \"50%\"\n\
                  to = [{ endpoint = \"a\", weight = 60 }, { endpoint = \"b\", weight = 20 }, { endpoint = \"c\", weight = 20 }]\n";
    assert_eq!(answer(routes, &["b", "c"]), nth(1));
    assert_eq!(answer(routes, &["a"]), nth(4));
    let exactly = routes.replace("50%", "60%");
    assert_eq!(answer(&exactly, &["b", "c"]), nth(1));
    assert_eq!(answer(&exactly.replace("60%", "61%"), &["b", "c"]), nth(4));
}

#[test]
fn t1_below_it_at_the_root_everything_answers() {
    let routes = "[routes.web]\npolicy = \"weighted\"\nmin_healthy = 2\n\
                  to = [{ endpoint = \"a\" }, { endpoint = \"b\" }, { endpoint = \"c\" }]\n";
    let counts = setup(routes).down(&["a", "b"]).build().shares(&Ask::a(WWW));
    for n in 1..=3 {
        assert_share(&counts, &nth(n), 1.0 / 3.0);
    }
    let counts = setup(routes).down(&["a"]).build().shares(&Ask::a(WWW));
    assert_share(&counts, &nth(1), 0.0);
    assert_share(&counts, &nth(2), 0.5);
}

#[test]
fn t1_members_that_are_set_aside_do_not_count() {
    let fixture = setup(&pool("min_healthy = \"60%\"")).down(&["a"]).drained(&["b"]).build();
    assert_eq!(fixture.ask(&Ask::a(WWW)).only(), nth(4));
    let fixture = setup(&pool("min_healthy = \"50%\"")).down(&["a"]).drained(&["b"]).build();
    assert_eq!(fixture.ask(&Ask::a(WWW)).only(), nth(3));
}

#[test]
fn t2_a_branch_that_does_not_follow_health_is_never_left() {
    let routes = "[routes.web]\npolicy = \"failover\"\nto = [{ route = \"pool\", follow_health = false }, { endpoint = \"d\" }]\n\
                  [routes.pool]\npolicy = \"failover\"\nto = [{ endpoint = \"a\" }, { endpoint = \"b\" }]\n";
    assert_eq!(answer(routes, &["a"]), nth(2));
    assert_eq!(answer(routes, &["a", "b"]), nth(1));
    let leaf = "[routes.web]\npolicy = \"failover\"\nto = [{ endpoint = \"a\", follow_health = false }, { endpoint = \"b\" }]\n";
    assert_eq!(answer(leaf, &["a"]), nth(1));
}

#[test]
fn t3_a_check_on_the_member_and_the_health_below_must_both_hold() {
    let routes = "[checks.m]\ntype = \"tcp\"\nport = 81\ntarget = \"203.0.113.9\"\n\
                  [routes.web]\npolicy = \"failover\"\nto = [{ route = \"pool\", check = \"m\" }, { endpoint = \"d\" }]\n\
                  [routes.pool]\npolicy = \"failover\"\nto = [{ endpoint = \"a\" }, { endpoint = \"b\" }]\n";
    assert_eq!(answer(routes, &[]), nth(1));
    assert_eq!(answer(routes, &["a", "b"]), nth(4));
    let fixture = setup(routes).member_down("web", "pool").build();
    assert_eq!(fixture.ask(&Ask::a(WWW)).only(), nth(4));
    let fixture = setup(routes).member_down("web", "pool").down(&["a", "d"]).build();
    assert_eq!(fixture.ask(&Ask::a(WWW)).only(), nth(2));
}

#[test]
fn t3_a_check_on_a_leaf_member_stands_beside_the_endpoints_own() {
    let routes = "[checks.m]\ntype = \"tcp\"\nport = 81\n\
                  [routes.web]\npolicy = \"failover\"\nto = [{ endpoint = \"a\", check = \"m\" }, { endpoint = \"b\" }]\n";
    assert_eq!(answer(routes, &[]), nth(1));
    assert_eq!(answer(routes, &["a"]), nth(2));
    let fixture = setup(routes).member_down("web", "a").build();
    assert_eq!(fixture.ask(&Ask::a(WWW)).only(), nth(2));
}

#[test]
fn t4_a_leaf_without_a_check_keeps_its_branch_up_and_is_a_warning() {
    let text = format!(
        "{}[routes.web]\npolicy = \"failover\"\nto = [{{ route = \"pool\" }}, {{ endpoint = \"b\" }}]\n\
         [routes.pool]\npolicy = \"failover\"\nto = [{{ endpoint = \"p\" }}, {{ endpoint = \"a\" }}]\n",
        endpoints(&["a", "b", "-p"])
    );
    let setup = Setup::new("www = { route = \"web\" }", &text).down(&["a"]);
    assert_eq!(setup.build().ask(&Ask::a(WWW)).only(), nth(3));
    assert_warning(&load(&zone("www = { route = \"web\" }", &text)), &["`p` is never left"]);
    let last = text.replace("{ endpoint = \"p\" }, { endpoint = \"a\" }", "{ endpoint = \"a\" }, { endpoint = \"p\" }");
    assert_warning(&load(&zone("www = { route = \"web\" }", &last)), &["`p` keeps", "for ever"]);
}

#[test]
fn t5_everything_down_answers_as_everything_up_from_the_root_down() {
    let routes = "[routes.web]\npolicy = \"weighted\"\nto = [{ route = \"one\", weight = 1 }, { route = \"two\", weight = 3 }]\n\
                  [routes.one]\npolicy = \"failover\"\nto = [{ endpoint = \"a\" }, { endpoint = \"b\" }]\n\
                  [routes.two]\npolicy = \"weighted\"\nto = [{ endpoint = \"c\" }, { endpoint = \"d\", weight = 2 }]\n";
    for down in [&[][..], &NAMES[..4]] {
        let counts = setup(routes).down(down).build().shares(&Ask::a(WWW));
        for (n, p) in [(1, 0.25), (2, 0.0), (3, 0.25), (4, 0.5)] {
            assert_share(&counts, &nth(n), p);
        }
    }
}

#[test]
fn t5_one_draw_serves_all_levels() {
    let routes = "[routes.web]\npolicy = \"weighted\"\nto = [{ route = \"one\" }, { endpoint = \"c\", weight = 2 }]\n\
                  [routes.one]\npolicy = \"weighted\"\nto = [{ endpoint = \"a\", weight = 1 }, { endpoint = \"b\", weight = 3 }]\n";
    let fixture = setup(routes).build();
    let at = |twelfth: u64| fixture.ask(&Ask::a(WWW).draw((u64::MAX / 24) * (2 * twelfth + 1))).only();
    let got: Vec<_> = (0..12).map(at).collect();
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    got.iter().for_each(|a| *counts.entry(a).or_default() += 1);
    assert_eq!(got[..4], [nth(1), nth(2), nth(2), nth(2)]);
    assert_eq!(counts[&nth(3)[..]], 8);
}

#[test]
fn t6_a_loop_is_an_error_that_spells_it_out() {
    let routes = "[routes.web]\npolicy = \"simple\"\nto = [{ route = \"one\" }]\n\
                  [routes.one]\npolicy = \"simple\"\nto = [{ route = \"two\" }]\n\
                  [routes.two]\npolicy = \"failover\"\nto = [{ endpoint = \"a\" }, { route = \"one\" }]\n";
    assert_error(&faults(routes), &["one", "two"]);
    let by_last_resort = "[routes.web]\npolicy = \"simple\"\nto = [{ route = \"one\" }]\n\
                          [routes.one]\npolicy = \"simple\"\nlast_resort = { route = \"web\" }\nto = [{ endpoint = \"a\" }]\n";
    assert_error(&faults(by_last_resort), &["one", "web"]);
}

#[test]
fn t6_sixteen_levels_are_taken_and_seventeen_are_not() {
    let chain = |levels: usize| {
        let mut text = String::new();
        for level in 1..=levels {
            let name = if level == 1 { "web".to_owned() } else { format!("r{level}") };
            let to =
                if level == levels { "endpoint = \"a\"".to_owned() } else { format!("route = \"r{}\"", level + 1) };
            text += &format!("[routes.{name}]\npolicy = \"simple\"\nto = [{{ {to} }}]\n");
        }
        text
    };
    assert_loads(&faults(&chain(16)));
    assert_eq!(answer(&chain(16), &[]), nth(1));
    assert_error(&faults(&chain(17)), &["16"]);
}

#[test]
fn t6_several_parents_may_share_a_route() {
    let routes = "[routes.web]\npolicy = \"failover\"\nto = [{ route = \"one\" }, { route = \"two\" }]\n\
                  [routes.one]\npolicy = \"failover\"\nto = [{ endpoint = \"a\" }, { route = \"shared\" }]\n\
                  [routes.two]\npolicy = \"failover\"\nto = [{ route = \"shared\" }, { endpoint = \"d\" }]\n\
                  [routes.shared]\npolicy = \"failover\"\nto = [{ endpoint = \"b\" }, { endpoint = \"c\" }]\n";
    assert_eq!(answer(routes, &["a"]), nth(2));
    assert_eq!(answer(routes, &["a", "b"]), nth(3));
    assert_eq!(answer(routes, &["a", "b", "c"]), nth(4));
}

#[test]
fn t7_last_resort_never_keeps_a_node_up() {
    let routes = "[routes.web]\npolicy = \"failover\"\nto = [{ route = \"pool\" }, { endpoint = \"d\" }]\n\
                  [routes.pool]\npolicy = \"failover\"\nlast_resort = { endpoint = \"f\" }\nto = [{ endpoint = \"a\" }, { endpoint = \"b\" }]\n";
    assert_eq!(answer(routes, &["a", "b"]), nth(4));
    assert_eq!(answer(routes, &["a", "b", "d"]), nth(6));
    assert_eq!(answer(routes, &["a", "b", "d", "f"]), nth(6));
}

#[test]
fn t7_the_first_node_met_on_the_way_down_answers() {
    let routes = "[routes.web]\npolicy = \"failover\"\nlast_resort = { endpoint = \"e\" }\nto = [{ route = \"pool\" }, { endpoint = \"d\" }]\n\
                  [routes.pool]\npolicy = \"failover\"\nlast_resort = { endpoint = \"f\" }\nto = [{ endpoint = \"a\" }, { endpoint = \"b\" }]\n";
    assert_eq!(answer(routes, &["a", "b", "d"]), nth(5));
    let other = "[routes.web]\npolicy = \"failover\"\nto = [{ endpoint = \"d\" }, { route = \"pool\" }]\n\
                 [routes.pool]\npolicy = \"failover\"\nlast_resort = { endpoint = \"f\" }\nto = [{ endpoint = \"a\" }, { endpoint = \"b\" }]\n";
    assert_eq!(answer(other, &["a", "b", "d"]), nth(4), "the way down goes to d, which has none");
}

#[test]
fn t7_a_last_resort_may_be_a_route() {
    let routes = "[routes.web]\npolicy = \"failover\"\nlast_resort = { route = \"pool\" }\nto = [{ endpoint = \"a\" }]\n\
                  [routes.pool]\npolicy = \"failover\"\nto = [{ endpoint = \"b\" }, { endpoint = \"c\" }]\n";
    assert_eq!(answer(routes, &["a"]), nth(2));
    assert_eq!(answer(routes, &["a", "b"]), nth(3));
    assert_eq!(answer(routes, &["a", "b", "c"]), nth(2));
    assert_eq!(answer(routes, &[]), nth(1));
}

#[test]
fn t6_a_shared_tree_that_multiplies_beyond_the_limit_is_refused_and_not_tried() {
    // Thirteen levels of four shared members each are 4^13 ways down.
    let mut routes = String::from("[routes.web]\npolicy = \"simple\"\nto = \"l0-0\"\n");
    for level in 0..13 {
        for at in 0..4 {
            let to: Vec<String> = match level {
                12 => ["a", "b", "c", "d"].iter().map(|name| format!("{{ endpoint = \"{name}\" }}")).collect(),
                _ => (0..4).map(|below| format!("{{ route = \"l{}-{below}\" }}", level + 1)).collect(),
            };
            routes += &format!("[routes.l{level}-{at}]\npolicy = \"weighted\"\nto = [{}]\n", to.join(", "));
        }
    }
    let error = rhumb::snapshot::compile(&setup(&routes).inputs(), 1, None).expect_err("it is refused");
    assert!(error.to_string().contains("limits.variants"), "{error}");
}
