//! `dns`: a query over UDP gets the right answer.

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use async_trait::async_trait;
use hickory_proto::op::{Edns, Message, MessageType, Query};
use hickory_proto::rr::{RData, RecordType as ProtoType};
use hickory_proto::serialize::binary::{BinDecodable, BinEncodable, BinEncoder, NameEncoding};
use tokio::net::UdpSocket;

use super::{Ask, Outcome, Stage, fault};
use crate::wire::text::parse_rdata;
use crate::wire::{Name, RecordType};

/// What fits a datagram that is not cut into fragments anywhere (DNS flag day 2020).
const PAYLOAD: u16 = 1232;

pub(super) struct Dns {
    query: Query,
    rcodes: BTreeSet<u16>,
    answers: Vec<Wanted>,
}

/// Data that may be in the answer.
struct Wanted {
    text: String,
    /// Uncompressed; `None` if the text is only comparable as text.
    wire: Option<Box<[u8]>>,
}

impl Dns {
    pub(super) fn new(
        qname: &Name,
        qtype: RecordType,
        rcodes: &BTreeSet<u16>,
        answers: &[String],
    ) -> Result<Self, String> {
        let name = hickory_proto::rr::Name::from_bytes(qname.as_wire()).map_err(|error| format!("{qname}: {error}"))?;
        let wanted = |text: &String| Wanted {
            text: text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase(),
            wire: parse_rdata(qtype, text, &Name::root()).ok(),
        };
        Ok(Self {
            query: Query::query(name, ProtoType::from(qtype.0)),
            rcodes: rcodes.clone(),
            answers: answers.iter().map(wanted).collect(),
        })
    }

    /// What a reply is worth; `None` if it is not one to this question.
    fn judge(&self, id: u16, bytes: &[u8]) -> Option<Outcome> {
        if bytes.get(..2) != Some(&id.to_be_bytes()) {
            return None;
        }
        let reply = match Message::from_vec(bytes) {
            Ok(reply) => reply,
            Err(error) => return Some(Outcome::fail(format!("the answer is malformed: {error}"), None)),
        };
        if reply.metadata.message_type != MessageType::Response {
            return None;
        }
        let code = u16::from(reply.metadata.response_code);
        let echoed = match &reply.queries[..] {
            [query] => *query == self.query,
            // A server that cannot read the query may leave the question out.
            [] => code != 0,
            _ => false,
        };
        if !echoed {
            return None;
        }
        if !self.rcodes.contains(&code) {
            return Some(Outcome::fail(format!("response code {}", reply.metadata.response_code), None));
        }
        if self.answers.is_empty() {
            return Some(Outcome::pass(format!("response code {}", reply.metadata.response_code), None));
        }
        let qtype = self.query.query_type();
        let data = reply.answers.iter().map(|record| &record.data);
        let data: Vec<&RData> = data.filter(|d| qtype == ProtoType::ANY || d.record_type() == qtype).collect();
        Some(if data.iter().any(|data| self.answers.iter().any(|wanted| wanted.is(data))) {
            Outcome::pass("the expected data is in the answer", None)
        } else {
            let got: Vec<String> = data.iter().take(4).map(|data| data.to_string()).collect();
            let cut = if reply.metadata.truncation { ", which was truncated" } else { "" };
            Outcome::fail(format!("none of the expected data is in the answer ({}){cut}", got.join(", ")), None)
        })
    }

    async fn exchange(&self, to: SocketAddr, stage: &Stage) -> io::Result<Outcome> {
        let mut message = Message::query();
        message.metadata.recursion_desired = true;
        message.add_query(self.query.clone());
        let mut edns = Edns::new();
        edns.set_max_payload(PAYLOAD);
        message.set_edns(edns);
        let query = message.to_vec().map_err(io::Error::other)?;

        let any: SocketAddr =
            if to.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
        let socket = UdpSocket::bind(any).await?;
        // Connected: the kernel passes on only what comes from there, and tells when the port is closed.
        socket.connect(to).await?;
        stage.set("waiting for the answer");
        socket.send(&query).await?;
        let mut buffer = vec![0; usize::from(u16::MAX)];
        loop {
            let length = socket.recv(&mut buffer).await?;
            if let Some(outcome) = self.judge(message.metadata.id, &buffer[..length]) {
                return Ok(outcome);
            }
        }
    }
}

impl Wanted {
    fn is(&self, data: &RData) -> bool {
        let text = data.to_string().to_ascii_lowercase();
        if text.strip_suffix('.').unwrap_or(&text) == self.text {
            return true;
        }
        let Some(wanted) = &self.wire else { return false };
        let mut bytes = Vec::new();
        let mut encoder = BinEncoder::new(&mut bytes);
        encoder.set_name_encoding(NameEncoding::Uncompressed);
        data.emit(&mut encoder).is_ok() && bytes[..] == wanted[..]
    }
}

#[async_trait]
impl Ask for Dns {
    async fn ask(&self, to: SocketAddr, stage: &Stage) -> Outcome {
        match self.exchange(to, stage).await {
            Ok(outcome) => outcome,
            Err(error) => fault::outcome("no answer", &error, to),
        }
    }
}

#[cfg(test)]
mod tests;
