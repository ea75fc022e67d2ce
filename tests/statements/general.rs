//! G: what holds for every policy.

use std::collections::BTreeSet;
use std::net::TcpListener;

use rhumb::wire::{Name, RecordType};

use super::{WWW, endpoints, nth, web};
use crate::harness::{
    Ask, Draws, Setup, assert_error, assert_loads, assert_warning, in_country, load, shared_and_zone, zone,
};

fn setup(names: &[&str], route: &str) -> Setup {
    let (records, rest) = web(names, route);
    Setup::new(&records, &rest)
}

const FAILOVER: &str = "policy = \"failover\"\nto = [{ endpoint = \"p\" }, { endpoint = \"s\" }]";

#[test]
fn g1_a_query_probes_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let rest = format!(
        "[checks.c]\ntype = \"tcp\"\nport = {port}\nallow_private = true\n[endpoints.p]\nA = \"127.0.0.1\"\n\
         check = \"c\"\n[routes.web]\npolicy = \"simple\"\nto = [{{ endpoint = \"p\" }}]"
    );
    let fixture = Setup::new("www = { route = \"web\" }", &rest).build();
    for draw in 0..100 {
        assert_eq!(fixture.ask(&Ask::a(WWW).draw(draw)).only(), "127.0.0.1");
    }
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn g2_a_member_without_a_check_is_always_up() {
    let fixture = setup(
        &["p", "-s", "t"],
        "policy = \"failover\"\nto = [{ endpoint = \"p\" }, { endpoint = \"s\" }, { endpoint = \"t\" }]",
    )
    .down(&["p"])
    .build();
    assert_eq!(fixture.ask(&Ask::a(WWW)).only(), nth(2));
}

#[test]
fn g3_weights_of_the_down_no_longer_count() {
    let route = "policy = \"weighted\"\nto = [{ endpoint = \"p\", weight = 1 }, { endpoint = \"s\", weight = 1 }, \
                 { endpoint = \"t\", weight = 98 }]";
    let counts = setup(&["p", "s", "t"], route).down(&["t"]).build().shares(&Ask::a(WWW));
    super::assert_share(&counts, &nth(1), 0.5);
    super::assert_share(&counts, &nth(2), 0.5);
}

#[test]
fn g4_all_down_answers_each_draw_as_all_up() {
    let route = "policy = \"weighted\"\nto = [{ endpoint = \"p\", weight = 3 }, { endpoint = \"s\", weight = 5 }]";
    let up = setup(&["p", "s"], route).build();
    let down = setup(&["p", "s"], route).down(&["p", "s"]).build();
    let mut draws = Draws::new(4);
    let mut seen = BTreeSet::new();
    for _ in 0..500 {
        let ask = Ask::a(WWW).draw(draws.bits());
        let answer = up.ask(&ask).only();
        assert_eq!(answer, down.ask(&ask).only());
        seen.insert(answer);
    }
    assert_eq!(seen.len(), 2);
}

#[test]
fn g4_all_down_nodata_is_an_explicit_exception_of_ten_seconds_at_most() {
    let route = format!("{FAILOVER}\nall_down = \"nodata\"");
    let fixture = setup(&["p", "s"], &route).down(&["p", "s"]).build();
    assert!(fixture.ask(&Ask::a(WWW)).assert_nodata().ttl <= 10);
    let fixture = setup(&["p", "s"], &route).down(&["p"]).build();
    assert_eq!(fixture.ask(&Ask::a(WWW)).only(), nth(2));
}

#[test]
fn g4_a_node_that_its_parent_lets_in_does_not_end_in_its_own_all_down() {
    let rest = format!(
        "{}[routes.web]\npolicy = \"failover\"\nto = [{{ route = \"pool\" }}, {{ endpoint = \"s\" }}]\n\
         [routes.pool]\npolicy = \"failover\"\nall_down = \"nodata\"\nto = [{{ endpoint = \"p\" }}]",
        endpoints(&["p", "s"])
    );
    let answer =
        |down: &[&str]| Setup::new("www = { route = \"web\" }", &rest).down(down).build().ask(&Ask::a(WWW)).only();
    assert_eq!(answer(&["p"]), nth(2));
    assert_eq!(answer(&["p", "s"]), nth(1));
}

