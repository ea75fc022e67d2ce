//! `rhumb drain`, `undrain` and `reload`: the running server is asked, and what it did is printed.

use std::time::SystemTime;

use super::Outcome;
use super::args::{Drain, Global, Reload, Undrain};
use super::clock;
use super::connection::Connection;
use super::output::{Output, Tone};
use super::waiting::Waiting;
use crate::admin::{DrainRequest, ReloadReply, ReloadRequest, SwitchReply, UndrainRequest};

/// Takes endpoints out of the answers.
pub(crate) fn drain(global: &Global, output: &Output, drain: Drain) -> anyhow::Result<Outcome> {
    let request = DrainRequest {
        endpoint: drain.what.endpoint,
        site: drain.what.site,
        seconds: drain.period.map(|period| period.as_secs()),
        force: drain.force,
        reason: drain.reason,
        by: whoever_asks(),
    };
    let done: SwitchReply = Connection::new(global, &drain.access)?.post("/drain", &request)?;
    if output.is_json() {
        output.json(&done)?;
        return Ok(Outcome::Done);
    }
    let until = done.until.map_or_else(
        || "until undrained".to_owned(),
        |end| format!("until {} ({})", clock::utc(end), clock::until(end, SystemTime::now())),
    );
    output.text(&format!("{} {} {until}", output.paint(Tone::Wary, "drained"), done.endpoints.join(", ")))?;
    if !done.forced.is_empty() {
        output.note(&format!("some clients of {} now get drained endpoints only", done.forced.join(", ")));
    }
    note_what_is_not_kept(output, &done);
    Ok(Outcome::Done)
}

/// Lets endpoints answer again.
pub(crate) fn undrain(global: &Global, output: &Output, undrain: Undrain) -> anyhow::Result<Outcome> {
    let request = UndrainRequest {
        endpoint: undrain.what.endpoint,
        site: undrain.what.site,
        reason: undrain.reason,
        by: whoever_asks(),
    };
    let done: SwitchReply = Connection::new(global, &undrain.access)?.post("/undrain", &request)?;
    if output.is_json() {
        output.json(&done)?;
        return Ok(Outcome::Done);
    }
    output.text(&format!("{} {}", output.paint(Tone::Good, "undrained"), done.endpoints.join(", ")))?;
    note_what_is_not_kept(output, &done);
    Ok(Outcome::Done)
}

/// Reads the files again.
pub(crate) fn reload(global: &Global, output: &Output, reload: Reload) -> anyhow::Result<Outcome> {
    let request = ReloadRequest { force: reload.force, reason: reload.reason, by: whoever_asks() };
    let waiting = Waiting::for_server();
    let done: ReloadReply = Connection::new(global, &reload.access)?.post("/reload", &request)?;
    drop(waiting);
    if output.is_json() {
        output.json(&done)?;
        return Ok(Outcome::Done);
    }
    for warning in &done.warnings {
        eprintln!("{}\n", warning.trim_end());
    }
    let what = if done.changed { output.paint(Tone::Good, "reloaded") } else { "nothing changed".to_owned() };
    let zones = if done.zones == 1 { "1 zone".to_owned() } else { format!("{} zones", done.zones) };
    output.text(&format!("{what}: {zones}, generation {}", done.generation))?;
    Ok(Outcome::Done)
}

fn note_what_is_not_kept(output: &Output, done: &SwitchReply) {
    if let Some(why) = &done.not_kept {
        output.note(&format!("this holds only until the server restarts: {why}"));
    }
}

/// The name that the person goes by here; the server writes it down as a claim.
fn whoever_asks() -> Option<String> {
    ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()))
}
