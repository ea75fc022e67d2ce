#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use proptest::prelude::*;

use super::*;

type Rrset = (Name, RecordType, u32, Vec<Vec<u8>>);

fn name(text: &str) -> Name {
    Name::absolute(text).unwrap()
}

fn packed(rrsets: &[Rrset]) -> Records {
    let mut builder = RecordsBuilder::new();
    for (owner, rtype, ttl, rdata) in rrsets {
        builder = builder.with(owner, *rtype, *ttl, rdata);
    }
    builder.finish()
}

fn unpacked(records: &Records) -> Vec<Rrset> {
    let own = |rrset: RrsetRef<'_>| {
        (rrset.owner.to_name(), rrset.rtype, rrset.ttl, rrset.rdata.iter().map(<[u8]>::to_vec).collect())
    };
    records.iter().map(own).collect()
}

#[test]
fn a_name_with_an_address_takes_ten_octets_and_its_own() {
    let owner = name("host123456.example.com");
    let records = packed(&[(owner.clone(), RecordType::A, 3600, vec![vec![192, 0, 2, 1]])]);
    assert_eq!(records.size(), owner.as_wire().len() + 10);
}

#[test]
fn an_owner_has_all_its_types_and_nobody_elses() {
    let (a, b) = (name("a.example"), name("b.example"));
    let records = packed(&[
        (a.clone(), RecordType::A, 60, vec![vec![1; 4], vec![2; 4]]),
        (name("A.example"), RecordType::TXT, 7, vec![vec![0]]),
        (b.clone(), RecordType(65_535), u32::MAX, vec![vec![7; 65_535]]),
    ]);
    assert_eq!((records.len(), records.owner_count()), (3, 2));
    let owners: Vec<_> = records.owners().collect();
    assert_eq!(owners.iter().map(|owner| owner.name.to_name()).collect::<Vec<_>>(), [a, b]);
    assert_eq!(owners[0].rrsets().count(), 2);
    assert_eq!(owners[0].rrset(RecordType::A).unwrap().rdata.len(), 2);
    assert!(owners[1].rrset(RecordType::A).is_none());
    let again = records.owner_at(owners[1].position);
    assert_eq!((again.name, again.rrsets().count()), (owners[1].name, 1));
    assert_eq!(again.rrsets().next().unwrap().rdata.first().unwrap().len(), 65_535);
    assert!(Records::default().iter().next().is_none() && Records::default().owners().next().is_none());
}

fn rrset() -> impl Strategy<Value = Rrset> {
    let owner = proptest::sample::select(vec![".", "a.example", "b.example", "*.example", "xn--a.b.c.example"]);
    let rdata = proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..4);
    (owner, any::<u16>(), any::<u32>(), rdata)
        .prop_map(|(owner, rtype, ttl, rdata)| (name(owner), RecordType(rtype), ttl, rdata))
}

proptest! {
    #[test]
    fn what_is_packed_comes_out_again(rrsets in proptest::collection::vec(rrset(), 0..20)) {
        let records = packed(&rrsets);
        prop_assert_eq!(unpacked(&records), rrsets.clone());
        let by_owner: Vec<Rrset> = records.owners().flat_map(|owner| {
            owner.rrsets().map(|r| (owner.name.to_name(), r.rtype, r.ttl, r.rdata.iter().map(<[u8]>::to_vec).collect())).collect::<Vec<_>>()
        }).collect();
        prop_assert_eq!(by_owner, rrsets);
        prop_assert_eq!(records.owners().count(), records.owner_count());
    }
}

#[test]
fn an_index_finds_each_owner_whatever_its_case_and_tells_of_runs() {
    let mut all = RecordsBuilder::new();
    let names: Vec<Name> = (0..300).map(|i| name(&format!("n{i}.example"))).collect();
    for owner in &names {
        all = all.with(owner, RecordType::A, 1, &[[1; 4], [2; 4]]);
    }
    let mut more = RecordsBuilder::new();
    more.append(RecordsBuilder::new());
    more = more.with(&name("N299.example"), RecordType::TXT, 1, &[b"\0"]);
    all.append(more);
    let records = all.finish();
    let index = RecordsIndex::of(&records);
    assert_eq!(index.again(), [(300, 299)]);
    for (number, owner) in names.iter().enumerate() {
        let upper = name(&owner.to_string().to_uppercase());
        assert_eq!(index.find(&records, upper.view()), Some(number));
        assert_eq!(index.owner(&records, number).name, *owner);
        assert_eq!(index.first_record(number), 2 * number);
    }
    assert_eq!(index.first_record(300), 600);
    assert_eq!(index.find(&records, name("n300.example").view()), None);
    assert_eq!(RecordsIndex::of(&Records::default()).find(&Records::default(), name("a").view()), None);
}
