//! A reply as two independent parsers read it.

use std::net::IpAddr;

use domain::base::iana::OptRcode;
use domain::base::opt::UnknownOptData;
use domain::base::{Message, ToName};
use domain::rdata::AllRecordData;
use hickory_proto::op::Message as HickoryMessage;
use hickory_proto::rr::rdata::opt::EdnsOption;
use hickory_proto::serialize::binary::{BinEncodable, BinEncoder, NameEncoding};
use rhumb::wire::{Name, RecordType};

/// One record, its data uncompressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub owner: Name,
    pub rtype: RecordType,
    pub class: u16,
    pub ttl: u32,
    pub rdata: Vec<u8>,
}

impl Record {
    /// The address of an A or AAAA record.
    pub fn address(&self) -> IpAddr {
        match self.rdata.len() {
            4 => IpAddr::from(<[u8; 4]>::try_from(&self.rdata[..]).unwrap()),
            16 => IpAddr::from(<[u8; 16]>::try_from(&self.rdata[..]).unwrap()),
            n => panic!("{n} octets are no address: {self:?}"),
        }
    }

    /// The data of a CNAME or NS record.
    pub fn name(&self) -> Name {
        Name::from_wire(&self.rdata).expect("data that is a name")
    }

    /// MINIMUM of an SOA record.
    pub fn soa_minimum(&self) -> u32 {
        assert_eq!(self.rtype, RecordType::SOA);
        u32::from_be_bytes(self.rdata[self.rdata.len() - 4..].try_into().unwrap())
    }
}

/// The client subnet option of a reply (RFC 7871).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ecs {
    pub family: u16,
    pub source: u8,
    pub scope: u8,
    pub address: Vec<u8>,
}

/// The OPT record of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edns {
    pub payload: u16,
    pub version: u8,
    pub dnssec_ok: bool,
    pub options: Vec<(u16, Vec<u8>)>,
}

/// A whole reply.
#[derive(Clone, Debug)]
pub struct Reply {
    pub bytes: Vec<u8>,
    pub id: u16,
    pub opcode: u8,
    pub aa: bool,
    pub tc: bool,
    pub rd: bool,
    pub ra: bool,
    pub z: bool,
    pub ad: bool,
    pub cd: bool,
    pub rcode: u16,
    pub question: Vec<(Name, RecordType, u16)>,
    pub answer: Vec<Record>,
    pub authority: Vec<Record>,
    pub additional: Vec<Record>,
    pub edns: Option<Edns>,
}

pub const NOERROR: u16 = 0;

impl Reply {
    /// Whether it is what a sender gets who asks too fast.
    pub fn tc_or_bad_cookie(&self) -> bool {
        self.tc || self.rcode == 23
    }

    /// Reads with both parsers and compares them.
    pub fn read(bytes: &[u8]) -> Self {
        let reply = Self::by_domain(bytes);
        reply.compare_with_hickory();
        reply
    }

    fn by_domain(bytes: &[u8]) -> Self {
        let message = Message::from_octets(bytes).expect("a header");
        let header = message.header();
        assert!(header.qr(), "a reply has QR set");
        let question = message
            .question()
            .map(|question| {
                let question = question.expect("domain reads the question");
                (name(question.qname()), RecordType(question.qtype().to_int()), question.qclass().to_int())
            })
            .collect();
        let (_, answer, authority, additional) = message.sections().expect("domain finds the sections");
        let mut edns = None;
        let sections = [answer, authority, additional].map(|section| {
            let mut records = Vec::new();
            for record in section {
                let record = record.expect("domain reads the record");
                if record.rtype().to_int() == RecordType::OPT.0 {
                    assert!(edns.is_none(), "one OPT at most");
                    let opt = message.opt().expect("domain reads OPT");
                    let options = opt
                        .opt()
                        .iter::<UnknownOptData<_>>()
                        .map(|option| option.expect("domain reads the option"))
                        .map(|option| (option.code().to_int(), option.as_slice().to_vec()))
                        .collect();
                    edns = Some(Edns {
                        payload: opt.udp_payload_size(),
                        version: opt.version(),
                        dnssec_ok: opt.dnssec_ok(),
                        options,
                    });
                    continue;
                }
                let any = record.to_any_record::<AllRecordData<_, _>>().expect("domain reads the data");
                let mut rdata = Vec::new();
                domain::base::rdata::ComposeRecordData::compose_rdata(any.data(), &mut rdata).unwrap();
                records.push(Record {
                    owner: name(record.owner()),
                    rtype: RecordType(record.rtype().to_int()),
                    class: record.class().to_int(),
                    ttl: record.ttl().as_secs(),
                    rdata,
                });
            }
            records
        });
        let [answer, authority, additional] = sections;
        let extended: OptRcode = message.opt_rcode();
        Self {
            bytes: bytes.to_vec(),
            id: header.id(),
            opcode: header.opcode().to_int(),
            aa: header.aa(),
            tc: header.tc(),
            rd: header.rd(),
            ra: header.ra(),
            z: header.z(),
            ad: header.ad(),
            cd: header.cd(),
            rcode: extended.to_int(),
            question,
            answer,
            authority,
            additional,
            edns,
        }
    }

