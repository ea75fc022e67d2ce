//! Record types, written in both kinds of files.

use super::*;
use crate::wire::text::{forms, parse_rdata};

#[test]
fn p15_every_type_with_a_text_form_is_writable_in_toml_and_in_master_files() {
    let mut toml = String::from("zone = \"example.com\"\n[records]\n\"@\" = { NS = \"ns.example.net.\" }\n");
    let mut master = String::from("@ 60 SOA ns.example.net. hostmaster 1 2 3 4 5\n@ 60 NS ns.example.net.\n");
    let forms = || forms().filter(|(rtype, ..)| *rtype != RecordType::SOA);
    let written = || forms().map(|(rtype, _, text)| (rtype, text)).enumerate();
    for (at, (rtype, text)) in written() {
        toml += &format!("r{at} = {{ {rtype} = '{text}', ttl = \"1m\" }}\n");
        master += &format!("r{at} 60 {rtype} {text}\n");
    }
    let model = model(&[("zones/example.com.toml", &toml), ("zones/example.org.zone", &master)]);
    for zone in &model.zones {
        for (at, (rtype, text)) in written() {
            let owner = Name::parse(&format!("r{at}"), &zone.apex).unwrap();
            let mut rrsets = zone.records.iter().filter(|rrset| rrset.owner == owner.view());
            let rrset = rrsets.next().unwrap_or_else(|| panic!("{rtype} in {}", zone.apex));
            let expected = parse_rdata(rtype, text, &zone.apex).unwrap();
            assert_eq!((rrset.rtype, rrset.ttl, rrset.rdata.len()), (rtype, 60, 1), "{rtype} in {}", zone.apex);
            assert_eq!(rrset.rdata.first(), Some(&expected[..]), "{rtype} in {}", zone.apex);
        }
    }
    assert!(written().count() > 80 && model.zones.len() == 2);
}
