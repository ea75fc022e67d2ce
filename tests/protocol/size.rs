//! Item 7 and 16: how much fits, and in which order.

use std::collections::BTreeSet;

use rhumb::wire::RecordType;

use super::plain;
use crate::harness::{Ask, Draws, Fixture, Setup};

/// An RRset of some 900 octets, one of some 1,500, one of some 3,000, and small steered ones.
fn large() -> Fixture {
    let set = |n: usize| (0..n).map(|i| format!("\"{i:02}{}\"", "x".repeat(238))).collect::<Vec<_>>().join(", ");
    let records = format!(
        "three = {{ TXT = [{}] }}\nsix = {{ TXT = [{}] }}\ntwelve = {{ TXT = [{}] }}\nto-six = {{ CNAME = \"six\" }}",
        set(3),
        set(6),
        set(12)
    );
    Setup::new(&records, "").build()
}

fn txt(name: &str) -> Ask {
    Ask::of(&format!("{name}.example.com."), RecordType::TXT)
}

#[test]
fn p7_without_edns_512_octets_and_tc_with_empty_sections() {
    let reply = large().ask(&txt("three"));
    assert!(reply.tc && reply.aa);
    assert!(reply.answer.is_empty() && reply.authority.is_empty() && reply.additional.is_empty());
    assert_eq!((reply.rcode, reply.question.len()), (0, 1));
}

#[test]
fn p7_the_clients_size_counts_up_to_1232_and_from_512() {
    let fixture = large();
    assert_eq!(fixture.ask(&txt("three").payload(1232)).answer.len(), 3);
    assert!(fixture.ask(&txt("three").payload(600)).tc);
    assert!(fixture.ask(&txt("three").payload(100)).tc);
    let reply = fixture.ask(&txt("six").payload(4096));
    assert!(reply.tc && reply.answer.is_empty());
    assert!(reply.edns.is_some());
}

#[test]
fn p7_never_part_of_an_rrset_and_a_stream_has_room() {
    let fixture = large();
    let reply = fixture.ask(&txt("twelve").payload(1232).stream());
    assert!(!reply.tc);
    assert_eq!(reply.answer.len(), 12);
    let reply = fixture.ask(&txt("twelve").stream());
    assert_eq!(reply.answer.len(), 12);
    let reply = fixture.ask(&txt("to-six").payload(1232));
    assert!(reply.tc && reply.answer.is_empty());
}

#[test]
fn p16_the_order_of_an_rrset_rotates() {
    let fixture = plain();
    let mut draws = Draws::new(16);
    let mut first = BTreeSet::new();
    for _ in 0..100 {
        let reply = fixture.ask(&Ask::a("many.example.com.").draw(draws.bits()));
        assert_eq!(reply.sorted(), ["192.0.2.71", "192.0.2.72", "192.0.2.73"]);
        first.insert(reply.addresses()[0]);
    }
    assert_eq!(first.len(), 3);
}

#[test]
fn p16_the_servers_of_a_delegation_rotate_too() {
    let records = "lab = { NS = [\"a.example.net.\", \"bb.example.net.\", \"ccc.example.net.\"] }";
    let first = |fixture: &Fixture| {
        let mut draws = Draws::new(16);
        let ask = |bits| fixture.ask(&Ask::a("www.lab.example.com.").draw(bits));
        let replies = (0..100).map(|_| ask(draws.bits()));
        let firsts = replies.map(|reply| (reply.authority.len(), reply.authority[0].name().to_string()));
        firsts.collect::<BTreeSet<_>>()
    };
    let all = first(&Setup::new(records, "").build());
    assert!(all.len() == 3 && all.iter().all(|(count, _)| *count == 3), "{all:?}");
    assert_eq!(first(&Setup::new(records, "").server("rotate = false").build()).len(), 1);
}

#[test]
fn p16_a_fixed_order_can_be_asked_for() {
    let fixture = Setup::new(super::RECORDS, super::ROUTES).server("rotate = false").build();
    let mut draws = Draws::new(16);
    for _ in 0..50 {
        let reply = fixture.ask(&Ask::a("many.example.com.").draw(draws.bits()));
        assert_eq!(reply.addresses().iter().map(ToString::to_string).collect::<Vec<_>>(), reply.sorted());
    }
}

#[test]
fn p16_what_a_window_holds_is_drawn_in_a_fixed_order_too() {
    let rest = "[endpoints.p]\nA = [\"192.0.2.1\", \"192.0.2.2\", \"192.0.2.3\"]\n\
                [routes.web]\npolicy = \"multivalue\"\nmax_answers = 2\nto = [\"p\"]\n";
    let fixture = Setup::new("www = { route = \"web\" }", rest).server("rotate = false").build();
    let mut draws = Draws::new(16);
    let mut seen = BTreeSet::new();
    for _ in 0..100 {
        let reply = fixture.ask(&Ask::a("www.example.com.").draw(draws.bits()));
        assert_eq!(reply.addresses().iter().map(ToString::to_string).collect::<Vec<_>>(), reply.sorted());
        seen.insert(reply.sorted());
    }
    assert_eq!(seen.len(), 3, "every pair of neighbours");
}

#[test]
fn p7_a_reply_that_fits_to_the_octet_is_not_truncated() {
    // Header 12, question 21, record 12 + 1 + 255 + …: the text is cut so that 1,232 octets are left with this option.
    for (subnet, option) in [(Some("203.0.114.0/24"), 11), (Some("2001:4860::/56"), 15), (None, 0usize)] {
        let room: usize = 1232 - 12 - (5 + 12 + 1 + 4) - 12 - 11 - option;
        let texts = room.div_ceil(256);
        let fits = "x".repeat(room - texts);
        let records = format!("fits = {{ TXT = \"{fits}\" }}\nover = {{ TXT = \"{fits}x\" }}");
        let fixture = Setup::new(&records, "").build();
        let ask = |name| match subnet {
            Some(net) => txt(name).payload(1232).subnet(net),
            None => txt(name).payload(1232),
        };
        let reply = fixture.ask(&ask("fits"));
        assert_eq!((reply.tc, reply.bytes.len()), (false, 1232), "{subnet:?}");
        assert!(fixture.ask(&ask("over")).tc, "{subnet:?}");
    }
}
