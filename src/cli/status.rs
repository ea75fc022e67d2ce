//! `rhumb status`: what the running server tells of itself, once or again and again.

use std::fmt::Write;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;

use super::Outcome;
use super::args::{Global, Status};
use super::clock;
use super::connection::Connection;
use super::output::{Output, Table, Tone};

/// From one drawing to the next.
const WATCH_EVERY: Duration = Duration::from_secs(1);
/// Days from which on the end of a certificate is worth a word.
const CERTIFICATE_SOON: i64 = 30;
/// Cursor home; the text then overwrites what stands there, so that nothing flickers.
const HOME: &str = "\x1b[H";
/// Clears from the cursor to the end of the line.
const CLEAR_LINE: &str = "\x1b[K";
/// Clears from the cursor to the end of the screen.
const CLEAR_BELOW: &str = "\x1b[J";

/// Prints the status, with `--watch` until interrupted.
pub(crate) fn run(global: &Global, output: &Output, status: &Status) -> anyhow::Result<Outcome> {
    let connection = Connection::new(global, &status.access)?;
    if !status.watch {
        let told: serde_json::Value = connection.get("/status")?;
        if output.is_json() {
            output.json(&told)?;
        } else {
            output.text(&render(&Seen::deserialize(told)?, output, SystemTime::now()))?;
        }
        return Ok(Outcome::Done);
    }
    loop {
        draw(&connection, output)?;
        std::thread::sleep(WATCH_EVERY);
    }
}

/// Draws once; a server that is gone is shown as gone, since it may be on its way back.
fn draw(connection: &Connection, output: &Output) -> anyhow::Result<()> {
    let told = connection.get::<serde_json::Value>("/status");
    if output.is_json() {
        // One document a line, so that a reader sees where each ends.
        return Ok(output.text(&told?.to_string())?);
    }
    let text = match told {
        Ok(told) => render(&Seen::deserialize(told)?, output, SystemTime::now()),
        Err(gone) => format!("{}\n", output.paint(Tone::Bad, format!("{gone:#}"))),
    };
    if std::io::stdout().is_terminal() {
        let lines = text.replace('\n', &format!("{CLEAR_LINE}\n"));
        output.text(&format!("{HOME}{lines}{CLEAR_BELOW}"))?;
    } else {
        output.text(&format!("{text}\n"))?;
    }
    Ok(())
}