#[test]
fn g4_a_multivalue_node_that_fails_open_answers_every_address() {
    let rest = "[checks.c]\ntype = \"tcp\"\nport = 80\n[endpoints.p]\nA = [\"192.0.2.1\", \"192.0.2.2\"]\ncheck = \"c\"\n\
                [endpoints.s]\nA = \"192.0.2.3\"\ncheck = \"c\"\n[routes.web]\npolicy = \"multivalue\"\nmin_healthy = 2\n\
                to = [{ endpoint = \"p\" }, { endpoint = \"s\" }]";
    let setup = Setup::new("www = { route = \"web\" }", rest).down_address("p", "192.0.2.2");
    assert_eq!(setup.build().ask(&Ask::a(WWW)).sorted(), [nth(1), nth(3)]);
    assert_eq!(setup.down(&["s"]).build().ask(&Ask::a(WWW)).sorted(), [nth(1), nth(2), nth(3)]);
}

#[test]
fn g5_unchecked_counts_as_up() {
    let fixture = setup(&["p", "s"], FAILOVER).unchecked("p").build();
    assert_eq!(fixture.ask(&Ask::a(WWW)).only(), nth(1));
}

#[test]
fn g6_an_endpoint_is_up_for_each_address_family_on_its_own() {
    let rest = "[checks.c]\ntype = \"tcp\"\nport = 80\n\
                [endpoints.p]\nA = \"192.0.2.1\"\nAAAA = \"2001:db8::1\"\nTXT = \"p\"\ncheck = \"c\"\n\
                [endpoints.s]\nA = \"192.0.2.2\"\nAAAA = \"2001:db8::2\"\nTXT = \"s\"\ncheck = \"c\"\n\
                [routes.web]\npolicy = \"failover\"\nto = [{ endpoint = \"p\" }, { endpoint = \"s\" }]";
    let half = Setup::new("www = { route = \"web\" }", rest).down_address("p", "192.0.2.1").build();
    assert_eq!(half.ask(&Ask::a(WWW)).only(), nth(2));
    assert_eq!(half.ask(&Ask::aaaa(WWW)).only(), "2001:db8::1");
    assert_eq!(half.ask(&Ask::of(WWW, RecordType::TXT)).answer[0].rdata, b"\x01p");
    let whole = Setup::new("www = { route = \"web\" }", rest).down(&["p"]).build();
    assert_eq!(whole.ask(&Ask::of(WWW, RecordType::TXT)).answer[0].rdata, b"\x01s");
}

#[test]
fn g6_a_member_without_the_type_is_no_member_for_it() {
    let rest = "[endpoints.p]\nA = \"192.0.2.1\"\n[endpoints.s]\nA = \"192.0.2.2\"\nAAAA = \"2001:db8::2\"\n\
                [routes.web]\npolicy = \"failover\"\nto = [{ endpoint = \"p\" }, { endpoint = \"s\" }]";
    let fixture = Setup::new("www = { route = \"web\" }", rest).build();
    assert_eq!(fixture.ask(&Ask::a(WWW)).only(), nth(1));
    assert_eq!(fixture.ask(&Ask::aaaa(WWW)).only(), "2001:db8::2");
    let rest = rest.replace("::2\"\n", "::2\"\ncheck = \"c\"\n");
    let setup = Setup::new("www = { route = \"web\" }", &format!("[checks.c]\ntype = \"tcp\"\nport = 80\n{rest}"));
    assert_eq!(setup.down(&["s"]).build().ask(&Ask::aaaa(WWW)).only(), "2001:db8::2", "nor where the node fails open");
}

