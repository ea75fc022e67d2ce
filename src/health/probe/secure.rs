//! TLS for probes: which certificates are believed (H4), and what is read of them, believed or not.

use std::fmt;
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConfig, Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, CipherSuite, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use x509_parser::parse_x509_certificate;

const SECONDS_A_DAY: i64 = 86_400;

/// The TLS settings that all probes share. Sessions are never resumed: a resumed one shows no certificate, and the
/// store is keyed by name, so that one endpoint's would stand in for another's of the same name.
#[derive(Clone)]
pub struct Secure(Arc<Settings>);

struct Settings {
    config: ClientConfig,
    believing: Arc<dyn ServerCertVerifier>,
    verifying: Arc<dyn ServerCertVerifier>,
}

impl Secure {
    /// The system's root certificates. Those that cannot be read are logged; with none at all every certificate
    /// fails, and the reason says so.
    pub fn system() -> Self {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::warn!("root certificates: {error}");
        }
        let mut roots = RootCertStore::empty();
        let (_, unusable) = roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            tracing::warn!("no root certificates found: https and tls checks fail unless they have verify = false");
        } else if unusable > 0 {
            tracing::debug!(unusable, "root certificates that cannot be used");
        }
        Self::with_roots(roots)
    }

    /// Root certificates of one's own; may be empty.
    pub fn with_roots(roots: RootCertStore) -> Self {
        let mut provider = aws_lc_rs::default_provider();
        // A probe has no secrets to keep for decades: of the suites that servers have, the one that is hashed in hardware
        // first. It saves a twentieth of a handshake.
        provider.cipher_suites.sort_by_key(|suite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
        let provider = Arc::new(provider);
        let fixed = |believes| Arc::new(Fixed { provider: Arc::clone(&provider), believes });
        let verifying: Arc<dyn ServerCertVerifier> =
            match WebPkiServerVerifier::builder_with_provider(roots.into(), Arc::clone(&provider)).build() {
                Ok(verifier) => verifier,
                // There are no roots.
                Err(_) => fixed(false),
            };
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
        // The provider's own versions are the default ones: there is nothing that could be missing.
        let Ok(builder) = builder.with_safe_default_protocol_versions() else {
            unreachable!("aws-lc-rs speaks TLS 1.2 and 1.3")
        };
        let builder = builder.dangerous().with_custom_certificate_verifier(Arc::clone(&verifying));
        let mut config = builder.with_no_client_auth();
        config.resumption = Resumption::disabled();
        Self(Arc::new(Settings { config, believing: fixed(true), verifying }))
    }

    /// Shakes hands over an open connection, and how many whole days the certificate that was shown has left, believed
    /// or not. `protocols` are offered by ALPN.
    pub(super) async fn shake_hands(
        &self,
        stream: TcpStream,
        name: ServerName<'static>,
        verify: bool,
        protocols: &[&[u8]],
    ) -> (io::Result<TlsStream<TcpStream>>, Option<i64>) {
        let verifier = Arc::clone(if verify { &self.0.verifying } else { &self.0.believing });
        let noting = Arc::new(Noting { verifier, days: OnceLock::new() });
        // Costs some pointers: a handshake that fails leaves no other trace of the certificate.
        let mut config = self.0.config.clone();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        config.dangerous().set_certificate_verifier(Arc::<Noting>::clone(&noting));
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
        (stream, noting.days.get().copied().flatten())
    }
}

impl fmt::Debug for Secure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secure")
    }
}

/// Whole days until the end of a certificate, negative once it is over; `None` if it cannot be read.
pub(super) fn days_left(certificate: &[u8], now: SystemTime) -> Option<i64> {
    let (_, certificate) = parse_x509_certificate(certificate).ok()?;
    let now = i64::try_from(now.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok()?;
    Some((certificate.validity().not_after.timestamp() - now).div_euclid(SECONDS_A_DAY))
}

/// Notes what certificate is shown, and leaves the judgement to another one.
#[derive(Debug)]
struct Noting {
    verifier: Arc<dyn ServerCertVerifier>,
    days: OnceLock<Option<i64>>,
}

impl ServerCertVerifier for Noting {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.days.get_or_init(|| days_left(end_entity, SystemTime::now()));
        self.verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

/// `verify = false`: whatever is shown is believed, the signature made with it included, since certificates too old
/// to be parsed could not be checked at all. Or, where there is no root certificate, nothing is believed.
#[derive(Debug)]
struct Fixed {
    provider: Arc<CryptoProvider>,
    believes: bool,
}

impl ServerCertVerifier for Fixed {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.believes { Ok(ServerCertVerified::assertion()) } else { Err(CertificateError::UnknownIssuer.into()) }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::server::Identity;
    use super::*;

    #[test]
    fn h4_days_are_whole_and_below_zero_from_the_first_second_after_the_end() {
        let identity = Identity::new("localhost", 2020);
        // The first moment of 31 December 2020.
        let end = UNIX_EPOCH + Duration::from_secs(1_609_372_800);
        let (day, second) = (Duration::from_secs(86_400), Duration::from_secs(1));
        let left = |now: SystemTime| days_left(identity.der(), now);
        assert_eq!([left(end - day), left(end - day + second), left(end)], [Some(1), Some(0), Some(0)]);
        assert_eq!([left(end + second), left(end + day + second)], [Some(-1), Some(-2)]);
        assert_eq!(days_left(b"no certificate", end), None);
    }
}
