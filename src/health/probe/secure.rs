//! TLS for probes: which certificates are believed (H4), and what is read of them.

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConfig, Resumption};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, RootCertStore, SignatureScheme};
use x509_parser::parse_x509_certificate;

const SECONDS_A_DAY: i64 = 86_400;

/// The TLS settings that all probes share. Sessions are never resumed: a resumed one shows no certificate, and the
/// store is keyed by name, so that one endpoint's would stand in for another's of the same name.
#[derive(Clone)]
pub struct Secure {
    believing: Arc<ClientConfig>,
    verifying: Arc<ClientConfig>,
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
        let provider = Arc::new(aws_lc_rs::default_provider());
        let believing = Believing(Arc::clone(&provider));
        let builder =
            || ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
        let finish = |mut config: ClientConfig| {
            config.resumption = Resumption::disabled();
            Arc::new(config)
        };
        // The provider's own versions are the default ones: there is nothing that could be missing.
        let (Ok(one), Ok(other)) = (builder(), builder()) else { unreachable!("aws-lc-rs speaks TLS 1.2 and 1.3") };
        Self {
            believing: finish(
                one.dangerous().with_custom_certificate_verifier(Arc::new(believing)).with_no_client_auth(),
            ),
            verifying: finish(other.with_root_certificates(roots).with_no_client_auth()),
        }
    }

    /// The settings that verify certificates, or believe any.
    pub(super) fn config(&self, verify: bool) -> &Arc<ClientConfig> {
        if verify { &self.verifying } else { &self.believing }
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

/// `verify = false`: whatever is shown is believed, the signature made with it included, since certificates too old
/// to be parsed could not be checked at all.
#[derive(Debug)]
struct Believing(Arc<CryptoProvider>);

impl ServerCertVerifier for Believing {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
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
        self.0.signature_verification_algorithms.supported_schemes()
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
