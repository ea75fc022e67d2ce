#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::time::Duration;

use super::super::survey::Configured;
use super::super::walk::Found;
use super::*;
use crate::wire::RecordType;

fn name(text: &str) -> Name {
    Name::absolute(text).unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn probed(server: &str, address: &str) -> Probed {
    let spoken = Spoken {
        rcode: 0,
        authoritative: true,
        truncated: false,
        serial: Some(7),
        subnet: true,
        with_subnet: Ok(0),
        form: Form::Subnet,
        took: Duration::ZERO,
    };
    Probed { name: name(server), address: ip(address), udp: Ok(spoken), tcp: Ok(Duration::ZERO), servers: served() }
}

fn served() -> BTreeSet<Name> {
    [name("ns1.a.test"), name("ns2.b.test")].into()
}

fn found(address: &str) -> Found {
    Found { addresses: [ip(address)].into(), ..Found::default() }
}

/// A zone in good order: one server with glue, one elsewhere.
fn healthy() -> Facts {
    let delegation = Delegation { servers: served(), glue: [(name("ns1.a.test"), [ip("192.0.2.1")].into())].into() };
    let host = |number: u8| Host {
        name: Some(name("ns.nic.test")),
        address: SocketAddr::new(IpAddr::from([192, 0, 2, number]), 53),
    };
    Facts {
        zone: name("a.test"),
        parent: name("test"),
        parents: vec![(host(200), Said::Delegation(delegation.clone())), (host(201), Said::Delegation(delegation))],
        configured: None,
        probed: vec![probed("ns1.a.test", "192.0.2.1"), probed("ns2.b.test", "192.0.2.2")],
        known: [(name("ns1.a.test"), found("192.0.2.1")), (name("ns2.b.test"), found("192.0.2.2"))].into(),
    }
}

fn delegation_of(facts: &mut Facts, server: usize) -> &mut Delegation {
    match &mut facts.parents[server].1 {
        Said::Delegation(delegation) => delegation,
        _ => unreachable!(),
    }
}

fn known<'a>(facts: &'a mut Facts, server: &str) -> &'a mut Found {
    facts.known.get_mut(&name(server)).unwrap()
}

/// The codes of what is found after a change.
fn codes<T>(change: impl FnOnce(&mut Facts) -> T) -> Vec<&'static str> {
    let mut facts = healthy();
    change(&mut facts);
    let findings = judge(&facts);
    for finding in &findings {
        assert!(!finding.what.ends_with('.') || finding.what.ends_with("test."), "{finding:?}");
        assert!(!finding.help.is_empty());
    }
    findings.iter().map(|finding| finding.code).collect()
}

fn spoken(probed: &mut Probed) -> &mut Spoken {
    probed.udp.as_mut().unwrap()
}

#[test]
fn a_zone_in_good_order_has_no_findings() {
    assert_eq!(codes(|_| {}), [""; 0]);
}

#[test]
fn glue_is_missing_wrong_or_partial() {
    let glue = |change: fn(&mut BTreeSet<IpAddr>)| {
        codes(|facts| {
            for server in 0..2 {
                change(delegation_of(facts, server).glue.get_mut(&name("ns1.a.test")).unwrap());
            }
        })
    };
    assert_eq!(glue(BTreeSet::clear), ["missing-glue"]);
    assert_eq!(glue(|all| *all = [ip("192.0.2.9")].into()), ["wrong-glue"]);
    let partial = codes(|facts| known(facts, "ns1.a.test").addresses.insert(ip("2001:db8::1")));
    assert_eq!(partial, ["partial-glue"]);
}

#[test]
fn glue_of_a_family_that_nobody_answers_for_is_not_judged() {
    let with_glue = |address: &str, unanswered: RecordType| {
        codes(|facts| {
            for server in 0..2 {
                delegation_of(facts, server).glue.get_mut(&name("ns1.a.test")).unwrap().insert(ip(address));
            }
            known(facts, "ns1.a.test").unanswered.insert(unanswered);
        })
    };
    assert_eq!(with_glue("2001:db8::1", RecordType::AAAA), ["address-unknown"]);
    assert_eq!(with_glue("2001:db8::1", RecordType::A), ["wrong-glue", "address-unknown"]);
    assert_eq!(with_glue("192.0.2.9", RecordType::AAAA), ["wrong-glue", "address-unknown"]);
    assert_eq!(with_glue("192.0.2.9", RecordType::A), ["address-unknown"]);
}

