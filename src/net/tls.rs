//! What encrypted transports shake hands with: one TLS configuration each, the certificate asked of the service anew
//! for each handshake, so that a new one is shown as soon as it is served.

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert, ServerConfig};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};

use super::service::Service;

/// ALPN of DNS over TLS (RFC 7858, registered by RFC 9250's list), of HTTP/2 and HTTP/1.1, of DNS over QUIC (RFC 9250
/// section 4.1.1) and of HTTP/3.
pub(super) const DOT: &[&[u8]] = &[b"dot"];
pub(super) const HTTPS: &[&[u8]] = &[b"h2", b"http/1.1"];
pub(super) const DOQ: &[&[u8]] = &[b"doq"];
pub(super) const HTTP3: &[&[u8]] = &[b"h3"];

/// Shows what the service has.
struct Shown<S>(Arc<S>);

impl<S> fmt::Debug for Shown<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shown")
    }
}

impl<S: Service> ResolvesServerCert for Shown<S> {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.identity()
    }
}

/// For a transport with these protocols. QUIC has TLS 1.3 alone (RFC 9001 section 4.2). Sessions are resumed by
/// tickets, which keep nothing here; early data is not taken, since it can be replayed.
///
/// # Errors
/// The system has no random octets to give.
pub(super) fn config<S: Service>(service: &Arc<S>, protocols: &[&[u8]]) -> io::Result<ServerConfig> {
    let is_quic = protocols == DOQ || protocols == HTTP3;
    let versions = if is_quic { &[&TLS13][..] } else { &[&TLS13, &TLS12] };
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider);
    let builder = builder.with_protocol_versions(versions).map_err(io::Error::other)?;
    let mut config = builder.with_no_client_auth().with_cert_resolver(Arc::new(Shown(Arc::clone(service))));
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = aws_lc_rs::Ticketer::new().map_err(io::Error::other)?;
    Ok(config)
}
