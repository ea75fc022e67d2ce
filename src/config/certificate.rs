//! The certificate that encrypted transports show, with its key: read from PEM files and judged before it is used.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::Error;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::parse_x509_certificate;

use super::regular;

/// A chain of certificates and the key of the first one, which fit each other.
#[derive(Clone)]
pub struct Identity {
    certified: Arc<CertifiedKey>,
    valid: (i64, i64),
}

/// Why an [`Identity`] cannot be had.
#[derive(Debug)]
pub enum IdentityError {
    /// The file of the certificate cannot be read.
    CertificateUnreadable(io::Error),
    /// The file of the key cannot be read.
    KeyUnreadable(io::Error),
    /// The file holds no certificate in PEM form, or a damaged one.
    NoCertificate,
    /// The file holds no unencrypted private key in PEM form, or a damaged one.
    NoKey,
    /// The key is another certificate's.
    OtherKey,
    /// The key is of a kind that cannot be used, or the certificate cannot be understood: why.
    Unusable(String),
}

impl Identity {
    /// Reads two PEM files; one file may hold both.
    ///
    /// # Errors
    /// See [`IdentityError`].
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, IdentityError> {
        let chain = regular::read(certificate).map_err(IdentityError::CertificateUnreadable)?;
        let key = regular::read(key).map_err(IdentityError::KeyUnreadable)?;
        Self::from_pem(&chain, &key)
    }

    /// As [`Identity::read`], of texts.
    ///
    /// # Errors
    /// See [`IdentityError`].
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, IdentityError> {
        let chain: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(chain).collect();
        let chain = chain.map_err(|_| IdentityError::NoCertificate)?;
        let first = chain.first().ok_or(IdentityError::NoCertificate)?;
        let unusable = |error: &dyn fmt::Display| IdentityError::Unusable(error.to_string());
        let (_, read) = parse_x509_certificate(first).map_err(|error| unusable(&error))?;
        let valid = (read.validity().not_before.timestamp(), read.validity().not_after.timestamp());
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| IdentityError::NoKey)?;
        let certified = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider());
        let certified = Arc::new(certified.map_err(|error| match error {
            Error::InconsistentKeys(_) => IdentityError::OtherKey,
            other => unusable(&other),
        })?);
        Ok(Self { certified, valid })
    }

    /// What a handshake shows.
    pub fn certified(&self) -> &Arc<CertifiedKey> {
        &self.certified
    }

    /// From when until when the certificate is valid, seconds since 1970 UTC.
    pub fn valid(&self) -> (i64, i64) {
        self.valid
    }
}

/// Of the same certificates, and so of the same key.
impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        self.certified.cert == other.certified.cert
    }
}

/// Keys are shown to nobody.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("valid", &self.valid).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use rcgen::{CertifiedKey, generate_simple_self_signed};

    use super::*;

    fn pair() -> (String, String) {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(vec!["ns1.example".into()]).unwrap();
        (cert.pem(), signing_key.serialize_pem())
    }

    #[test]
    fn p22_a_certificate_is_taken_with_its_own_key_only() {
        let ((one, key), (other, _)) = (pair(), pair());
        let identity = Identity::from_pem(one.as_bytes(), key.as_bytes()).unwrap();
        assert!(identity.valid().0 < identity.valid().1);
        assert_eq!(identity, Identity::from_pem(one.as_bytes(), key.as_bytes()).unwrap());
        let refused = Identity::from_pem(other.as_bytes(), key.as_bytes());
        assert!(matches!(refused, Err(IdentityError::OtherKey)), "{refused:?}");
    }

    #[test]
    fn p22_a_file_may_hold_the_chain_and_the_key() {
        let ((one, key), (other, _)) = (pair(), pair());
        let both = format!("{key}{one}{other}");
        let identity = Identity::from_pem(both.as_bytes(), both.as_bytes()).unwrap();
        assert_eq!(identity.certified().cert.len(), 2);
    }

    #[test]
    fn p22_what_is_no_certificate_or_no_key_is_told_apart() {
        let (certificate, key) = pair();
        let refused = |chain: &str, key: &str| Identity::from_pem(chain.as_bytes(), key.as_bytes()).unwrap_err();
        assert!(matches!(refused(&key, &key), IdentityError::NoCertificate));
        assert!(matches!(refused("", &key), IdentityError::NoCertificate));
        assert!(matches!(refused(&certificate, &certificate), IdentityError::NoKey));
        assert!(matches!(refused(&certificate[..200], &key), IdentityError::NoCertificate));
    }

    #[test]
    fn a_key_is_not_shown() {
        let (certificate, key) = pair();
        let shown = format!("{:?}", Identity::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap());
        assert!(shown.len() < 80, "{shown}");
    }
}
