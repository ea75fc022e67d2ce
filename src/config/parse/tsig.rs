//! `[keys.NAME]` of the server file. Secrets are read past the files that a load keeps, so that no copy of them is made.

use std::fs;
use std::path::PathBuf;

use domain::utils::base64;

use super::choice;
use crate::config::code;
use crate::config::findings::{Findings, Written};
use crate::config::keys;
use crate::config::model::{Secret, Server, TsigAlgorithm, TsigKey};
use crate::config::walk::{self, Fields};
use crate::wire::Name;

/// Octets of the shortest secret: half of the shortest hash, below which guessing it becomes a plan.
const SHORTEST: usize = 16;

const ALGORITHMS: &[(&str, TsigAlgorithm)] = &[
    ("hmac-sha256", TsigAlgorithm::Sha256),
    ("hmac-sha384", TsigAlgorithm::Sha384),
    ("hmac-sha512", TsigAlgorithm::Sha512),
];

pub(super) fn keys(
    findings: &mut Findings,
    fields: &Fields<'_, '_>,
    beside: &dyn Fn(&Written<String>) -> PathBuf,
    server: &mut Server,
) {
    for (name, table) in fields.tables(findings, "keys") {
        let fields = walk::open(findings, &keys::TSIG_KEY, table, name.site, None);
        let parsed = match Name::absolute(name.value) {
            Ok(parsed) if !parsed.is_root() => Some(parsed),
            _ => {
                findings
                    .error(name.site, code::BAD_NAME, format!("`{}` cannot name a key", name.value))
                    .label("expected a domain name such as `xfr` or `ns1-ns2.example.com`");
                None
            }
        };
        let algorithm = fields.text("algorithm").and_then(|text| choice(&text.value, ALGORITHMS));
        let secret = match (fields.text("secret_file"), fields.text("secret")) {
            (Some(file), None) => {
                let path = beside(&file);
                server.secret_files.push(path.clone());
                match fs::read_to_string(&path) {
                    Ok(text) => Some(Written::new(text, file.site)),
                    Err(error) => {
                        findings
                            .error(file.site, code::BAD_SECRET, format!("cannot read {}: {error}", path.display()))
                            .label("named here");
                        continue;
                    }
                }
            }
            (None, secret) => secret,
            (Some(_), Some(_)) => None,
        };
        let Some(secret) = secret else {
            findings
                .error(name.site, code::BAD_SECRET, format!("key `{}` needs a secret", name.value))
                .label("expected one of `secret_file` and `secret`");
            continue;
        };
        let octets = base64::decode::<Vec<u8>>(&secret.value.split_whitespace().collect::<String>());
        let Some(octets) = octets.ok().filter(|octets| octets.len() >= SHORTEST) else {
            findings
                .error(secret.site, code::BAD_SECRET, format!("the secret of `{}` cannot be used", name.value))
                .label(format!("expected at least {SHORTEST} octets in base64"))
                .help("make one: `openssl rand -base64 32`");
            continue;
        };
        if let Some(name) = parsed {
            let algorithm = algorithm.unwrap_or(TsigAlgorithm::Sha256);
            server.keys.push(TsigKey { name, algorithm, secret: Secret::new(octets) });
        }
    }
}
