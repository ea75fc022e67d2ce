//! `tcp`: the connection opens; something is sent, something comes back.

use std::net::SocketAddr;

use async_trait::async_trait;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Ask, BODY_LIMIT, Outcome, Stage, contains, excerpt, fault};

pub(super) struct Tcp {
    send: Option<String>,
    expect: Option<String>,
}

impl Tcp {
    pub(super) fn new(send: Option<&str>, expect: Option<&str>) -> Self {
        Self { send: send.map(str::to_owned), expect: expect.map(str::to_owned) }
    }
}

#[async_trait]
impl Ask for Tcp {
    async fn ask(&self, to: SocketAddr, stage: &Stage) -> Outcome {
        stage.set("connecting");
        let mut stream = match TcpStream::connect(to).await {
            Ok(stream) => stream,
            Err(error) => return fault::outcome("no connection", &error, to),
        };
        if let Some(send) = &self.send {
            stage.set("sending");
            if let Err(error) = stream.write_all(send.as_bytes()).await {
                return fault::outcome("sending failed", &error, to);
            }
        }
        let Some(expect) = &self.expect else { return Outcome::pass("connected", None) };
        stage.set("reading");
        let mut got = vec![0; BODY_LIMIT];
        let mut length = 0;
        loop {
            match stream.read(&mut got[length..]).await {
                Ok(0) => {
                    return Outcome::fail(format!("{expect:?} did not come, but {}", excerpt(&got[..length])), None);
                }
                Ok(more) => length += more,
                Err(error) => return fault::outcome("reading failed", &error, to),
            }
            if contains(&got[..length], expect) {
                return Outcome::pass("the expected text came", None);
            }
        }
    }
}

#[cfg(test)]
mod tests;