#[test]
fn an_address_that_only_wrong_glue_gives_is_told_of_once() {
    let found = codes(|facts| {
        for server in 0..2 {
            delegation_of(facts, server).glue.get_mut(&name("ns1.a.test")).unwrap().insert(ip("192.0.2.9"));
        }
        let silent = Probed { udp: Err(Silence::Late), tcp: Err(Silence::Late), ..probed("ns1.a.test", "192.0.2.9") };
        facts.probed.push(silent);
    });
    assert_eq!(found, ["wrong-glue"]);
}

#[test]
fn names_of_servers_differ_between_the_parent_the_zone_and_the_configuration() {
    let everywhere = |servers: [&str; 2]| {
        codes(|facts| facts.probed.iter_mut().for_each(|probed| probed.servers = servers.map(name).into()))
    };
    assert_eq!(everywhere(["ns1.a.test", "ns3.b.test"]), ["ns-differ"; 2]);
    assert_eq!(everywhere(["ns1.a.test", "ns1.a.test"]), ["ns-differ"]);
    assert_eq!(codes(|facts| facts.probed[1].servers.remove(&name("ns1.a.test"))), ["servers-differ"]);
    let configured = Configured { servers: [name("ns1.a.test")].into(), ..Configured::default() };
    assert_eq!(codes(|facts| facts.configured = Some(configured)), ["not-as-configured"]);
}

#[test]
fn a_parent_may_deny_differ_be_silent_or_hide_the_delegation() {
    assert_eq!(codes(|facts| facts.parents[0].1 = Said::Nothing(3)), ["not-delegated"]);
    assert_eq!(codes(|facts| facts.parents[0].1 = Said::Silent(Silence::Late)), ["parent-silent"]);
    assert_eq!(codes(|facts| facts.parents[0].1 = Said::Silent(Silence::NoRoute)), [""; 0]);
    let hide = |facts: &mut Facts| facts.parents.iter_mut().for_each(|parent| parent.1 = Said::Serves(served()));
    assert_eq!(codes(hide), ["delegation-hidden"]);
    let differ = codes(|facts| delegation_of(facts, 1).servers.insert(name("ns3.b.test")));
    assert!(differ.contains(&"parents-differ"), "{differ:?}");
}

#[test]
fn a_zone_none_of_whose_servers_was_asked_is_never_in_good_order() {
    let unasked = |said: Said| {
        codes(|facts| {
            facts.parents.iter_mut().for_each(|parent| parent.1 = said.clone());
            facts.probed.clear();
            facts.known.clear();
        })
    };
    assert_eq!(unasked(Said::Serves(served())), ["no-address", "no-address", "delegation-hidden"]);
    assert_eq!(unasked(Said::Silent(Silence::Late)), ["no-servers", "parent-silent"]);
    assert_eq!(unasked(Said::Nothing(3)), ["not-delegated"], "it is told why");
}

#[test]
fn a_server_may_be_silent_on_either_transport_or_on_both() {
    let closed = || Silence::Failed("port 53 is closed".to_owned());
    assert_eq!(codes(|facts| facts.probed[0].tcp = Err(closed())), ["no-tcp"]);
    assert_eq!(codes(|facts| facts.probed[0].udp = Err(Silence::Late)), ["no-udp"]);
    let both = |facts: &mut Facts| (facts.probed[0].udp, facts.probed[0].tcp) = (Err(Silence::Late), Err(closed()));
    assert_eq!(codes(both), ["unreachable"]);
}

