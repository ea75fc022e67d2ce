//! `tls`: the handshake completes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::secure::{Secure, days_left};
use super::{Ask, Outcome, Stage, fault};

pub(super) struct Tls {
    /// `None` asks for the address itself.
    name: Option<ServerName<'static>>,
    connector: TlsConnector,
}

impl Tls {
    pub(super) fn new(host: Option<String>, verify: bool, secure: &Secure) -> Result<Self, String> {
        let name = host.map(|host| {
            let bare = host.strip_suffix('.').unwrap_or(&host).to_owned();
            ServerName::try_from(bare).map_err(|_| format!("{host:?} is no server name"))
        });
        Ok(Self { name: name.transpose()?, connector: TlsConnector::from(Arc::clone(secure.config(verify))) })
    }
}

#[async_trait]
impl Ask for Tls {
    async fn ask(&self, to: SocketAddr, stage: &Stage) -> Outcome {
        stage.set("connecting");
        let stream = match TcpStream::connect(to).await {
            Ok(stream) => stream,
            Err(error) => return fault::outcome("no connection", &error, to),
        };
        stage.set("shaking hands");
        let name = self.name.clone().unwrap_or_else(|| ServerName::IpAddress(to.ip().into()));
        match self.connector.connect(name, stream).await {
            Ok(stream) => {
                let certificate = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
                let days = certificate.and_then(|certificate| days_left(certificate, SystemTime::now()));
                Outcome::pass("the handshake completed", days)
            }
            Err(error) => fault::outcome("handshake failed", &error, to),
        }
    }
}

#[cfg(test)]
mod tests;
