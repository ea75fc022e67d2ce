//! What written things become in the model.

use super::*;
use crate::world::CountryCode;

/// A zone of this name with an apex NS and the given text below `[records]`.
fn zone(name: &str, rest: &str) -> String {
    format!("zone = \"{name}\"\n[records]\n\"@\" = {{ NS = \"ns.example.net.\" }}\n{rest}")
}

fn one(rest: &str) -> Model {
    model(&[("zones/example.com.toml", &zone("example.com", rest))])
}

fn probe<'m>(model: &'m Model, key: &str) -> (ProbeId, &'m Probe) {
    let index = model.probes.iter().position(|probe| probe.key == key);
    let keys: Vec<_> = model.probes.iter().map(|probe| &probe.key).collect();
    let index = index.unwrap_or_else(|| panic!("{key} among {keys:?}"));
    (ProbeId(index as u32), &model.probes[index])
}

const CHECKED: &str = r#"
www = { route = "web" }
[endpoints.a]
A = ["192.0.2.1", "192.0.2.2"]
check = "both"
[endpoints.b]
A = "192.0.2.3"
check = "http"
[checks.http]
type = "http"
[checks.tcp]
type = "tcp"
port = 5432
[checks.both]
type = "calculated"
of = ["http", "tcp", "b.tcp"]
at_least = 2
[routes.web]
policy = "failover"
to = [{ endpoint = "a", check = "http" }, "b"]
"#;

#[test]
fn h6_each_address_of_an_endpoint_is_probed_once_for_each_check() {
    let model = one(CHECKED);
    let keys: Vec<_> = model.probes.iter().map(|probe| probe.key.as_str()).collect();
    let mut distinct = keys.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(keys.len(), distinct.len(), "{keys:?}");
    let http: Vec<_> = keys.iter().filter(|key| key.starts_with("example.com/http|")).collect();
    assert_eq!(http.len(), 3, "the member's check and the operand are one probe: {http:?}");
    let Health::PerAddress(member) = &model.routes[0].members[0].health else { panic!() };
    assert_eq!(member[1].1, probe(&model, "example.com/http|example.com/a|192.0.2.2").0);
}

#[test]
fn h7_a_bare_operand_is_the_check_at_the_same_address_and_a_dotted_one_at_any_of_the_endpoint() {
    let model = one(CHECKED);
    let Health::PerAddress(each) = &model.endpoints[0].health else { panic!() };
    assert_eq!(each.iter().map(|(address, _)| address.to_string()).collect::<Vec<_>>(), ["192.0.2.1", "192.0.2.2"]);
    let second = model.probe(each[1].1);
    let expected = vec![
        vec![probe(&model, "example.com/http|example.com/a|192.0.2.2").0],
        vec![probe(&model, "example.com/tcp|example.com/a|192.0.2.2").0],
        vec![probe(&model, "example.com/tcp|example.com/b|192.0.2.3").0],
    ];
    assert_eq!(second.subject, Subject::Calculated(expected));
    assert_eq!(second.endpoint, Some(EndpointId(0)));
}

