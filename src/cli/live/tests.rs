//! Whole checks of a world of servers that misbehave.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod world;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::rdata::CNAME;
use hickory_proto::rr::{Name as ProtoName, RData};

use super::exchange::Form;
use super::judge::Finding;
use super::survey::Configured;
use crate::wire::{Name, RecordType};
use world::{FIRST, ROOT, SECOND, Script, World, script};

/// A zone that steers, as its servers have it.
fn steering() -> Option<Configured> {
    let servers = ["ns1.a", "ns2.a"].map(|name| Name::absolute(name).unwrap()).into();
    Some(Configured { servers, steers: true, ..Configured::default() })
}

fn refers() -> Script {
    script(|asked| Some(asked.referral()))
}

fn serves() -> Script {
    script(|asked| Some(asked.answer()))
}

/// A zone whose first server does as it is told, and whose second one is in good order.
async fn world(first: Script) -> World {
    World::new(&[(ROOT, refers()), (FIRST, first), (SECOND, serves())]).await
}

/// The findings about it.
async fn of_first(first: Script) -> Vec<Finding> {
    world(first).await.findings(steering()).await
}

fn codes(findings: &[Finding]) -> Vec<&str> {
    findings.iter().map(|finding| finding.code).collect()
}

/// Asserts that there is one finding, and where it is and what it says.
#[track_caller]
fn assert_one(findings: &[Finding], code: &str, at: &str, words: &str) {
    assert_eq!(codes(findings), [code], "{findings:?}");
    assert!(findings[0].at[0].contains(at) && findings[0].what.contains(words), "{findings:?}");
}

#[tokio::test]
async fn servers_in_good_order_have_no_findings() {
    assert_eq!(of_first(serves()).await, []);
}

#[tokio::test]
async fn what_is_truncated_over_udp_is_asked_over_tcp() {
    let truncating = script(|asked| {
        let mut reply = asked.answer();
        if !asked.over_tcp {
            reply.metadata.truncation = true;
            reply.answers.clear();
        }
        Some(reply)
    });
    assert_eq!(of_first(truncating).await, []);
}

#[tokio::test]
async fn a_server_that_truncates_and_is_silent_over_tcp_has_no_tcp_and_is_not_lame() {
    let truncating = script(|asked| {
        let mut reply = asked.answer();
        reply.metadata.truncation = true;
        reply.answers.clear();
        (!asked.over_tcp).then_some(reply)
    });
    assert_one(&of_first(truncating).await, "no-tcp", FIRST, "not over TCP");
}

#[tokio::test]
async fn a_server_that_refuses_client_subnets_alone_is_not_lame() {
    for (rcode, word) in [
        (ResponseCode::Refused, "REFUSED"),
        (ResponseCode::ServFail, "SERVFAIL"),
        (ResponseCode::NXDomain, "NXDOMAIN"),
        (ResponseCode::FormErr, "FORMERR"),
    ] {
        let refusing =
            script(move |asked| Some(if asked.form() == Form::Subnet { asked.refusal(rcode) } else { asked.answer() }));
        assert_one(&of_first(refusing).await, "no-subnet", FIRST, word);
    }
}

#[tokio::test]
async fn a_server_that_drops_client_subnets_alone_speaks_edns() {
    let dropping = script(|asked| (asked.form() != Form::Subnet).then(|| asked.answer()));
    assert_one(&of_first(dropping).await, "no-subnet", FIRST, "does not answer queries with a client subnet");
}

#[tokio::test]
async fn a_server_that_refuses_or_drops_edns_answers_without_it() {
    let refusing = script(|asked| {
        Some(if asked.form() == Form::Plain || asked.over_tcp {
            asked.answer()
        } else {
            asked.refusal(ResponseCode::FormErr)
        })
    });
    assert_one(&of_first(refusing).await, "no-edns", FIRST, "EDNS");
    let dropping = script(|asked| (asked.form() == Form::Plain || asked.over_tcp).then(|| asked.answer()));
    assert_one(&of_first(dropping).await, "no-edns", FIRST, "EDNS");
}

#[tokio::test]
async fn a_silent_server_is_waited_for_twice_and_not_once_for_each_form() {
    let world = world(script(|_| None)).await;
    assert_one(&world.findings(steering()).await, "unreachable", FIRST, "no reply in time");
    let forms = world.datagrams_to(FIRST, 9).await;
    assert_eq!((forms.len(), &forms[..3]), (9, &[Form::Subnet; 3][..]), "{forms:?}");
    for pair in forms[3..].chunks(2) {
        assert!(pair.contains(&Form::Edns) && pair.contains(&Form::Plain), "{forms:?}");
    }
}