#[test]
fn g6_a_client_without_a_type_that_others_get_is_an_error() {
    let endpoints =
        "[endpoints.four]\nA = \"192.0.2.1\"\n[endpoints.both]\nA = \"192.0.2.2\"\nAAAA = \"2001:db8::2\"\n";
    let route = "[routes.web]\npolicy = \"geolocation\"\nfence = true\nto = [{ where = \"country:DE\", endpoint = \
                 \"four\" }, { where = \"default\", endpoint = \"both\" }]";
    assert_error(&load(&zone("www = { route = \"web\" }", &format!("{endpoints}{route}"))), &["AAAA"]);
}

#[test]
fn g6_a_and_aaaa_from_different_members_is_a_warning_that_names_both() {
    let endpoints =
        "[endpoints.four]\nA = \"192.0.2.1\"\n[endpoints.both]\nA = \"192.0.2.2\"\nAAAA = \"2001:db8::2\"\n";
    let route = "[routes.web]\npolicy = \"geolocation\"\nto = [{ where = \"country:DE\", endpoint = \"four\" }, \
                 { where = \"default\", endpoint = \"both\" }]";
    let loaded = load(&zone("www = { route = \"web\" }", &format!("{endpoints}{route}")));
    assert_warning(&loaded, &["AAAA", "four", "both"]);
    let route = "[routes.web]\npolicy = \"geolocation\"\nto = [{ where = \"default\", endpoint = \"both\" }, \
                 { where = \"country:DE\", endpoint = \"four\" }]";
    let loaded = load(&zone("www = { route = \"web\" }", &format!("{endpoints}{route}")));
    assert_warning(&loaded, &["AAAA", "four", "both"]);
}

#[test]
fn g7_the_ttl_is_the_owners_else_the_root_routes_else_thirty_seconds() {
    let rest = "[endpoints.p]\nA = \"192.0.2.1\"\n\
                [routes.bare]\npolicy = \"simple\"\nto = [{ endpoint = \"p\" }]\n\
                [routes.timed]\npolicy = \"simple\"\nttl = \"20s\"\nto = [{ endpoint = \"p\" }]";
    let records = "a = { route = \"bare\" }\nb = { route = \"timed\" }\nc = { route = \"timed\", ttl = \"7s\" }";
    let fixture = Setup::new(records, rest).build();
    for (name, ttl) in [("a.example.com.", 30), ("b.example.com.", 20), ("c.example.com.", 7)] {
        assert_eq!(fixture.ask(&Ask::a(name)).ttl(), ttl, "{name}");
    }
}

#[test]
fn g7_inner_routes_and_endpoints_carry_no_ttl() {
    let inner = "[endpoints.p]\nA = \"192.0.2.1\"\n\
                 [routes.inner]\npolicy = \"simple\"\nttl = \"20s\"\nto = [{ endpoint = \"p\" }]\n\
                 [routes.web]\npolicy = \"simple\"\nto = [{ route = \"inner\" }]";
    assert_error(&load(&zone("www = { route = \"web\" }", inner)), &["ttl"]);
    let endpoint = "[endpoints.p]\nA = \"192.0.2.1\"\nttl = \"20s\"\n\
                    [routes.web]\npolicy = \"simple\"\nto = [{ endpoint = \"p\" }]";
    assert_error(&load(&zone("www = { route = \"web\" }", endpoint)), &["ttl"]);
    let zero = "[endpoints.p]\nA = \"192.0.2.1\"\n[routes.web]\npolicy = \"simple\"\nto = [{ endpoint = \"p\" }]";
    assert_error(&load(&zone("www = { route = \"web\", ttl = \"0s\" }", zero)), &["ttl"]);
}

#[test]
fn g8_ties_go_to_the_member_listed_first() {
    for policy in ["geoproximity", "latency"] {
        for (order, first) in [(["p", "s"], 1), (["s", "p"], 2)] {
            let rest = format!(
                "[endpoints.p]\nA = \"192.0.2.1\"\nat = \"10,20\"\n[endpoints.s]\nA = \"192.0.2.2\"\nat = \"10,-20\"\n\
                 [routes.web]\npolicy = \"{policy}\"\nto = [{{ endpoint = \"{}\" }}, {{ endpoint = \"{}\" }}]",
                order[0], order[1]
            );
            let fixture = Setup::new("www = { route = \"web\" }", &rest)
                .place("81.2.69.0/24", in_country("DE", Some((50.0, 0.0))))
                .build();
            for draw in [0, u64::MAX / 2 + 9, u64::MAX] {
                let ask = Ask::a(WWW).subnet("81.2.69.0/24").draw(draw);
                assert_eq!(fixture.ask(&ask).only(), nth(first), "{policy}");
            }
        }
    }
}

