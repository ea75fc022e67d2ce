//! The status as Prometheus text (exposition format 0.0.4).

use std::fmt::{Display, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::control::{EndpointState, Status};

/// Of the reply.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All series, each family with its help and type, in an order that does not change.
pub(super) fn render(status: &Status, differences: u64, now: SystemTime) -> String {
    let mut text = Exposition::default();
    text.family("build_info", "gauge", "Always 1; the version is a label.");
    text.sample("build_info", &[("version", &status.version)], 1);
    text.family("start_time_seconds", "gauge", "When the process began to serve.");
    text.sample("start_time_seconds", &[], status.started);
    text.family("generation", "gauge", "What answers now; grows with every publication.");
    text.sample("generation", &[], status.generation);
    text.family("generation_time_seconds", "gauge", "When that generation was published.");
    text.sample("generation_time_seconds", &[], status.since);
    text.family("last_load_ok", "gauge", "1 when the last attempt to read the files was taken.");
    text.sample("last_load_ok", &[], u8::from(status.last_load.ok));
    text.family("last_load_time_seconds", "gauge", "When the files were last read.");
    text.sample("last_load_time_seconds", &[], status.last_load.when);
    text.family("serving_last_good", "gauge", "1 when the last good copy is served and not the files.");
    text.sample("serving_last_good", &[], u8::from(status.last_load.from_last_good));

    text.family("zone_serial", "gauge", "The serial that is served.");
    for zone in &status.zones {
        text.sample("zone_serial", &[("zone", &zone.apex)], zone.serial);
    }
    text.family(
        "secondary_zone_serial",
        "gauge",
        "The serial that a secondary zone holds; absent while it is not served.",
    );
    for zone in &status.secondary_zones {
        if let Some(serial) = zone.serial {
            text.sample("secondary_zone_serial", &[("zone", &zone.apex)], serial);
        }
    }
    text.family("secondary_zone_last_check_seconds", "gauge", "When a primary last said that the zone is current.");
    for zone in &status.secondary_zones {
        if let Some(when) = zone.last_check {
            text.sample("secondary_zone_last_check_seconds", &[("zone", &zone.apex)], when);
        }
    }
    text.family(
        "secondary_zone_expires_seconds",
        "gauge",
        "When the zone is no longer served unless a primary is reached.",
    );
    for zone in &status.secondary_zones {
        if let Some(when) = zone.expires {
            text.sample("secondary_zone_expires_seconds", &[("zone", &zone.apex)], when);
        }
    }
    text.family("secondary_zone_ok", "gauge", "1 when the last attempt to reach a primary succeeded.");
    for zone in &status.secondary_zones {
        let is_ok = zone.serial.is_some() && zone.last_failure.is_none();
        text.sample("secondary_zone_ok", &[("zone", &zone.apex)], u8::from(is_ok));
    }
    text.family("endpoint_up", "gauge", "1 when the endpoint may be answered: up, unchecked, not drained.");
    for endpoint in &status.endpoints {
        let is_up = matches!(endpoint.state, EndpointState::Up | EndpointState::Unchecked);
        text.sample("endpoint_up", &[("endpoint", &endpoint.name)], u8::from(is_up));
    }
    text.family("endpoint_drained", "gauge", "1 when a person took the endpoint out.");
    for endpoint in &status.endpoints {
        let is_drained = endpoint.state == EndpointState::Drained;
        text.sample("endpoint_drained", &[("endpoint", &endpoint.name)], u8::from(is_drained));
    }
    text.family("probe_up", "gauge", "1 when the probe's verdict is up; absent without a verdict.");
    for endpoint in &status.endpoints {
        for probe in endpoint.probes.iter().filter(|probe| probe.verdict != "unchecked") {
            let labels: [(&str, &dyn Display); 3] =
                [("endpoint", &endpoint.name), ("check", &probe.check), ("subject", &probe.subject)];
            text.sample("probe_up", &labels, u8::from(probe.verdict == "up"));
        }
    }
    text.family("probe_certificate_days", "gauge", "Whole days until the certificate ends, negative once it has.");
    for endpoint in &status.endpoints {
        for probe in &endpoint.probes {
            let labels: [(&str, &dyn Display); 3] =
                [("endpoint", &endpoint.name), ("check", &probe.check), ("subject", &probe.subject)];
            if let Some(days) = probe.certificate_days {
                text.sample("probe_certificate_days", &labels, days);
            }
        }
    }
    text.family("certificate_end_time_seconds", "gauge", "When the certificate of encrypted transports ends.");
    if let Some(ends) = status.certificate.as_ref().and_then(|certificate| certificate.ends) {
        text.sample("certificate_end_time_seconds", &[], ends);
    }
    text.family("secondary_heard", "gauge", "1 when the secondary has heard of the serial that is served.");
    for secondary in &status.secondaries {
        let labels: [(&str, &dyn Display); 2] = [("zone", &secondary.zone), ("address", &secondary.address)];
        text.sample("secondary_heard", &labels, u8::from(secondary.state == "heard"));
    }
    text.family("forced_names", "gauge", "Steered names that some clients get from drained endpoints only.");
    text.sample("forced_names", &[], status.forced.len());
    text.family("geo_database_age_seconds", "gauge", "Since the database was built.");
    let now = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    for database in &status.databases {
        if let Some(modified) = database.modified {
            let file = database.file.display();
            text.sample("geo_database_age_seconds", &[("file", &file)], now.saturating_sub(modified));
        }
    }
    text.family("explain_differences_total", "counter", "Explanations that differed from the served answer.");
    text.sample("explain_differences_total", &[], differences);
    for (name, value) in &status.counters {
        let family = format!("{}_total", metric_name(name));
        text.family(&family, "counter", &format!("Counter {name}."));
        text.sample(&family, &[], value);
    }
    text.0
}

/// A counter's name in the letters that Prometheus allows.
fn metric_name(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect()
}

#[derive(Default)]
struct Exposition(String);

impl Exposition {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "# HELP rhumb_{name} {help}\n# TYPE rhumb_{name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &dyn Display)], value: impl Display) {
        let _ = write!(self.0, "rhumb_{name}");
        for (i, (label, said)) in labels.iter().enumerate() {
            let escaped = said.to_string().replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.0, "{}{label}=\"{escaped}\"", if i == 0 { '{' } else { ',' });
        }
        let _ = writeln!(self.0, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::tests::some_status;
    use super::*;

    fn text() -> String {
        render(&some_status(), 2, UNIX_EPOCH + Duration::from_secs(2_000_000_100))
    }

    #[test]
    fn endpoints_drains_loads_and_ages_are_told() {
        let text = text();
        for line in [
            "rhumb_generation 7",
            "rhumb_last_load_ok 1",
            "rhumb_endpoint_up{endpoint=\"example.com/frankfurt\"} 0",
            "rhumb_endpoint_up{endpoint=\"example.com/paris\"} 1",
            "rhumb_endpoint_drained{endpoint=\"example.com/paris\"} 0",
            "rhumb_probe_up{endpoint=\"example.com/frankfurt\",check=\"example.com/http\",subject=\"127.0.0.1\"} 0",
            "rhumb_probe_certificate_days{endpoint=\"example.com/paris\",check=\"example.com/http\",subject=\"127.0.0.1\"} 12",
            "rhumb_certificate_end_time_seconds 2000009000",
            "rhumb_secondary_heard{zone=\"example.com\",address=\"192.0.2.53:53\"} 1",
            "rhumb_geo_database_age_seconds{file=\"city.mmdb\"} 100",
            "rhumb_secondary_zone_serial{zone=\"example.net\"} 7",
            "rhumb_secondary_zone_last_check_seconds{zone=\"example.net\"} 2000000000",
            "rhumb_secondary_zone_expires_seconds{zone=\"example.net\"} 2000086400",
            "rhumb_secondary_zone_ok{zone=\"example.net\"} 1",
            "rhumb_queries_udp_total 41",
            "rhumb_explain_differences_total 2",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn every_sample_follows_the_type_of_its_family_and_no_family_comes_twice() {
        let text = text();
        let families: Vec<&str> = text.lines().filter_map(|l| l.strip_prefix("# TYPE ")?.split(' ').next()).collect();
        let distinct: std::collections::BTreeSet<_> = families.iter().collect();
        assert_eq!(families.len(), distinct.len());
        for sample in text.lines().filter(|l| !l.starts_with('#')) {
            let name = sample.split(['{', ' ']).next().unwrap_or_default();
            assert!(families.contains(&name), "{sample}");
        }
    }

    #[test]
    fn quotes_and_line_breaks_in_labels_are_escaped() {
        let mut text = Exposition::default();
        text.sample("x", &[("a", &"q\"b\\n\nend")], 1);
        assert_eq!(text.0, "rhumb_x{a=\"q\\\"b\\\\n\\nend\"} 1\n");
    }
}
