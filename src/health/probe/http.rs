//! `http` and `https` (H2–H5).

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use async_trait::async_trait;
use reqwest::header::{HOST, HeaderMap, HeaderName, HeaderValue};
use reqwest::tls::TlsInfo;
use reqwest::{Client, Method, Response, Url};
use rustls::ClientConfig;

use super::secure::{Secure, days_left};
use super::{Ask, BODY_LIMIT, Outcome, Stage, contains, excerpt, fault, parse_address};
use crate::config::model::{Check, CheckKind};

const USER_AGENT: &str = concat!("rhumb-health/", env!("CARGO_PKG_VERSION"));

/// Characters that would let a host name change what the URL around it means.
const NOT_IN_HOSTS: &[char] = &['/', '\\', '?', '#', '@', ':', '[', ']', '%'];

pub(super) struct Http {
    scheme: &'static str,
    host: Host,
    path: String,
    method: Method,
    headers: HeaderMap,
    status: Vec<(u16, u16)>,
    body: Option<String>,
    tls: Arc<ClientConfig>,
    /// Made for one address: a client cannot be told another one later.
    made: Mutex<Option<(SocketAddr, Client, Url)>>,
}

/// What the server is told that it is.
enum Host {
    /// The address that is probed.
    Address,
    /// A name: Host header, SNI and the name in the certificate.
    Name(String),
    /// Another address, in the Host header only: SNI has no addresses (RFC 6066 section 3), and the certificate must
    /// be for the address that is probed.
    OtherAddress(String),
}

impl Http {
    pub(super) fn new(check: &Check, default_host: Option<String>, secure: &Secure) -> Result<Self, String> {
        let CheckKind::Http { tls, host, path, method, headers, status, body, verify } = &check.kind else {
            return Err("not an HTTP check".into());
        };
        let host = match host.clone().or(default_host) {
            None => Host::Address,
            Some(host) => match parse_address(&host) {
                Some(address) if address.is_ipv6() => Host::OtherAddress(format!("[{address}]")),
                Some(address) => Host::OtherAddress(address.to_string()),
                None => Host::Name(host.strip_suffix('.').unwrap_or(&host).to_owned()),
            },
        };
        let mut config = ClientConfig::clone(secure.config(*verify));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            scheme: if *tls { "https" } else { "http" },
            host,
            path: path.clone(),
            method: Method::from_bytes(method.as_bytes()).map_err(|_| format!("{method:?} is no method"))?,
            headers: header_map(headers)?,
            status: status.clone(),
            body: body.clone(),
            tls: Arc::new(config),
            made: Mutex::default(),
        })
    }

    fn client(&self, to: SocketAddr) -> Result<(Client, Url), String> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, client, url)) = &*made
            && *at == to
        {
            return Ok((client.clone(), url.clone()));
        }
        let (client, url) = self.make(to)?;
        *made = Some((to, client.clone(), url.clone()));
        Ok((client, url))
    }

    fn make(&self, to: SocketAddr) -> Result<(Client, Url), String> {
        let url = self.url(to)?;
        let mut builder = Client::builder()
            .tls_backend_preconfigured(ClientConfig::clone(&self.tls))
            .tls_info(true)
            .user_agent(USER_AGENT)
            .no_proxy()
            .http1_only()
            .pool_max_idle_per_host(0)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false);
        if let Some(domain) = url.domain() {
            builder = builder.resolve(domain, to);
        }
        let client = builder.build().map_err(|error| format!("no client: {error}"))?;
        Ok((client, url))
    }

    /// The port is always in the URL, since that one is connected to, whatever the client is told to resolve to.
    fn url(&self, to: SocketAddr) -> Result<Url, String> {
        let text = match &self.host {
            Host::Address | Host::OtherAddress(_) => format!("{}://{to}{}", self.scheme, self.path),
            Host::Name(name) if name.contains(NOT_IN_HOSTS) => return Err(format!("{name:?} is no host name")),
            Host::Name(name) => format!("{}://{name}:{}{}", self.scheme, to.port(), self.path),
        };
        let url = Url::parse(&text).map_err(|error| format!("{text}: {error}"))?;
        // Names like `0x7f.1` are addresses to a URL, and would be connected to instead of the endpoint.
        match (&self.host, url.domain()) {
            (Host::Name(name), None) => Err(format!("{name:?} is no host name")),
            _ => Ok(url),
        }
    }

    fn headers(&self, to: SocketAddr) -> HeaderMap {
        let mut headers = self.headers.clone();
        if let Host::OtherAddress(host) = &self.host
            && !headers.contains_key(HOST)
        {
            let default = if self.scheme == "https" { 443 } else { 80 };
            let value = if to.port() == default { host.clone() } else { format!("{host}:{}", to.port()) };
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(HOST, value);
            }
        }
        headers
    }
}

#[async_trait]
impl Ask for Http {
    async fn ask(&self, to: SocketAddr, stage: &Stage) -> Outcome {
        let (client, url) = match self.client(to) {
            Ok(made) => made,
            Err(reason) => return Outcome::NoResult(reason),
        };
        stage.set("waiting for the response");
        let request = client.request(self.method.clone(), url).headers(self.headers(to));
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => return fault::outcome("no response", &error, to),
        };
        let certificate = response.extensions().get::<TlsInfo>().and_then(TlsInfo::peer_certificate);
        let days = certificate.and_then(|certificate| days_left(certificate, SystemTime::now()));
        let status = response.status().as_u16();
        if !self.status.iter().any(|&(from, to)| (from..=to).contains(&status)) {
            return Outcome::fail(format!("status {status}"), days);
        }
        let Some(wanted) = &self.body else { return Outcome::pass(format!("status {status}"), days) };
        stage.set("reading the body");
        match search(response, wanted).await {
            Ok(None) => Outcome::pass(format!("status {status}, the body matches"), days),
            Ok(Some(got)) => {
                let got = excerpt(&got);
                Outcome::fail(
                    format!("status {status}, but {wanted:?} is not in the body's first {BODY_LIMIT} bytes, {got}"),
                    days,
                )
            }
            Err(error) => fault::outcome("reading the body failed", &error, to),
        }
    }
}

/// Reads the unpacked body no further than the limit; `None` if `wanted` is in it, else what there was.
async fn search(mut response: Response, wanted: &str) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut got: Vec<u8> = Vec::new();
    loop {
        if contains(&got, wanted) {
            return Ok(None);
        }
        if got.len() == BODY_LIMIT {
            return Ok(Some(got));
        }
        let Some(chunk) = response.chunk().await? else { return Ok(Some(got)) };
        got.extend_from_slice(&chunk[..chunk.len().min(BODY_LIMIT - got.len())]);
    }
}

fn header_map(headers: &[(String, String)]) -> Result<HeaderMap, String> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("{name:?} is no header"))?;
        let value = HeaderValue::from_str(value).map_err(|_| format!("the value of {name} is no header value"))?;
        map.append(key, value);
    }
    Ok(map)
}

#[cfg(test)]
mod tests;
