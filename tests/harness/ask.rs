//! Queries as bytes: well-formed ones by hickory-proto.

use std::net::IpAddr;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_proto::rr::rdata::opt::{ClientSubnet, EdnsOption};
use hickory_proto::rr::{DNSClass, Name, RecordType};
use ipnet::IpNet;
use rhumb::answer::{Carrier, Peer};

/// A question and how it is put.
#[derive(Clone, Debug)]
pub struct Ask {
    pub id: u16,
    pub name: String,
    pub rtype: u16,
    pub class: u16,
    pub edns: bool,
    pub payload: u16,
    pub dnssec_ok: bool,
    pub subnet: Option<(IpAddr, u8)>,
    pub sender: IpAddr,
    pub carrier: Carrier,
    /// Further options: code and data.
    pub options: Vec<(u16, Vec<u8>)>,
    /// When it is asked, in seconds since 1970.
    pub seconds: u32,
    /// What the stream that it comes on may be idle, in tenths of a second.
    pub keepalive: Option<u16>,
    pub draw: u64,
}

impl Ask {
    /// An A query from a sender whose place nobody knows, without EDNS.
    pub fn a(name: &str) -> Self {
        Self {
            id: 0x2a17,
            name: name.to_owned(),
            rtype: 1,
            class: 1,
            edns: false,
            payload: 1232,
            dnssec_ok: false,
            subnet: None,
            sender: IpAddr::from([240, 0, 0, 1]),
            carrier: Carrier::Datagram,
            options: Vec::new(),
            seconds: 1_559_731_985,
            keepalive: None,
            draw: 0,
        }
    }

    pub fn aaaa(name: &str) -> Self {
        Self { rtype: 28, ..Self::a(name) }
    }

    pub fn of(name: &str, rtype: rhumb::wire::RecordType) -> Self {
        Self { rtype: rtype.0, ..Self::a(name) }
    }

    /// With a client subnet such as `192.0.2.0/24`.
    #[must_use]
    pub fn subnet(self, net: &str) -> Self {
        let net: IpNet = net.parse().expect("a network");
        self.client(net)
    }

    #[must_use]
    pub fn client(mut self, net: IpNet) -> Self {
        self.edns = true;
        self.subnet = Some((net.network(), net.prefix_len()));
        self
    }

    #[must_use]
    pub fn sender(mut self, address: &str) -> Self {
        self.sender = address.parse().expect("an address");
        self
    }

    #[must_use]
    pub fn draw(mut self, draw: u64) -> Self {
        self.draw = draw;
        self
    }

    #[must_use]
    pub fn edns(mut self) -> Self {
        self.edns = true;
        self
    }

    #[must_use]
    pub fn payload(mut self, octets: u16) -> Self {
        self.edns = true;
        self.payload = octets;
        self
    }

    #[must_use]
    pub fn stream(mut self) -> Self {
        self.carrier = Carrier::Stream;
        self
    }

    /// On an encrypted stream.
    #[must_use]
    pub fn encrypted(mut self) -> Self {
        self.carrier = Carrier::Encrypted;
        self
    }

    #[must_use]
    pub fn option(mut self, code: u16, data: &[u8]) -> Self {
        self.edns = true;
        self.options.push((code, data.to_vec()));
        self
    }

    /// What the transport would say of it.
    pub fn peer(&self) -> Peer {
        Peer { seconds: self.seconds, keepalive: self.keepalive, ..Peer::new(self.sender, self.carrier) }
    }

    /// The query as it goes over the wire.
    pub fn bytes(&self) -> Vec<u8> {
        let mut message = Message::new(self.id, MessageType::Query, OpCode::Query);
        let mut query = Query::query(Name::from_ascii(&self.name).expect("a name"), RecordType::from(self.rtype));
        query.set_query_class(DNSClass::from(self.class));
        query.name.set_fqdn(true);
        message.add_query(query);
        if self.edns {
            let mut edns = Edns::new();
            edns.set_max_payload(self.payload);
            edns.set_version(0);
            edns.set_dnssec_ok(self.dnssec_ok);
            if let Some((address, source)) = self.subnet {
                edns.options_mut().insert(EdnsOption::Subnet(ClientSubnet::new(address, source, 0)));
            }
            for (code, data) in &self.options {
                edns.options_mut().insert(EdnsOption::Unknown(*code, data.clone()));
            }
            message.set_edns(edns);
        }
        message.to_vec().expect("hickory writes the query")
    }
}
