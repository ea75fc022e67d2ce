//! The server file's words on encrypted transports, proxies and the limits of connections.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use x509_parser::time::ASN1Time;

use super::location;
use super::server::socket;
use crate::config::certificate::{Identity, IdentityError};
use crate::config::code;
use crate::config::findings::{Findings, Site, Written};
use crate::config::keys;
use crate::config::model::{Server, Tls, Transport};
use crate::config::walk::{self, Fields};

/// The keys of `[listen]` that are about encrypted transports and proxies.
pub(super) fn listen(findings: &mut Findings, fields: &Fields<'_, '_>, server: &mut Server) {
    let addresses = |findings: &mut Findings, key: &str| -> Vec<SocketAddr> {
        fields.texts(key).iter().filter_map(|text| socket(findings, text)).collect()
    };
    let encrypted = &mut server.encrypted;
    for (key, list) in [
        ("tls", &mut encrypted.tls),
        ("https", &mut encrypted.https),
        ("quic", &mut encrypted.quic),
        ("http3", &mut encrypted.http3),
    ] {
        *list = addresses(findings, key);
    }
    for text in fields.texts("proxy_from") {
        server.proxy_from.extend(location::network(findings, text.site, &text.value));
    }
    if let Some(path) = fields.text("https_path") {
        if !path.value.starts_with('/') || path.value.contains(['?', '#', '{']) {
            findings
                .error(path.site, code::UNKNOWN_VALUE, format!("`{}` is no path", path.value))
                .label("expected such as `/dns-query`");
        }
        server.https_path = path.value;
    }
    let first = server.encrypted.by_key().into_iter().find_map(|(key, _)| Some((key, fields.key_site(key)?)));
    if let Some((key, site)) = first
        && server.transport == Transport::Hickory
    {
        findings
            .warning(site, code::UNUSED, format!("`listen.{key}` is not served with `transport = \"hickory\"`"))
            .label("the portable transport has UDP and TCP only");
    }
}

/// `[tls]`. `lenient`: what cannot be used is a warning.
pub(super) fn tls(
    findings: &mut Findings,
    fields: &Fields<'_, '_>,
    beside: &dyn Fn(&Written<String>) -> PathBuf,
    lenient: bool,
    server: &mut Server,
) {
    let Some((site, table)) = fields.table("tls") else { return };
    let fields = walk::open(findings, &keys::TLS, table, site, None);
    let (Some(certificate), Some(key)) = (fields.text("certificate"), fields.text("key")) else { return };
    let files = (beside(&certificate), beside(&key));
    let identity = match Identity::read(&files.0, &files.1) {
        Ok(identity) => {
            judge_time(findings, certificate.site, &files.0, &identity);
            Some(identity)
        }
        Err(error) => {
            refuse(findings, (certificate.site, &files.0), (key.site, &files.1), &error, lenient);
            None
        }
    };
    server.tls = Some(Tls { files: Some(files), identity });
}

fn refuse(
    findings: &mut Findings,
    certificate: (Site, &Path),
    key: (Site, &Path),
    error: &IdentityError,
    lenient: bool,
) {
    let (chain_file, key_file) = (certificate.1.display(), key.1.display());
    let unreadable = |file: &dyn std::fmt::Display, error: &std::io::Error| {
        let help = "correct the path, and let the user that rhumb runs as read the file";
        (code::UNREADABLE, format!("cannot read {file}: {}", crate::config::files::cause(error)), help)
    };
    let (site, (code, message, help)) = match error {
        IdentityError::CertificateUnreadable(error) => (certificate.0, unreadable(&chain_file, error)),
        IdentityError::KeyUnreadable(error) => (key.0, unreadable(&key_file, error)),
        IdentityError::NoCertificate => {
            let help = "it should hold the server's certificate and those between it and the root, in PEM form";
            (certificate.0, (code::BAD_CERTIFICATE, format!("{chain_file} holds no whole certificate"), help))
        }
        IdentityError::NoKey => {
            let help = "it should hold a private key without a passphrase, in PEM form";
            (key.0, (code::BAD_CERTIFICATE, format!("{key_file} holds no whole private key"), help))
        }
        IdentityError::OtherKey => {
            let message = format!("the key in {key_file} is not that of the first certificate in {chain_file}");
            let help = "name the two files that were made together; the server's own certificate comes first";
            (key.0, (code::BAD_CERTIFICATE, message, help))
        }
        IdentityError::Unusable(why) => {
            let help = "ECDSA (P-256, P-384), RSA (2048 bits and more) and Ed25519 are understood";
            (certificate.0, (code::BAD_CERTIFICATE, format!("{chain_file} cannot be used: {why}"), help))
        }
    };
    let found = match lenient {
        true => findings.warning(site, code, message),
        false => findings.error(site, code, message),
    };
    found.label("named here").help(help);
}

fn judge_time(findings: &mut Findings, site: Site, file: &Path, identity: &Identity) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let (begins, ends) = identity.valid();
    let shown = |time: i64| ASN1Time::from_timestamp(time).map_or_else(|_| "a time unknown".into(), |t| t.to_string());
    let fault = if now > ends {
        format!("the certificate in {} has ended, on {}", file.display(), shown(ends))
    } else if now < begins {
        format!("the certificate in {} begins to be valid on {}", file.display(), shown(begins))
    } else {
        return;
    };
    findings
        .warning(site, code::CERTIFICATE_TIME, fault)
        .label("clients that check certificates turn away")
        .help("put a new certificate in its place: it is taken without a restart");
}

/// Encrypted transports have something to show.
pub(super) fn needs_certificate(findings: &mut Findings, fields: &Fields<'_, '_>, server: &Server) {
    if server.tls.is_some() || fields.key_site("tls").is_some() || server.encrypted.is_empty() {
        return;
    }
    let Some((listen, table)) = fields.table("listen") else { return };
    let mut none = Findings::default();
    let listen_fields = walk::open(&mut none, &keys::LISTEN, table, listen, None);
    for (key, addresses) in server.encrypted.by_key() {
        if let Some(site) = listen_fields.key_site(key).filter(|_| !addresses.is_empty()) {
            findings
                .error(site, code::MISSING_KEY, format!("`listen.{key}` has no certificate to show"))
                .label("encrypted")
                .help(
                    "add `[tls]` with `certificate = \"…pem\"` and `key = \"…pem\"`; for a first try \
                     `rhumb serve --tls-self-signed` makes one",
                );
            return;
        }
    }
}

/// The keys of `[limits]` that are about connections.
pub(super) fn limits(fields: &Fields<'_, '_>, server: &mut Server) {
    let limits = &mut server.connections;
    for (key, limit) in [
        ("connections", &mut limits.total),
        ("connections_per_client", &mut limits.per_client),
        ("handshakes", &mut limits.handshakes),
    ] {
        if let Some(number) = fields.integer(key) {
            *limit = usize::try_from(number.value).unwrap_or(usize::MAX);
        }
    }
    if let Some(number) = fields.integer("requests_per_connection") {
        limits.requests = u32::try_from(number.value).unwrap_or(u32::MAX);
    }
    for (key, limit) in
        [("idle", &mut limits.idle), ("message", &mut limits.message), ("handshake", &mut limits.handshake)]
    {
        if let Some(given) = fields.duration(key) {
            *limit = given.value;
        }
    }
}
