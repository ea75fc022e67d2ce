//! Item 30: what a server tells of itself.

use rhumb::wire::RecordType;

use super::RECORDS;
use crate::harness::{Ask, Setup};

const CH: u16 = 3;
const REFUSED: u16 = 5;

fn chaos(name: &str) -> Ask {
    Ask { class: CH, ..Ask::of(name, RecordType::TXT) }
}

#[test]
fn p30_a_server_tells_what_it_was_told_to_and_nothing_else() {
    let texts =
        [("version.bind.", "2.0"), ("Version.Server.", "2.0"), ("hostname.bind.", "fra1"), ("ID.server.", "fra1")];
    let told = Setup::new(RECORDS, super::ROUTES).server("identity = \"fra1\"\nversion = \"2.0\"\n").build();
    for (name, text) in texts {
        for ask in [chaos(name), chaos(name).edns(), Ask { rtype: 255, ..chaos(name) }] {
            let reply = told.ask(&ask);
            assert_eq!((reply.rcode, reply.aa, reply.answer.len()), (0, true, 1), "{name}");
            let record = &reply.answer[0];
            assert_eq!((record.class, record.ttl, record.rtype), (CH, 0, RecordType::TXT));
            assert_eq!(record.rdata, [&[text.len() as u8], text.as_bytes()].concat());
        }
        assert_eq!(super::plain().ask(&chaos(name)).rcode, REFUSED, "{name}");
        assert_eq!(told.ask(&Ask { rtype: 1, ..chaos(name) }).rcode, REFUSED);
    }
    for ask in [chaos("authors.bind."), chaos("mail.example.com."), Ask { class: 4, ..chaos("version.bind.") }] {
        let reply = told.ask(&ask);
        assert_eq!((reply.rcode, reply.aa, reply.answer.len()), (REFUSED, false, 0), "{ask:?}");
    }
}

#[test]
fn p30_what_is_configured_for_one_name_is_not_told_at_another() {
    let told = Setup::new(RECORDS, super::ROUTES).server("version = \"2.0\"\n").build();
    assert_eq!(told.ask(&chaos("version.bind.")).rcode, 0);
    assert_eq!(told.ask(&chaos("id.server.")).rcode, REFUSED);
}