#[test]
fn h6_a_check_with_a_target_speaks_for_the_whole_endpoint_or_member() {
    let model = one(r#"
www = { route = "web" }
[endpoints.cdn]
CNAME = "x.example.net."
check = "origin"
[checks.origin]
type = "https"
target = "origin.example.net:8443"
disabled = true
[routes.web]
policy = "failover"
to = [{ route = "inner", check = "origin" }]
[routes.inner]
policy = "simple"
to = "cdn"
"#);
    let (of_endpoint, first) = probe(&model, "example.com/origin|example.com/cdn|origin.example.net:8443");
    let (of_member, second) = probe(&model, "example.com/origin||origin.example.net:8443");
    assert_eq!(model.endpoints[0].health, Health::Whole(of_endpoint));
    assert_eq!(model.routes[0].members[0].health, Health::Whole(of_member));
    assert_eq!(first.subject, Subject::Target(ProbeTarget { host: "origin.example.net".into(), port: Some(8443) }));
    assert_eq!((second.endpoint, first.definition), (None, second.definition));
    assert!(model.checks[0].disabled, "the probe stays; the check says that it never runs");
}

#[test]
fn g5_a_changed_check_has_another_definition_and_a_changed_name_of_a_zone_file_has_not() {
    let before = one(CHECKED);
    let same = model(&[("zones/other.toml", &zone("example.com", CHECKED))]);
    let changed = one(&CHECKED.replace("type = \"http\"\n", "type = \"http\"\npath = \"/up\"\n"));
    let key = "example.com/http|example.com/b|192.0.2.3";
    let definition = |model: &Model, key: &str| probe(model, key).1.definition;
    assert_eq!(definition(&before, key), definition(&same, key));
    assert_ne!(definition(&before, key), definition(&changed, key));
    let both = "example.com/both|example.com/a|192.0.2.1";
    assert_ne!(definition(&before, both), definition(&changed, both), "what it counts changed");
    let tcp = "example.com/tcp|example.com/b|192.0.2.3";
    assert_eq!(definition(&before, tcp), definition(&changed, tcp));
    for (old, new) in [("port = 5432", "port = 5433"), ("port = 5432", "port = 5432\nexpect = \"ok\"")] {
        assert_ne!(definition(&before, tcp), definition(&one(&CHECKED.replace(old, new)), tcp), "{new}");
    }
}

#[test]
fn h1_h2_h4_what_a_check_does_not_say_is_as_documented() {
    let model = one("www = { route = \"web\" }\n[endpoints.a]\nA = \"192.0.2.1\"\ncheck = \"https\"\n[checks.https]\n\
                     type = \"https\"\n[routes.web]\npolicy = \"simple\"\nto = [{ endpoint = \"a\" }]\n");
    let check = &model.checks[0];
    assert_eq!((check.interval.as_millis(), check.timeout.as_millis()), (5000, 2000));
    assert_eq!((check.fall, check.rise), (3, 2));
    assert!(!check.inverted && !check.disabled && !check.allow_private);
    let CheckKind::Http { status, verify, .. } = &check.kind else { panic!("{check:?}") };
    assert_eq!((&status[..], *verify), (&[(200, 399)][..], true));
}

#[test]
fn h6_addresses_of_both_families_are_probed() {
    let model = one(
        "www = { route = \"web\" }\n[endpoints.a]\nA = \"192.0.2.1\"\nAAAA = [\"2001:db8::1\", \"2001:db8::2\"]\n\
                     check = \"http\"\n[checks.http]\ntype = \"http\"\n[routes.web]\npolicy = \"simple\"\nto = [{ endpoint = \"a\" }]\n",
    );
    for address in ["192.0.2.1", "2001:db8::1", "2001:db8::2"] {
        let subject = &probe(&model, &format!("example.com/http|example.com/a|{address}")).1.subject;
        assert_eq!(*subject, Subject::Address(address.parse().unwrap()));
    }
    assert_eq!(model.probes.len(), 3);
}

#[test]
fn a_list_of_endpoints_is_an_unnamed_multivalue_route_after_the_named_ones() {
    let model = one(r#"
www = { route = "web" }
[endpoints.fra]
A = "192.0.2.1"
at = "DE"
[endpoints.lux]
A = "192.0.2.2"
at = "LU"
[checks.http]
type = "http"
[routes.web]
policy = "geoproximity"
to = ["lux", { endpoints = ["fra", "lux"], check = "http", bias = 5 }]
"#);
    let member = &model.routes[0].members[1];
    assert_eq!((member.name.as_str(), member.target, member.bias), ("fra+lux", Target::Route(RouteId(1)), 5));
    assert_eq!(member.at, model.endpoints[0].at, "it lies where its first endpoint does");
    let unnamed = &model.routes[1];
    assert_eq!(
        (unnamed.name.as_str(), unnamed.policy, unnamed.max_answers),
        ("example.com/web#2", Policy::Multivalue, 8)
    );
    assert!(matches!(unnamed.members[0].health, Health::PerAddress(_)), "the member's check runs at each");
    assert_eq!(member.health, Health::Unchecked);
}

#[test]
fn g7_the_reply_ttl_is_the_owners_else_the_routes_else_thirty_seconds() {
    let model = one(r#"
a = { route = "r", ttl = "10s" }
b = { route = "r" }
c = { route = "s" }
[endpoints.e]
A = "192.0.2.1"
[routes.r]
policy = "simple"
to = "e"
ttl = "20s"
[routes.s]
policy = "simple"
to = "e"
"#);
    let ttls: Vec<_> = model.zones[0].steered.iter().map(|steered| steered.ttl).collect();
    assert_eq!(ttls, [10, 20, 30]);
}

#[test]
fn places_unfold_into_locations_and_built_in_ones_need_no_definition() {
    let files = [
        (
            "zones/example.com.toml",
            &*zone(
                "example.com",
                r#"
www = { route = "web" }
[endpoints.e]
A = "192.0.2.1"
[places]
dach = ["country:DE", "place:alps"]
alps = ["country:AT", "country:CH"]
office = { file = "nets.txt" }
[routes.web]
policy = "geolocation"
to = [{ where = "place:dach", endpoint = "e" }, { where = ["place:office", "asn:AS64500"], endpoint = "e" },
      { where = "default", endpoint = "e" }]
[routes.eu]
policy = "geolocation"
no_match = "nodata"
to = { where = ["place:EU27", "place:EEA"], endpoint = "e" }
"#,
            ),
        ),
        ("zones/nets.txt", "# the office\n192.0.2.0/24\n2001:db8::/48 # both\n"),
    ];
    let model = model(&files);
    let locations = |route: usize, member: usize| &model.routes[route].members[member].locations;
    let country = |code| Location::Country(CountryCode::new(code).unwrap());
    assert_eq!(*locations(0, 0), [country("DE"), country("AT"), country("CH")]);
    let nets = ["192.0.2.0/24", "2001:db8::/48"].map(|net| Location::Net(net.parse().unwrap()));
    assert_eq!(*locations(0, 1), [nets[0], nets[1], Location::Asn(64_500)]);
    assert_eq!(locations(1, 0).len(), 30, "27 and Iceland, Liechtenstein, Norway");
}

#[test]
fn names_mean_the_own_zones_then_the_shared_then_the_only_definition() {
    let endpoint = |name: &str| format!("[endpoints.{name}]\nA = \"192.0.2.1\"\n");
    let route = |name: &str, to: &str| format!("[routes.{name}]\npolicy = \"weighted\"\nto = {to}\n");
    let a = zone("a.example", &endpoint("e"));
    let b = zone("b.example", &(endpoint("e") + &endpoint("only") + &route("r", r#"["e", "pool"]"#)));
    let r = route("r", r#"["only", "a.example/e"]"#);
    let c = zone("c.example", &format!("w = {{ route = \"b.example/r\" }}\n{r}"));
    let model = model(&[
        ("zones/shared.toml", &endpoint("pool")),
        ("zones/a.toml", &a),
        ("zones/b.toml", &b),
        ("zones/c.toml", &c),
    ]);
    let target = |route: &str, member: usize| {
        let route = model.routes.iter().find(|known| known.name == route).unwrap();
        match route.members[member].target {
            Target::Endpoint(id) => model.endpoint(id).name.as_str(),
            Target::Route(_) => panic!(),
        }
    };
    assert_eq!((target("b.example/r", 0), target("b.example/r", 1)), ("b.example/e", "pool"));
    assert_eq!((target("c.example/r", 0), target("c.example/r", 1)), ("b.example/only", "a.example/e"));
    let steered = &model.zones[2].steered[0];
    assert_eq!(model.route(steered.route).name, "b.example/r");
}

#[test]
fn long_texts_become_several_character_strings_and_quoted_ones_are_master_file_text() {
    let long = "x".repeat(300);
    let model = one(&format!("t = {{ TXT = [\"{long}\", '\"a b\" c'] }}\n"));
    let txt = model.zones[0].records.iter().find(|set| set.rtype == RecordType::TXT).unwrap();
    let rdata: Vec<&[u8]> = txt.rdata.iter().collect();
    assert_eq!((rdata[0].len(), rdata[0][0], rdata[0][256]), (302, 255, 45));
    assert_eq!(rdata[1], b"\x03a b\x01c");
}

#[test]
fn sticky_takes_the_routes_name_or_a_salt_and_tolerance_is_in_tenths() {
    let model = one(r#"
[endpoints.e]
A = "192.0.2.1"
region = "here"
[routes.r]
policy = "weighted"
sticky = true
min_healthy = "50%"
to = "e"
[routes.s]
policy = "weighted"
sticky = "salt"
to = "e"
[routes.t]
policy = "latency"
tolerance = "10ms"
to = "e"
"#);
    assert_eq!(model.routes[0].sticky.as_deref(), Some("example.com/r"));
    assert_eq!(model.routes[0].min_healthy, MinHealthy::Percent(50));
    assert_eq!(model.routes[1].sticky.as_deref(), Some("salt"));
    assert_eq!((model.routes[2].tolerance, model.routes[2].members[0].region.as_deref()), (100, Some("here")));
}