#[tokio::test]
async fn a_referral_may_have_the_bit_of_an_authoritative_answer() {
    let refers = script(|asked| {
        let mut reply = asked.referral();
        reply.metadata.authoritative = true;
        Some(reply)
    });
    let servers = [(ROOT, refers), (FIRST, serves()), (SECOND, serves())];
    assert_eq!(World::new(&servers).await.findings(steering()).await, []);
}

#[tokio::test]
async fn glue_is_not_wrong_where_nobody_answers_for_its_family() {
    const SIXTH: &str = "::1";
    if std::net::UdpSocket::bind((SIXTH, 0)).is_err() {
        eprintln!("skipped: this machine has no IPv6");
        return;
    }
    let refers = script(|asked| Some(asked.referral_with(&[("ns1.a.", "AAAA", SIXTH)])));
    let refusing = [None, Some(ResponseCode::ServFail), Some(ResponseCode::NotImp)];
    for rcode in refusing {
        let server = script(move |asked| match rcode {
            _ if !asked.is("ns1.a.", "AAAA") => Some(asked.answer()),
            Some(rcode) => Some(asked.refusal(rcode)),
            None => None,
        });
        let servers =
            [(ROOT, refers.clone()), (FIRST, server.clone()), (SECOND, server.clone()), (SIXTH, server.clone())];
        let findings = World::new(&servers).await.findings(steering()).await;
        assert_one(&findings, "address-unknown", "ns1.a.", "AAAA");
    }
    // What is at an address that nobody speaks against is told of as anywhere else.
    let server = script(|asked| (!asked.is("ns1.a.", "AAAA")).then(|| asked.answer()));
    let lame = script(|asked| Some(asked.refusal(ResponseCode::Refused)));
    let servers = [(ROOT, refers), (FIRST, server.clone()), (SECOND, server), (SIXTH, lame)];
    let findings = World::new(&servers).await.findings(steering()).await;
    assert_eq!(codes(&findings), ["lame", "address-unknown"], "{findings:?}");
}

#[tokio::test]
async fn an_address_is_known_where_one_of_several_servers_answers_for_it() {
    let refers = script(|asked| Some(asked.referral_with(&[("ns1.a.", "AAAA", "::1")])));
    let dropping = script(|asked| (!asked.is("ns1.a.", "AAAA")).then(|| asked.answer()));
    let servers = [(ROOT, refers), (FIRST, dropping), (SECOND, serves())];
    assert_one(&World::new(&servers).await.findings(steering()).await, "wrong-glue", ".", "::1");
}

#[tokio::test]
async fn an_address_that_nobody_answers_for_on_the_way_is_not_known() {
    let refusing = script(|asked| {
        Some(if asked.is("ns1.a.", "AAAA") { asked.refusal(ResponseCode::ServFail) } else { asked.answer() })
    });
    let found = World::new(&[(ROOT, refusing)]).await.look_up("ns1.a.").await;
    assert_eq!(found.addresses, [FIRST.parse().unwrap()].into());
    assert_eq!(found.unanswered, [RecordType::AAAA].into());
    let found = World::new(&[(ROOT, serves())]).await.look_up("ns1.a.").await;
    assert!(found.unanswered.is_empty(), "no such record is an answer");
}

#[tokio::test]
async fn servers_are_found_where_the_parents_servers_serve_the_zone_too() {
    let lame = script(|asked| Some(asked.refusal(ResponseCode::Refused)));
    let servers = [(ROOT, serves()), (FIRST, serves()), (SECOND, lame)];
    for configured in [None, steering()] {
        let world = World::new(&servers).await;
        let facts = world.facts(configured).await;
        assert_eq!(facts.probed.len(), 2);
        let findings = super::judge::judge(&facts);
        assert_eq!(codes(&findings), ["lame", "delegation-hidden"], "{findings:?}");
    }
}

#[tokio::test]
async fn an_alias_in_the_parents_place_is_no_zone() {
    let aliased = script(|asked| {
        let mut reply = asked.answer();
        for record in &mut reply.answers {
            record.data = RData::CNAME(CNAME(ProtoName::from_ascii("b.").unwrap()));
        }
        Some(reply)
    });
    assert_one(&World::new(&[(ROOT, aliased)]).await.findings(None).await, "not-delegated", ROOT, "does not delegate");
}

#[tokio::test]
async fn client_subnets_are_missed_only_where_the_zone_is_known_to_steer() {
    let deaf = || script(|asked| Some(asked.answer_without_subnet()));
    let world = World::new(&[(ROOT, refers()), (FIRST, deaf()), (SECOND, deaf())]).await;
    assert_eq!(world.findings(None).await, []);
    assert_eq!(codes(&world.findings(steering()).await), ["no-subnet"; 2]);
}
