//! `[keys.NAME]` of the server file. Secrets are read past the files that a load keeps, so that no copy of them is made.

use std::path::PathBuf;

use domain::utils::base64;

use super::choice;
use crate::config::code;
use crate::config::findings::{Findings, Site, Written};
use crate::config::keys;
use crate::config::model::{Secret, Server, TsigAlgorithm, TsigKey};
use crate::config::regular;
use crate::config::walk::{self, Fields};
use crate::wire::Name;

/// Octets of the shortest secret: half of the shortest hash, below which guessing it becomes a plan.
const SHORTEST: usize = 16;

const ALGORITHMS: &[(&str, TsigAlgorithm)] = &[
    ("hmac-sha256", TsigAlgorithm::Sha256),
    ("hmac-sha384", TsigAlgorithm::Sha384),
    ("hmac-sha512", TsigAlgorithm::Sha512),
];

/// `is_last_good`: what is read was served before, and a secret that has gone since keeps nothing else from being served
/// again. Its key then signs and believes nothing.
pub(super) fn keys(
    findings: &mut Findings,
    fields: &Fields<'_, '_>,
    beside: &dyn Fn(&Written<String>) -> PathBuf,
    is_last_good: bool,
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
        let file = fields.text("secret_file").map(|file| Written::new(beside(&file), file.site));
        server.secret_files.extend(file.as_ref().map(|file| file.value.clone()));
        let octets = match secret(&name, file.as_ref(), fields.text("secret")) {
            Ok(octets) => octets,
            Err(fault) => {
                let Fault { site, message, label, help } = fault;
                let found = match is_last_good {
                    true => findings.warning(site, code::BAD_SECRET, message),
                    false => findings.error(site, code::BAD_SECRET, message),
                };
                found.label(label).maybe_help(help.map(str::to_owned));
                match nobodys().filter(|_| is_last_good) {
                    Some(octets) => octets,
                    None => continue,
                }
            }
        };
        if let Some(name) = parsed {
            let algorithm = algorithm.unwrap_or(TsigAlgorithm::Sha256);
            server.keys.push(TsigKey { name, algorithm, secret: Secret::new(octets) });
        }
    }
}

/// What is wrong with a secret.
struct Fault {
    site: Site,
    message: String,
    label: String,
    help: Option<&'static str>,
}

fn secret(
    name: &Written<&str>,
    file: Option<&Written<PathBuf>>,
    given: Option<Written<String>>,
) -> Result<Vec<u8>, Fault> {
    let text = match (file, given) {
        (Some(file), None) => match regular::read_to_string(&file.value) {
            Ok(text) => Written::new(text, file.site),
            Err(error) => {
                let message = format!("cannot read {}: {error}", file.value.display());
                return Err(Fault { site: file.site, message, label: "named here".into(), help: None });
            }
        },
        (None, Some(given)) => given,
        _ => {
            let label = "expected one of `secret_file` and `secret`".into();
            let message = format!("key `{}` needs a secret", name.value);
            return Err(Fault { site: name.site, message, label, help: None });
        }
    };
    let octets = base64::decode::<Vec<u8>>(&text.value.split_whitespace().collect::<String>());
    octets.ok().filter(|octets| octets.len() >= SHORTEST).ok_or_else(|| Fault {
        site: text.site,
        message: format!("the secret of `{}` cannot be used", name.value),
        label: format!("expected at least {SHORTEST} octets in base64"),
        help: Some("make one: `openssl rand -base64 32`"),
    })
}

/// A secret that nobody knows.
fn nobodys() -> Option<Vec<u8>> {
    let mut octets = vec![0; 32];
    aws_lc_rs::rand::fill(&mut octets).ok().map(|()| octets)
}
