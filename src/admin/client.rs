//! The commands' side: one request a connection, answered with JSON.

use std::fmt;
use std::io;
use std::time::Duration;

use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use axum::http::{Method, Request, StatusCode};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use super::address::Address;
use super::refusal::Fault;
use super::token::Token;
use crate::config::model::AdminAddress;

/// A local server accepts at once; a distant one within this.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// The longest work is a reload of very many zones.
const ANSWER_WITHIN: Duration = Duration::from_secs(120);
/// No reply is larger: a hundred thousand endpoints fit.
const REPLY_LIMIT: usize = 256 << 20;

/// Where a server is asked, and with what token.
#[derive(Clone, Debug)]
pub struct Client {
    address: Address,
    token: Option<Token>,
}

/// Why there is no result.
#[derive(Debug)]
pub enum ClientError {
    /// Nothing answers there.
    Absent {
        /// Where.
        address: Address,
        /// What the system says.
        cause: io::Error,
    },
    /// Something answers there, and not as rhumb does: what is odd about it.
    Foreign(String),
    /// The server said no.
    Refused {
        /// The HTTP status.
        status: u16,
        /// What the server said.
        fault: Fault,
    },
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent { address, cause } => write!(f, "no rhumb answers on {address}: {cause}"),
            Self::Foreign(what) => f.write_str(what),
            Self::Refused { fault, .. } => f.write_str(&fault.error),
        }
    }
}

impl std::error::Error for ClientError {}

impl Client {
    /// Connects with each request, not now.
    pub fn new(address: Address, token: Option<Token>) -> Self {
        Self { address, token }
    }

    /// Where it asks.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Asks for what `path` (with its query) tells.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.send(Method::GET, path, Bytes::new()).await
    }

    /// Has something done.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, ClientError> {
        let body = serde_json::to_vec(body).map_err(|fault| ClientError::Foreign(fault.to_string()))?;
        self.send(Method::POST, path, body.into()).await
    }

    async fn send<T: DeserializeOwned>(&self, method: Method, path: &str, body: Bytes) -> Result<T, ClientError> {
        let (status, body) = match &self.address.0 {
            AdminAddress::Tcp(address) => {
                let stream = self.within(TcpStream::connect(address)).await?;
                self.converse(stream, method, path, body).await?
            }
            AdminAddress::Unix(path_of_socket) => {
                let stream = self.within(UnixStream::connect(path_of_socket)).await?;
                self.converse(stream, method, path, body).await?
            }
        };
        if status.is_success() {
            return serde_json::from_slice(&body)
                .map_err(|why| self.foreign(format!("its reply to {path} is not what was expected: {why}")));
        }
        match serde_json::from_slice::<Fault>(&body) {
            Ok(fault) => Err(ClientError::Refused { status: status.as_u16(), fault }),
            Err(_) => Err(self.foreign(format!("it says HTTP {status}"))),
        }
    }

    async fn within<S>(&self, connecting: impl Future<Output = io::Result<S>>) -> Result<S, ClientError> {
        tokio::time::timeout(CONNECT_WITHIN, connecting)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map_err(|cause| ClientError::Absent { address: self.address.clone(), cause })
    }

    async fn converse<S>(
        &self,
        stream: S,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), ClientError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let host = match &self.address.0 {
            AdminAddress::Tcp(address) => address.to_string(),
            AdminAddress::Unix(_) => "localhost".to_owned(),
        };
        let mut request = Request::builder().method(method).uri(path).header(HOST, host);
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, token.authorization());
        }
        let request = request.body(Full::new(body)).map_err(|fault| ClientError::Foreign(fault.to_string()))?;

        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|fault| self.foreign(format!("it does not speak HTTP: {fault}")))?;
        let exchange = async {
            let reply = sender.send_request(request).await.map_err(|fault| self.foreign(fault))?;
            let status = reply.status();
            let body = Limited::new(reply.into_body(), REPLY_LIMIT).collect().await;
            Ok((status, body.map_err(|fault| self.foreign(fault))?.to_bytes()))
        };
        // What ends the connection badly ends the exchange badly too, and that is what is told.
        let driver = tokio::spawn(async move { connection.await.is_ok() });
        let done = tokio::time::timeout(ANSWER_WITHIN, exchange).await;
        driver.abort();
        done.unwrap_or_else(|_| Err(self.foreign("it did not answer in two minutes")))
    }

    fn foreign(&self, what: impl fmt::Display) -> ClientError {
        ClientError::Foreign(format!("what answers on {} is not a rhumb that works: {what}", self.address))
    }
}
