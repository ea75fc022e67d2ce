//! `tls`: the handshake completes.

use std::net::SocketAddr;

use async_trait::async_trait;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;

use super::secure::Secure;
use super::{Ask, Outcome, Stage, fault};

pub(super) struct Tls {
    /// `None` asks for the address itself.
    name: Option<ServerName<'static>>,
    verify: bool,
    secure: Secure,
}

impl Tls {
    pub(super) fn new(host: Option<String>, verify: bool, secure: &Secure) -> Result<Self, String> {
        let name = host.map(|host| {
            let bare = host.strip_suffix('.').unwrap_or(&host).to_owned();
            ServerName::try_from(bare).map_err(|_| format!("{host:?} is no server name"))
        });
        Ok(Self { name: name.transpose()?, verify, secure: secure.clone() })
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
        let (shaken, days) = self.secure.shake_hands(stream, name, self.verify, &[]).await;
        match shaken {
            Ok(_) => Outcome::pass("the handshake completed", days),
            Err(error) => fault::outcome("handshake failed", &error, to).with_days(days),
        }
    }
}

#[cfg(test)]
mod tests;