#[test]
fn g9_other_types_come_from_the_names_own_records_else_nodata() {
    let (_, rest) = web(&["p"], "policy = \"simple\"\nto = [{ endpoint = \"p\" }]");
    let fixture = Setup::new("www = { route = \"web\", TXT = \"own\" }", &rest).build();
    assert_eq!(fixture.ask(&Ask::of(WWW, RecordType::TXT)).answer[0].rdata, b"\x03own");
    assert_eq!(fixture.ask(&Ask::of(WWW, RecordType::TXT)).ttl(), 300);
    assert_eq!(fixture.ask(&Ask::a(WWW)).only(), nth(1));
    let soa = fixture.ask(&Ask::of(WWW, RecordType::MX)).assert_nodata().clone();
    assert_eq!((soa.ttl, soa.soa_minimum()), (60, 60));
}

#[test]
fn g9_a_type_in_records_and_in_the_route_is_an_error() {
    let (_, rest) = web(&["p"], "policy = \"simple\"\nto = [{ endpoint = \"p\" }]");
    assert_error(&load(&zone("www = { route = \"web\", A = \"192.0.2.9\" }", &rest)), &["A"]);
}

#[test]
fn g9_names_above_a_steered_name_exist() {
    let (_, rest) = web(&["p"], "policy = \"simple\"\nto = [{ endpoint = \"p\" }]");
    let fixture = Setup::new("\"a.b.c\" = { route = \"web\" }", &rest).build();
    assert_eq!(fixture.ask(&Ask::a("a.b.c.example.com.")).only(), nth(1));
    for name in ["b.c.example.com.", "c.example.com."] {
        fixture.ask(&Ask::a(name)).assert_nodata();
    }
    fixture.ask(&Ask::a("x.b.c.example.com.")).assert_nxdomain();
}

const CNAMES: &str = "[endpoints.p]\nCNAME = \"p.example.net.\"\n[endpoints.s]\nCNAME = \"s.example.net.\"\n\
                      [routes.web]\npolicy = \"failover\"\nto = [{ endpoint = \"p\" }, { endpoint = \"s\" }]";

#[test]
fn g9_a_route_of_cnames_answers_every_type_with_the_cname() {
    let fixture = Setup::new("www = { route = \"web\" }", CNAMES).build();
    for rtype in [RecordType::A, RecordType::AAAA, RecordType::MX, RecordType::CNAME, RecordType(731)] {
        let reply = fixture.ask(&Ask::of(WWW, rtype));
        assert_eq!(reply.answer.len(), 1, "{rtype}");
        assert_eq!(reply.answer[0].rtype, RecordType::CNAME);
        assert_eq!(reply.answer[0].name(), Name::absolute("p.example.net.").unwrap());
        assert_eq!(reply.rcode, 0);
    }
}

#[test]
fn g9_a_route_of_cnames_is_followed_inside_the_zone() {
    let rest = "[endpoints.p]\nCNAME = \"origin\"\n[routes.web]\npolicy = \"simple\"\nto = [{ endpoint = \"p\" }]";
    let fixture = Setup::new("www = { route = \"web\" }\norigin = { A = \"192.0.2.7\" }", rest).build();
    let reply = fixture.ask(&Ask::a(WWW));
    assert_eq!(reply.answer.len(), 2);
    assert_eq!(reply.addresses()[0].to_string(), nth(7));
}