    fn compare_with_hickory(&self) {
        let mut bytes = self.bytes.clone();
        if self.ecs().is_some_and(|ecs| ecs.family == 0) {
            // hickory refuses family 0, which RFC 7871 section 7.1.2 lets a client send: let it read a 1.
            let at = bytes.windows(8).rposition(|w| w == [0, 8, 0, 4, 0, 0, 0, 0]).expect("the option is there");
            bytes[at + 5] = 1;
        }
        let other = HickoryMessage::from_vec(&bytes).expect("hickory reads what domain reads");
        let meta = &other.metadata;
        assert_eq!(meta.id, self.id);
        assert_eq!(u8::from(meta.op_code), self.opcode);
        let flags = (meta.authoritative, meta.truncation, meta.recursion_desired, meta.recursion_available);
        assert_eq!(flags, (self.aa, self.tc, self.rd, self.ra));
        assert_eq!((meta.authentic_data, meta.checking_disabled), (self.ad, self.cd));
        assert_eq!(u16::from(meta.response_code), self.rcode);
        let question: Vec<_> = other
            .queries
            .iter()
            .map(|q| (hickory_name(&q.name), RecordType(q.query_type.into()), u16::from(q.query_class)))
            .collect();
        assert_eq!(question, self.question);
        let records = |records: &[hickory_proto::rr::Record]| records.iter().map(by_hickory).collect::<Vec<_>>();
        assert_eq!(records(&other.answers), self.answer, "answers as two parsers read them");
        assert_eq!(records(&other.authorities), self.authority, "authorities as two parsers read them");
        assert_eq!(records(&other.additionals), self.additional, "additionals as two parsers read them");
        assert_eq!(other.edns.is_some(), self.edns.is_some());
        if let (Some(theirs), Some(ours)) = (&other.edns, &self.edns) {
            assert_eq!(theirs.version(), ours.version);
            assert_eq!(theirs.max_payload(), ours.payload.max(512));
            assert_eq!(theirs.flags().dnssec_ok, ours.dnssec_ok);
            let subnet = theirs.options().as_ref().iter().find_map(|(_, option)| match option {
                EdnsOption::Subnet(subnet) => Some((subnet.source_prefix(), subnet.scope_prefix())),
                _ => None,
            });
            assert_eq!(subnet, self.ecs().map(|ecs| (ecs.source, ecs.scope)));
        }
    }

    /// The client subnet option, if there is one.
    pub fn ecs(&self) -> Option<Ecs> {
        let (_, data) = self.edns.as_ref()?.options.iter().find(|(code, _)| *code == 8)?;
        assert!(data.len() >= 4, "a client subnet option has at least four octets");
        Some(Ecs {
            family: u16::from_be_bytes([data[0], data[1]]),
            source: data[2],
            scope: data[3],
            address: data[4..].to_vec(),
        })
    }

    /// The scope of the client subnet option.
    #[track_caller]
    pub fn scope(&self) -> u8 {
        self.ecs().expect("a client subnet option in the reply").scope
    }

    /// The code of the extended error, if there is one (RFC 8914).
    pub fn extended_error(&self) -> Option<u16> {
        let (_, data) = self.edns.as_ref()?.options.iter().find(|(code, _)| *code == 15)?;
        Some(u16::from_be_bytes([data[0], data[1]]))
    }

    /// The addresses of the answer in the order of the message.
    pub fn addresses(&self) -> Vec<IpAddr> {
        self.answer
            .iter()
            .filter(|r| r.rtype == RecordType::A || r.rtype == RecordType::AAAA)
            .map(Record::address)
            .collect()
    }

    /// The addresses of the answer, sorted, as text: for comparing sets.
    pub fn sorted(&self) -> Vec<String> {
        let mut addresses = self.addresses();
        addresses.sort_unstable();
        addresses.iter().map(ToString::to_string).collect()
    }

    /// The one address of the answer.
    #[track_caller]
    pub fn only(&self) -> String {
        let addresses = self.addresses();
        assert_eq!(addresses.len(), 1, "one address: {self:#?}");
        addresses[0].to_string()
    }

    /// NOERROR, nothing in the answer, SOA in authority.
    #[track_caller]
    pub fn assert_nodata(&self) -> &Record {
        assert_eq!((self.rcode, self.answer.len()), (NOERROR, 0), "NODATA: {self:#?}");
        self.soa()
    }

    /// NXDOMAIN with the SOA.
    #[track_caller]
    pub fn assert_nxdomain(&self) -> &Record {
        assert_eq!(self.rcode, 3, "NXDOMAIN: {self:#?}");
        self.soa()
    }

    #[track_caller]
    fn soa(&self) -> &Record {
        assert!(self.aa, "negative answers are authoritative");
        assert_eq!(self.authority.len(), 1, "the SOA alone: {self:#?}");
        assert_eq!(self.authority[0].rtype, RecordType::SOA);
        &self.authority[0]
    }

    /// The TTL that all records of the answer share.
    #[track_caller]
    pub fn ttl(&self) -> u32 {
        let ttl = self.answer.first().expect("an answer").ttl;
        assert!(self.answer.iter().all(|r| r.ttl == ttl), "one TTL an RRset: {self:#?}");
        ttl
    }
}

fn name(name: impl ToName) -> Name {
    Name::from_wire(name.to_vec().as_slice()).expect("a name that domain has read")
}

fn hickory_name(name: &hickory_proto::rr::Name) -> Name {
    let mut wire = Vec::new();
    for label in name.iter() {
        wire.push(label.len() as u8);
        wire.extend_from_slice(label);
    }
    wire.push(0);
    Name::from_wire(&wire).expect("a name that hickory has read")
}

fn by_hickory(record: &hickory_proto::rr::Record) -> Record {
    let mut rdata = Vec::new();
    let mut encoder = BinEncoder::new(&mut rdata);
    encoder.set_name_encoding(NameEncoding::Uncompressed);
    record.data.emit(&mut encoder).expect("hickory writes what it has read");
    drop(encoder);
    Record {
        owner: hickory_name(&record.name),
        rtype: RecordType(record.record_type().into()),
        class: u16::from(record.dns_class),
        ttl: record.ttl,
        rdata,
    }
}