/// What is shown of a status. A server that is older or newer than this command may leave things out or add some.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Seen {
    version: String,
    generation: u64,
    since: u64,
    started: u64,
    listening: Vec<String>,
    zones: Vec<SeenZone>,
    secondary_zones: Vec<SeenSecondaryZone>,
    endpoints: Vec<SeenEndpoint>,
    secondaries: Vec<SeenSecondary>,
    drains: Vec<SeenDrain>,
    forced: Vec<String>,
    last_load: SeenLoad,
    certificate: Option<SeenCertificate>,
    databases: Vec<SeenDatabase>,
    notes: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SeenZone {
    apex: String,
    serial: u32,
    names: usize,
    steered: usize,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SeenSecondaryZone {
    apex: String,
    serial: Option<u32>,
    primary: Option<String>,
    last_check: Option<u64>,
    last_failure: Option<String>,
    failed: Option<u64>,
    expires: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SeenSecondary {
    zone: String,
    address: String,
    serial: u32,
    state: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SeenEndpoint {
    name: String,
    site: Option<String>,
    state: String,
    probes: Vec<SeenProbe>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SeenProbe {
    check: String,
    subject: String,
    verdict: String,
    since: Option<u64>,
    last_failure: Option<String>,
    certificate_days: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SeenDrain {
    endpoint: String,
    until: Option<u64>,
    reason: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SeenLoad {
    ok: bool,
    from_last_good: bool,
    when: u64,
    force: Option<u64>,
    diagnostics: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SeenCertificate {
    file: Option<PathBuf>,
    ends: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SeenDatabase {
    file: PathBuf,
    modified: Option<u64>,
}

fn render(seen: &Seen, output: &Output, now: SystemTime) -> String {
    let mut text = String::new();
    let plain = |text: String| (Tone::Plain, text);
    let key = |text: &str| (Tone::Faint, text.to_owned());

    let mut head = Table::default();
    let generation = format!("{}, published {}", seen.generation, clock::ago(seen.since, now));
    head.row([key("rhumb"), plain(format!("{}, started {}", seen.version, clock::ago(seen.started, now)))]);
    head.row([key("generation"), plain(generation)]);
    head.row([key("serving"), plain(seen.listening.join(", "))]);
    head.row([key("last load"), load(&seen.last_load, now)]);
    if let Some(certificate) = &seen.certificate {
        let shown = certificate.file.as_ref().map_or("self-signed".into(), |file| file.display().to_string());
        let now = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let days = |ends: i64| (ends - i64::try_from(now).unwrap_or(i64::MAX)).div_euclid(24 * 60 * 60);
        let state = certificate.ends.map_or("not usable".into(), |ends| format!("{} days left", days(ends)));
        head.row([key("certificate"), plain(format!("{shown}, {state}"))]);
    }
    for database in &seen.databases {
        let built = database.modified.map_or_else(String::new, |built| format!(", built {}", clock::ago(built, now)));
        head.row([key("database"), plain(format!("{}{built}", database.file.display()))]);
    }
    for note in &seen.notes {
        head.row([key("note"), (Tone::Wary, note.clone())]);
    }
    if !seen.forced.is_empty() {
        let names = format!("{} answered from drained endpoints for some clients", seen.forced.join(", "));
        head.row([key("alarm"), (Tone::Bad, names)]);
    }
    text.push_str(&head.render(output, ""));
    for diagnostic in &seen.last_load.diagnostics {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {diagnostic}");
    }

    if !seen.zones.is_empty() {
        let mut zones = Table::default();
        zones.row(["zone", "serial", "names", "steered"].map(key));
        for zone in &seen.zones {
            let numbers = [zone.serial.to_string(), zone.names.to_string(), zone.steered.to_string()];
            zones.row(std::iter::once(zone.apex.clone()).chain(numbers).map(plain));
        }
        let _ = write!(text, "\n{}", zones.render(output, ""));
    }
    if !seen.secondary_zones.is_empty() {
        let _ = write!(text, "\n{}", secondary_zones(&seen.secondary_zones, now).render(output, ""));
    }
    if !seen.secondaries.is_empty() {
        let mut secondaries = Table::default();
        secondaries.row(["secondary", "zone", "serial", ""].map(key));
        for secondary in &seen.secondaries {
            let tone = match secondary.state.as_str() {
                "heard" => Tone::Good,
                "waiting" => Tone::Plain,
                _ => Tone::Wary,
            };
            let told = [secondary.address.clone(), secondary.zone.clone(), secondary.serial.to_string()];
            secondaries.row(told.map(plain).into_iter().chain([(tone, printable(&secondary.state))]));
        }
        let _ = write!(text, "\n{}", secondaries.render(output, ""));
    }
    if !seen.endpoints.is_empty() {
        let _ = write!(text, "\n{}", endpoints(seen, now).render(output, ""));
    }
    text
}

fn load(load: &SeenLoad, now: SystemTime) -> (Tone, String) {
    let when = clock::ago(load.when, now);
    match (load.ok, load.force, load.from_last_good) {
        (true, _, _) => (Tone::Good, format!("taken, {when}")),
        (_, Some(number), _) => {
            (Tone::Bad, format!("held back, {when}: it removes too much; `rhumb reload --force {number}` takes it"))
        }
        (_, _, true) => (Tone::Bad, format!("refused, {when}; the last good copy of the files is served")),
        _ => (Tone::Bad, format!("refused, {when}; what was loaded before is served")),
    }
}

/// One line a zone that is transferred from a primary.
fn secondary_zones(zones: &[SeenSecondaryZone], now: SystemTime) -> Table {
    let mut table = Table::default();
    let head = ["secondary zone", "serial", "primary", "checked", "expires", ""];
    table.row(head.map(|text| (Tone::Faint, text.to_owned())));
    for zone in zones {
        let serial =
            zone.serial.map_or((Tone::Bad, "not served".to_owned()), |serial| (Tone::Good, serial.to_string()));
        let failure = zone.last_failure.as_ref().map(|failure| match zone.failed {
            Some(failed) => format!("failed {}: {}", clock::ago(failed, now), printable(failure)),
            None => printable(failure),
        });
        table.row([
            (Tone::Strong, zone.apex.clone()),
            serial,
            (Tone::Plain, zone.primary.clone().unwrap_or_default()),
            (Tone::Plain, zone.last_check.map_or_else(|| "never".to_owned(), |when| clock::ago(when, now))),
            (Tone::Plain, zone.expires.map_or_else(String::new, |when| clock::until(when, now))),
            (Tone::Wary, failure.unwrap_or_default()),
        ]);
    }
    table
}

/// One line an endpoint, and a further one for each further probe.
fn endpoints(seen: &Seen, now: SystemTime) -> Table {
    let mut table = Table::default();
    table.row(["endpoint", "state", "site", "check", "asks", "verdict", ""].map(|text| (Tone::Faint, text.to_owned())));
    for endpoint in &seen.endpoints {
        let drain = seen.drains.iter().find(|drain| drain.endpoint == endpoint.name);
        let mut first = vec![
            (Tone::Strong, endpoint.name.clone()),
            (tone(&endpoint.state), endpoint.state.clone()),
            (Tone::Plain, endpoint.site.clone().unwrap_or_default()),
        ];
        if endpoint.probes.is_empty() {
            first.extend([
                (Tone::Faint, "none".to_owned()),
                (Tone::Plain, String::new()),
                (Tone::Plain, String::new()),
            ]);
            first.push((Tone::Wary, drain.map_or_else(String::new, |drain| drained(drain, now))));
            table.row(first);
            continue;
        }
        for (i, probe) in endpoint.probes.iter().enumerate() {
            let mut row = if i == 0 { std::mem::take(&mut first) } else { vec![(Tone::Plain, String::new()); 3] };
            let verdict = match probe.since {
                Some(since) => format!("{}, {}", probe.verdict, clock::ago(since, now)),
                None => probe.verdict.clone(),
            };
            row.push((Tone::Plain, probe.check.clone()));
            row.push((Tone::Plain, probe.subject.clone()));
            row.push((tone(&probe.verdict), verdict));
            row.push(match drain.filter(|_| i == 0) {
                Some(drain) => (Tone::Wary, drained(drain, now)),
                None => said(probe),
            });
            table.row(row);
        }
    }
    table
}

/// What the last run that did not pass said, and a certificate that ends soon.
fn said(probe: &SeenProbe) -> (Tone, String) {
    let certificate = probe.certificate_days.filter(|days| *days < CERTIFICATE_SOON).map(|days| match days {
        ..0 => "the certificate has ended".to_owned(),
        0 => "the certificate ends within a day".to_owned(),
        1 => "the certificate ends in 1 day".to_owned(),
        _ => format!("the certificate ends in {days} days"),
    });
    let tone = if certificate.is_some() { Tone::Wary } else { Tone::Faint };
    let parts: Vec<String> = probe.last_failure.iter().cloned().chain(certificate).collect();
    (tone, parts.join("; "))
}

fn drained(drain: &SeenDrain, now: SystemTime) -> String {
    let end =
        drain.until.map_or_else(|| "until undrained".to_owned(), |end| format!("ends {}", clock::until(end, now)));
    drain.reason.as_ref().map_or_else(|| end.clone(), |reason| format!("{end}: {}", printable(reason)))
}

/// A person's words without what would move the cursor of somebody else's terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn tone(state: &str) -> Tone {
    match state {
        "up" => Tone::Good,
        "down" => Tone::Bad,
        "drained" => Tone::Wary,
        _ => Tone::Plain,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn text(told: serde_json::Value) -> String {
        let seen = Seen::deserialize(told).unwrap();
        let now = std::time::UNIX_EPOCH + Duration::from_secs(1_000_060);
        render(&seen, &Output::new(&Global { color: super::super::args::Color::Never, ..Global::default() }), now)
    }

    #[test]
    fn endpoints_show_state_failure_and_drain_on_one_line_each() {
        let text = text(serde_json::json!({
            "version": "0.1.0", "generation": 7, "since": 1_000_048, "started": 900_000,
            "listening": ["127.0.0.1:5300"], "last_load": { "ok": true, "when": 1_000_000 },
            "endpoints": [
                { "name": "z/fra", "state": "down", "probes": [
                    { "check": "z/http", "subject": "127.0.0.1", "verdict": "down", "since": 1_000_030,
                      "last_failure": "connection refused" } ] },
                { "name": "z/par", "site": "par1", "state": "drained", "probes": [] },
            ],
            "drains": [{ "endpoint": "z/par", "until": 1_001_860, "reason": "disk\u{1b}[2Jswap" }],
        }));
        assert!(text.contains("generation  7, published 12 s ago"), "{text}");
        let line = |word: &str| text.lines().find(|l| l.starts_with(word)).unwrap().to_owned();
        assert!(line("z/fra").ends_with("down, 30 s ago  connection refused"), "{text}");
        assert!(line("z/par").ends_with("ends in 30 min: disk [2Jswap"), "{text}");
    }

    #[test]
    fn what_keeps_a_probe_from_a_verdict_is_shown_and_so_is_a_certificate_that_ends_soon() {
        let probe = |endpoint: &str, verdict: &str, said: Option<&str>, days: Option<i64>| {
            serde_json::json!({ "name": endpoint, "state": "up", "probes": [{
                "check": "z/c", "subject": "s", "verdict": verdict, "last_failure": said, "certificate_days": days }] })
        };
        let text = text(serde_json::json!({ "endpoints": [
            probe("z/private", "unchecked", Some("10.0.0.1 is a private address"), None),
            probe("z/soon", "up", None, Some(29)),
            probe("z/over", "down", Some("bad certificate"), Some(-1)),
            probe("z/later", "up", None, Some(30)),
        ]}));
        let line = |word: &str| text.lines().find(|l| l.starts_with(word)).unwrap().trim_end().to_owned();
        assert!(line("z/private").ends_with("10.0.0.1 is a private address"), "{text}");
        assert!(line("z/soon").ends_with("the certificate ends in 29 days"), "{text}");
        assert!(line("z/over").ends_with("bad certificate; the certificate has ended"), "{text}");
        assert!(line("z/later").ends_with("up"), "{text}");
    }

    #[test]
    fn a_load_that_was_held_back_shows_the_command_that_takes_it() {
        let text = text(serde_json::json!({
            "last_load": { "ok": false, "when": 1_000_000, "force": 3412, "diagnostics": ["error: it removes much"] },
        }));
        assert!(text.contains("rhumb reload --force 3412"), "{text}");
        assert!(text.contains("\n  error: it removes much\n"), "{text}");
    }

    #[test]
    fn secondaries_show_what_they_have_heard() {
        let text = text(serde_json::json!({ "secondaries": [
            { "zone": "example.com", "address": "192.0.2.53:53", "serial": 7, "state": "heard" },
            { "zone": "example.com", "address": "192.0.2.54:53", "serial": 8, "state": "not heard: no reply" },
        ]}));
        let line = |word: &str| text.lines().find(|l| l.starts_with(word)).unwrap().trim_end().to_owned();
        assert!(line("192.0.2.53:53").ends_with("example.com  7       heard"), "{text}");
        assert!(line("192.0.2.54:53").ends_with("not heard: no reply"), "{text}");
    }

    #[test]
    fn what_a_newer_server_adds_does_no_harm() {
        assert!(text(serde_json::json!({ "version": "9", "phase_of_the_moon": [1, 2] })).contains("9, started"));
    }
}
