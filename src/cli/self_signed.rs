//! A certificate of one's own for a first try of encrypted transports (`--tls-self-signed`), made anew at each start.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};

use crate::config::certificate::Identity;

/// The names that it is for: this machine as it calls itself from inside.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
const SECONDS_A_YEAR: u64 = 31_556_952;

/// For loopback, valid until the end of next year.
pub(super) fn identity() -> anyhow::Result<Identity> {
    let key = KeyPair::generate().context("no key can be made")?;
    let mut params = CertificateParams::new(NAMES.map(str::to_owned)).context("no certificate can be made")?;
    params.distinguished_name.push(DnType::CommonName, "rhumb, self-signed");
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let year = 1970 + i32::try_from(since / SECONDS_A_YEAR).unwrap_or(0);
    params.not_before = date_time_ymd(year - 1, 1, 1);
    params.not_after = date_time_ymd(year + 2, 1, 1);
    let certificate = params.self_signed(&key).context("no certificate can be made")?;
    Identity::from_pem(certificate.pem().as_bytes(), key.serialize_pem().as_bytes())
        .map_err(|error| anyhow::anyhow!("the certificate that was made cannot be used: {error:?}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn p22_a_certificate_of_one_s_own_is_valid_now_and_for_a_year() {
        let (begins, ends) = identity().unwrap().valid();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
        let year = SECONDS_A_YEAR as i64;
        assert!(begins < now && now + year < ends && ends < now + 3 * year, "{begins} {now} {ends}");
        assert_ne!(identity().unwrap(), identity().unwrap());
    }
}
