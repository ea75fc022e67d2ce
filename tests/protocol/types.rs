//! Item 15 on the wire: every type with a text form is answered as it was written.

use rhumb::wire::text::{forms, parse_rdata};
use rhumb::wire::{Name, RecordType};

use crate::harness::{Ask, Setup};

#[test]
fn p15_every_type_goes_out_octet_for_octet() {
    // The first three stand for other names than their own, or cut them off; a SIG in an answer one of the parsers refuses
    // to read, taking it for the signature of a message (RFC 2931).
    let apart = [RecordType::SOA, RecordType::NS, RecordType::CNAME, RecordType::SIG];
    let forms = || forms().filter(|(rtype, ..)| !apart.contains(rtype));
    let records: String =
        forms().map(|(rtype, _, text)| format!("t{} = {{ {rtype} = '{text}' }}\n", rtype.0)).collect();
    let fixture = Setup::new(&records, "").build();
    let origin = Name::absolute("example.com.").unwrap();
    for (rtype, _, text) in forms() {
        let reply = fixture.ask(&Ask::of(&format!("t{}.example.com.", rtype.0), rtype).payload(1232));
        let found: Vec<_> = reply.answer.iter().map(|record| (record.rtype, &record.rdata[..])).collect();
        let wire = parse_rdata(rtype, text, &origin).unwrap();
        assert_eq!(found, [(rtype, &wire[..])], "{rtype}");
    }
    assert!(forms().count() > 75);
}
