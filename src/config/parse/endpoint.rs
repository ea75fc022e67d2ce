//! `[endpoints.NAME]`.

use toml::de::DeTable;

use super::{choice, place, records};
use crate::config::code;
use crate::config::findings::{Findings, Written};
use crate::config::keys;
use crate::config::model::Status;
use crate::config::spec::EndpointSpec;
use crate::config::walk::{self, Fields};
use crate::wire::{Name, RecordType};

/// Types that change what lies below a name, which cannot depend on the client.
const DELEGATING: [RecordType; 3] = [RecordType::NS, RecordType::DS, RecordType::DNAME];

pub(super) fn endpoint(
    findings: &mut Findings,
    name: &Written<&str>,
    table: &DeTable<'_>,
    origin: &Name,
) -> EndpointSpec {
    let before = findings.count();
    let fields = walk::open(findings, &keys::ENDPOINT, table, name.site, None);
    let data = records::data(findings, &fields.records, origin);
    for delegating in data.iter().filter(|data| DELEGATING.contains(&data.rtype.value)) {
        findings
            .error(
                delegating.rtype.site,
                code::REFUSED_TYPE,
                format!("an endpoint cannot answer {}", delegating.rtype.value),
            )
            .label("refused")
            .help("a delegation is the same for every client: write it in `[records]`");
    }
    // Records that were told as faulty are missing here: no second fault is made of that.
    let tainted = findings.count() > before;
    if data.is_empty() && !tainted {
        findings
            .error(name.site, code::NO_DATA, format!("endpoint `{}` has no records", name.value))
            .label("expected `A`, `AAAA`, `CNAME` or any other record type");
    }
    for cname in data.iter().filter(|data| data.rtype.value == RecordType::CNAME) {
        if data.len() > 1 {
            findings
                .error(
                    cname.rtype.site,
                    code::CNAME_BESIDE_DATA,
                    format!("endpoint `{}` has a CNAME beside other data", name.value),
                )
                .label("a CNAME stands alone");
        } else if cname.rdata.len() > 1 {
            findings
                .error(cname.rtype.site, code::CNAME_TWICE, format!("endpoint `{}` has several CNAMEs", name.value))
                .label("a name has at most one")
                .help("make an endpoint of each, and a route that picks among them");
        }
    }
    let at = fields.text("at").and_then(|at| place::coordinates(findings, &at));
    let region = fields.text("region").map(|region| region.value).or_else(|| at.as_ref()?.1.clone());
    EndpointSpec {
        name: name.clone().map(str::to_owned),
        at: at.map(|(at, _)| at),
        region,
        site: fields.text("site").map(|site| site.value),
        status: status(&fields),
        check: fields.text("check"),
        tainted: tainted || data.is_empty(),
        data,
    }
}

pub(super) fn status(fields: &Fields<'_, '_>) -> Status {
    let named = [("auto", Status::Auto), ("up", Status::Up), ("down", Status::Down)];
    fields.text("status").and_then(|text| choice(&text.value, &named)).unwrap_or_default()
}