#[test]
fn g9_a_route_of_cnames_stands_neither_at_the_apex_nor_beside_data_nor_among_addresses() {
    let apex =
        format!("zone = \"example.com\"\n[records]\n\"@\" = {{ NS = \"ns.example.net.\", route = \"web\" }}\n{CNAMES}");
    assert_error(&load(&apex), &["CNAME"]);
    assert_error(&load(&zone("www = { route = \"web\", TXT = \"x\" }", CNAMES)), &["CNAME"]);
    let mixed = CNAMES.replace("CNAME = \"s.example.net.\"", "A = \"192.0.2.1\"");
    assert_error(&load(&zone("www = { route = \"web\" }", &mixed)), &["CNAME"]);
}

#[test]
fn g10_a_drained_endpoint_takes_no_part_in_failing_open() {
    let fixture = setup(&["p", "s"], FAILOVER).down(&["p", "s"]).drained(&["p"]).build();
    assert_eq!(fixture.ask(&Ask::a(WWW)).only(), nth(2));
    let fixture = setup(&["p", "s"], FAILOVER).drained(&["p"]).build();
    assert_eq!(fixture.ask(&Ask::a(WWW)).only(), nth(2));
}

#[test]
fn g10_a_member_with_status_down_takes_no_part_in_panic() {
    let route = "policy = \"multivalue\"\nmin_healthy = 2\nto = [{ endpoint = \"p\" }, { endpoint = \"s\" }, \
                 { endpoint = \"t\", status = \"down\" }]";
    let fixture = setup(&["p", "s", "t"], route).down(&["s"]).build();
    assert_eq!(fixture.ask(&Ask::a(WWW)).sorted(), [nth(1), nth(2)]);
}

#[test]
fn g10_up_goes_before_last_resort_and_last_resort_before_failing_open() {
    let route = format!("{FAILOVER}\nlast_resort = {{ endpoint = \"l\" }}");
    let answer = |down: &[&str], drained: &[&str]| {
        setup(&["p", "s", "l"], &route).down(down).drained(drained).build().ask(&Ask::a(WWW)).only()
    };
    assert_eq!(answer(&["p"], &[]), nth(2));
    assert_eq!(answer(&["p", "s"], &[]), nth(3));
    assert_eq!(answer(&["p", "s", "l"], &[]), nth(3));
    assert_eq!(answer(&["p", "s"], &["l"]), nth(1));
    assert_eq!(answer(&["s"], &["p"]), nth(3));
}

#[test]
fn g10_when_everything_is_drained_by_force_the_drained_answer() {
    let fixture = setup(&["p", "s"], FAILOVER).drained(&["p", "s"]).build();
    assert_eq!(fixture.ask(&Ask::a(WWW)).only(), nth(1));
}

#[test]
fn g10_status_up_is_up_whatever_the_check_says() {
    let member = "policy = \"failover\"\nto = [{ endpoint = \"p\", status = \"up\" }, { endpoint = \"s\" }]";
    assert_eq!(setup(&["p", "s"], member).down(&["p"]).build().ask(&Ask::a(WWW)).only(), nth(1));
    let (records, rest) = web(&["p", "s"], FAILOVER);
    let rest = rest.replace("A = \"192.0.2.1\"", "A = \"192.0.2.1\"\nstatus = \"up\"");
    assert_eq!(Setup::new(&records, &rest).down(&["p"]).build().ask(&Ask::a(WWW)).only(), nth(1));
    let rest = rest.replace("status = \"up\"", "status = \"down\"");
    assert_eq!(Setup::new(&records, &rest).down(&["s"]).build().ask(&Ask::a(WWW)).only(), nth(2));
}

#[test]
fn a_shared_file_lends_its_endpoints_and_routes() {
    let shared = endpoints(&["p"]) + "[routes.pool]\npolicy = \"simple\"\nto = [{ endpoint = \"p\" }]";
    assert_loads(&shared_and_zone(&shared, &zone("www = { route = \"pool\" }", "")));
    let fixture = Setup::new("www = { route = \"pool\" }", "").file("shared.toml", &shared).build();
    assert_eq!(fixture.ask(&Ask::a(WWW)).only(), nth(1));
}
