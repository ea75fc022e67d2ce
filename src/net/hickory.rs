//! The portable transport, and the way into a hickory-server that runs already: [`Hickory`] answers its requests by
//! rhumb's engine.
//!
//! ```no_run
//! # async fn example(snapshot: std::sync::Arc<arc_swap::ArcSwap<rhumb::snapshot::Snapshot>>) -> std::io::Result<()> {
//! use rhumb::net::{Engine, Hickory};
//!
//! let mut server = hickory_server::Server::new(Hickory::new(Engine::new(snapshot)));
//! server.register_socket(tokio::net::UdpSocket::bind("127.0.0.1:5300").await?);
//! # Ok(())
//! # }
//! ```
//!
//! The engine sees the request's own bytes; its reply is decoded and encoded again by hickory-proto, so compression
//! may differ from rhumb's own transports and the decoded message does not. What hickory-server decides before a
//! handler sees a request (malformed messages, responses) stays its decision; so does the source address of replies on
//! wildcard sockets.

use std::iter;
use std::sync::Arc;

use hickory_proto::op::{Header, HeaderCounts, Message};
use hickory_proto::serialize::binary::BinDecoder;
use hickory_server::net::runtime::Time;
use hickory_server::net::xfer::Protocol;
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::{MessageResponseBuilder, Queries};

use super::clock::Moment;
use super::counters::{Counters, count};
use super::draw::SharedDraw;
use super::service::{Outcome, Service, guarded};
use crate::answer::{Carrier, Peer};

/// hickory-server's handler over a [`Service`].
#[derive(Debug)]
pub struct Hickory<S> {
    service: Arc<S>,
    counters: Arc<Counters>,
    draw: SharedDraw,
}

impl<S: Service> Hickory<S> {
    /// Answers by `service`: an [`Engine`](super::Engine).
    pub fn new(service: S) -> Self {
        Self::counting(Arc::new(service), Arc::default())
    }

    pub(super) fn counting(service: Arc<S>, counters: Arc<Counters>) -> Self {
        Self { service, counters, draw: SharedDraw::new() }
    }

    fn reply_to(&self, request: &Request) -> Option<Message> {
        let carrier = match request.protocol() {
            Protocol::Udp => Carrier::Datagram,
            _ => Carrier::Stream,
        };
        count(if carrier.is_datagram() { &self.counters.udp_queries } else { &self.counters.tcp_queries });
        let peer = Peer { seconds: Moment::now().seconds, ..Peer::new(request.src().ip(), carrier) };
        let mut reply = vec![0; if carrier.is_datagram() { 4096 } else { usize::from(u16::MAX) }];
        let draw = self.draw.next();
        match guarded(&*self.service, &self.counters, request.as_slice(), peer, draw, &mut reply) {
            Outcome::Reply(length) => Message::from_vec(reply.get(..length)?).ok(),
            Outcome::Aside | Outcome::Dropped => None,
        }
    }
}

#[async_trait::async_trait]
impl<S: Service> RequestHandler for Hickory<S> {
    async fn handle_request<R: ResponseHandler, T: Time>(&self, request: &Request, mut to: R) -> ResponseInfo {
        let Some(mut reply) = self.reply_to(request) else {
            // Nothing is sent; the return value is for hickory's own log.
            return Header { metadata: request.metadata, counts: HeaderCounts::default() }.into();
        };
        let none = Queries::read(&mut BinDecoder::new(&[]), 0);
        let queries = match &none {
            Ok(none) if reply.queries.is_empty() => none,
            _ => &request.queries,
        };
        let mut additionals = std::mem::take(&mut reply.additionals);
        let edns = reply.edns.take();
        additionals.retain(|record| record.record_type() != hickory_proto::rr::RecordType::OPT);
        let response = MessageResponseBuilder::new(queries, edns.as_ref()).build(
            reply.metadata,
            &reply.answers,
            &reply.authorities,
            iter::empty(),
            &additionals,
        );
        let datagram = request.protocol() == Protocol::Udp;
        match to.send_response(response).await {
            Ok(info) => {
                count(if datagram { &self.counters.udp_replies } else { &self.counters.tcp_replies });
                info
            }
            Err(error) => {
                tracing::debug!("a reply was not sent: {error}");
                Header { metadata: reply.metadata, counts: HeaderCounts::default() }.into()
            }
        }
    }
}
