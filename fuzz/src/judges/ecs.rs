//! Client subnet options.

use hickory_proto::rr::rdata::opt::ClientSubnet;
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};
use rhumb::wire::edns::Ecs;

use super::plain;

/// An option's data is taken if and only if RFC 7871 lets a query send it, and goes back with our scope and no other
/// change.
pub fn ecs(data: &[u8]) {
    let ours = Ecs::parse(data, 0, data.len());
    // Inside of a message it is the same, whatever stands around it.
    let around = [&[0xff; 3], data, &[0xff; 30]].concat();
    assert_eq!(Ecs::parse(&around, 3, data.len()), ours);

    let expected = plain::subnet(data);
    assert_eq!(ours.is_some(), expected.is_some(), "{data:?}");
    let (Some(ours), Some((family, source, address))) = (ours, expected) else { return };
    assert_eq!(ours.len(), data.len());
    let mut padded = [0; 16];
    padded[..address.len()].copy_from_slice(&address);
    let [a, b, c, d, ..] = padded;
    match family {
        0 => assert_eq!(ours.prefix(), None),
        1 => assert_eq!(ours.prefix(), Some(([a, b, c, d].into(), source))),
        _ => assert_eq!(ours.prefix(), Some((padded.into(), source))),
    }
    for scope in [0, 24, source, 255] {
        let mut out = [0xee; 24];
        ours.write(scope, &mut out);
        let mut echoed = data.to_vec();
        echoed[3] = scope;
        assert_eq!(out[..data.len()], echoed);
    }
    if family != 0 {
        // hickory knows no family 0, which RFC 7871 section 7.1.2 lets a client send.
        let theirs = ClientSubnet::read(&mut BinDecoder::new(data)).expect("hickory reads it too");
        let prefix = ours.prefix().expect("just compared");
        assert_eq!((theirs.addr(), theirs.source_prefix()), prefix);
    }
}