#[test]
fn a_server_that_does_not_serve_the_zone_is_lame_in_whatever_way() {
    for change in [
        |spoken: &mut Spoken| spoken.authoritative = false,
        |spoken: &mut Spoken| spoken.rcode = 5,
        |spoken: &mut Spoken| spoken.serial = None,
    ] {
        assert_eq!(codes(|facts| change(spoken(&mut facts.probed[1]))), ["lame"]);
    }
}

#[test]
fn nothing_is_said_of_a_truncated_answer_where_there_is_no_tcp() {
    let truncated = |facts: &mut Facts| {
        let spoken = spoken(&mut facts.probed[1]);
        (spoken.truncated, spoken.serial) = (true, None);
    };
    assert_eq!(codes(truncated), ["lame"], "over TCP it was no other");
    let without_tcp = codes(|facts| {
        truncated(facts);
        facts.probed[1].tcp = Err(Silence::Late);
    });
    assert_eq!(without_tcp, ["no-tcp"]);
}

#[test]
fn a_client_subnet_is_missed_where_a_zone_is_known_to_steer() {
    let deaf = |facts: &mut Facts| spoken(&mut facts.probed[1]).subnet = false;
    assert_eq!(codes(deaf), [""; 0], "of a zone that is not configured here nothing is known");
    for (steers, expected) in [(true, &["no-subnet"][..]), (false, &[])] {
        let configured = Configured { servers: served(), steers, ..Configured::default() };
        let found = codes(|facts| {
            deaf(facts);
            facts.configured = Some(configured);
        });
        assert_eq!(found, expected);
    }
}

#[test]
fn a_server_that_answers_without_edns_or_without_client_subnets_only_is_told_of_in_any_zone() {
    assert_eq!(codes(|facts| spoken(&mut facts.probed[1]).form = Form::Plain), ["no-edns"]);
    for (with_subnet, words) in [
        (Ok(5), "refuses queries with a client subnet (REFUSED)"),
        (Ok(0), "truncates"),
        (Err(Silence::Late), "does not answer queries with a client subnet"),
    ] {
        let mut facts = healthy();
        facts.configured = None;
        let spoken = spoken(&mut facts.probed[1]);
        (spoken.form, spoken.subnet, spoken.with_subnet) = (Form::Edns, false, with_subnet);
        let findings = judge(&facts);
        assert_eq!((findings.len(), findings[0].code), (1, "no-subnet"));
        assert!(findings[0].what.contains(words), "{findings:?}");
    }
}

#[test]
fn serials_are_compared_in_their_own_arithmetic() {
    let mut facts = healthy();
    spoken(&mut facts.probed[0]).serial = Some(u32::MAX);
    spoken(&mut facts.probed[1]).serial = Some(2);
    let findings = judge(&facts);
    assert_eq!(findings.len(), 1);
    assert_eq!((findings[0].code, &findings[0].at[0][..]), ("stale-serial", "ns1.a.test. (192.0.2.1)"));
}

#[test]
fn a_machine_without_a_route_says_what_it_has_not_seen() {
    let unseen = |probed: &mut Probed| (probed.udp, probed.tcp) = (Err(Silence::NoRoute), Err(Silence::NoRoute));
    let mut facts = healthy();
    unseen(&mut facts.probed[1]);
    let findings = judge(&facts);
    assert_eq!((findings.len(), findings[0].severity), (1, Severity::Note));
    unseen(&mut facts.probed[0]);
    assert_eq!(judge(&facts)[0].severity, Severity::Error, "nothing was seen at all");
}

#[test]
fn a_server_elsewhere_without_an_address_is_told_of() {
    let found = codes(|facts| {
        facts.known.remove(&name("ns2.b.test"));
        facts.probed.pop();
    });
    assert_eq!(found, ["no-address"]);
    let mut facts = healthy();
    *known(&mut facts, "ns2.b.test") = Found { unanswered: [RecordType::AAAA].into(), ..Found::default() };
    facts.probed.pop();
    let findings = judge(&facts);
    assert_eq!((findings.len(), findings[0].code), (1, "no-address"));
    assert!(findings[0].what.contains("nobody answers for AAAA"), "{findings:?}");
}
