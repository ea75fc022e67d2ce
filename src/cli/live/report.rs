//! Findings for people and for programs.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::output::{Output, Table, Tone};
use super::exchange::Silence;
use super::judge::{Finding, Severity};
use super::survey::{Facts, Probed};

/// How many findings are of a severity.
pub(super) fn count(findings: &[Finding], severity: Severity) -> usize {
    findings.iter().filter(|finding| finding.severity == severity).count()
}

/// One document: the servers as they were seen, and the findings.
pub(super) fn json(facts: &Facts, findings: &[Finding]) -> Value {
    let milliseconds = |took: &Duration| (took.as_secs_f64() * 1e5).round() / 1e2;
    let servers: Vec<Value> = facts
        .probed
        .iter()
        .map(|probed| {
            let spoken = probed.udp.as_ref().ok();
            json!({
                "name": probed.name.to_string(),
                "address": probed.address,
                "serves": probed.serves(),
                "serial": spoken.and_then(|spoken| spoken.serial),
                "subnet": spoken.map(|spoken| spoken.subnet),
                "udp_milliseconds": spoken.map(|spoken| milliseconds(&spoken.took)),
                "tcp_milliseconds": probed.tcp.as_ref().ok().map(milliseconds),
            })
        })
        .collect();
    json!({
        "zone": facts.zone.to_string(),
        "parent": facts.parent.to_string(),
        "errors": count(findings, Severity::Error),
        "warnings": count(findings, Severity::Warning),
        "servers": servers,
        "findings": findings,
    })
}

/// The servers, one a line; the findings; a line that sums up.
pub(super) fn text(facts: &Facts, findings: &[Finding], output: &Output) -> String {
    let mut table = Table::default();
    for probed in &facts.probed {
        table.row(row(probed));
    }
    let heading = format!("{} below {}", facts.zone, facts.parent);
    let mut text = format!("{}\n{}", output.paint(Tone::Strong, heading), table.render(output, "  "));
    for finding in findings {
        let (tone, word) = match finding.severity {
            Severity::Error => (Tone::Bad, "error"),
            Severity::Warning => (Tone::Wary, "warning"),
            Severity::Note => (Tone::Strong, "note"),
        };
        text.push_str(&format!("\n{}: {}\n", output.paint(tone, format!("{word}[{}]", finding.code)), finding.what));
        if !finding.at.is_empty() {
            text.push_str(&format!("  at: {}\n", finding.at.join(", ")));
        }
        text.push_str(&format!("  do: {}\n", finding.help));
    }
    let (errors, warnings) = (count(findings, Severity::Error), count(findings, Severity::Warning));
    let (tone, verdict) = match (errors, warnings) {
        (0, 0) => (Tone::Good, "no faults".to_owned()),
        (0, _) => (Tone::Wary, counted(warnings, "warning")),
        (_, 0) => (Tone::Bad, counted(errors, "error")),
        _ => (Tone::Bad, format!("{}, {}", counted(errors, "error"), counted(warnings, "warning"))),
    };
    let asked = counted(facts.probed.len(), "address");
    text.push_str(&format!("\n{}: {asked} asked\n", output.paint(tone, verdict)));
    text
}

fn row(probed: &Probed) -> Vec<(Tone, String)> {
    let took = |took: Duration| format!("{:.0} ms", took.as_secs_f64() * 1e3);
    let mut cells = vec![(Tone::Strong, probed.name.to_string()), (Tone::Plain, probed.address.to_string())];
    match &probed.udp {
        Ok(spoken) => {
            cells.push((Tone::Good, format!("udp {}", took(spoken.took))));
            cells.push(match &probed.tcp {
                Ok(time) => (Tone::Good, format!("tcp {}", took(*time))),
                Err(_) => (Tone::Bad, "no tcp".to_owned()),
            });
            cells.push(match spoken.serial {
                Some(serial) if spoken.serves() => (Tone::Plain, format!("serial {serial}")),
                _ if spoken.truncated => (Tone::Bad, "truncated".to_owned()),
                _ => (Tone::Bad, "does not serve the zone".to_owned()),
            });
            cells.push((Tone::Faint, if spoken.subnet { "client subnet".to_owned() } else { String::new() }));
        }
        Err(Silence::NoRoute) => cells.push((Tone::Faint, "not seen".to_owned())),
        Err(_) if probed.tcp.is_ok() => cells.push((Tone::Bad, "no udp".to_owned())),
        Err(_) => cells.push((Tone::Bad, "silent".to_owned())),
    }
    cells
}

fn counted(count: usize, what: &str) -> String {
    let plural = if what.ends_with('s') { "es" } else { "s" };
    format!("{count} {what}{}", if count == 1 { "" } else { plural })
}
