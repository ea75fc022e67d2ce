//! The figures of a load, for people and for programs.

use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::output::{Table, Tone};
use crate::net::load::{Histogram, Pace, Report};

/// What of a distribution is told: its name, its share.
pub(super) const QUANTILES: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)];

/// As JSON; durations in microseconds.
pub(super) fn json(report: &Report, pace: Pace) -> Value {
    let rcodes: serde_json::Map<String, Value> =
        rcodes(report).map(|(code, count)| (code.to_owned(), count.into())).collect();
    let mut told = json!({
        "seconds": report.elapsed.as_secs_f64(),
        "sent": report.sent,
        "answered": report.answered,
        "lost": report.lost,
        "stray": report.stray,
        "truncated": report.truncated,
        "rate": report.rate().round(),
        "octets": octets(report),
        "rcodes": rcodes,
        "latency_us": quantiles(&report.latency),
    });
    if let Pace::Open(rate) = pace {
        told["wanted_rate"] = rate.into();
        told["lateness_us"] = quantiles(&report.lateness);
    }
    told
}

/// A distribution's quantiles and its longest, in microseconds.
pub(super) fn quantiles(histogram: &Histogram) -> Value {
    let micros = |time: Duration| (time.as_nanos() as f64 / 10.0).round() / 100.0;
    let mut told: serde_json::Map<String, Value> =
        QUANTILES.iter().map(|&(name, share)| (name.to_owned(), micros(histogram.quantile(share)).into())).collect();
    told.insert("max".into(), micros(histogram.longest()).into());
    told.into()
}

/// As lines.
pub(super) fn table(report: &Report, pace: Pace) -> Table {
    let mut table = Table::default();
    let mut row = |what: &str, tone: Tone, said: String| {
        table.row([(Tone::Faint, what.to_owned()), (tone, said)]);
    };
    let wanted = match pace {
        Pace::Closed(_) => String::new(),
        Pace::Open(rate) => format!(" of {rate:.0} wanted"),
    };
    row("rate", Tone::Strong, format!("{:.0} answers/s{wanted}", report.rate()));
    row(
        "answered",
        Tone::Plain,
        format!("{} of {} in {:.2} s", report.answered, report.sent, report.elapsed.as_secs_f64()),
    );
    let tone = if report.lost > 0 { Tone::Bad } else { Tone::Plain };
    row("lost", tone, report.lost.to_string());
    if report.stray > 0 {
        row("stray", Tone::Wary, format!("{} replies that came too late or twice", report.stray));
    }
    let codes: Vec<String> = rcodes(report).map(|(code, count)| format!("{code} {count}")).collect();
    row("codes", Tone::Plain, codes.join(", "));
    if report.truncated > 0 {
        row("cut", Tone::Plain, report.truncated.to_string());
    }
    row("octets", Tone::Plain, format!("{:.0} a reply", octets(report)));
    row("latency", Tone::Plain, spread(&report.latency));
    if let Pace::Open(_) = pace {
        row("sent late", Tone::Faint, format!("{} (the generator's own doing)", spread(&report.lateness)));
    }
    table
}

/// A distribution in one line.
pub(super) fn spread(histogram: &Histogram) -> String {
    let mut said: Vec<String> =
        QUANTILES.iter().map(|&(name, share)| format!("{name} {}", time(histogram.quantile(share)))).collect();
    said.push(format!("max {}", time(histogram.longest())));
    said.join("  ")
}

/// With three digits that count.
pub(super) fn time(time: Duration) -> String {
    let nanoseconds = time.as_nanos() as f64;
    let (value, unit) = match nanoseconds {
        n if n < 1e3 => return format!("{n:.0} ns"),
        n if n < 1e6 => (n / 1e3, "µs"),
        n if n < 1e9 => (n / 1e6, "ms"),
        n => (n / 1e9, "s"),
    };
    match value {
        v if v < 10.0 => format!("{v:.2} {unit}"),
        v if v < 100.0 => format!("{v:.1} {unit}"),
        v => format!("{v:.0} {unit}"),
    }
}

fn octets(report: &Report) -> f64 {
    (report.octets as f64 / report.answered.max(1) as f64).round()
}

/// Codes that came, with how often.
fn rcodes(report: &Report) -> impl Iterator<Item = (&'static str, u64)> {
    const NAMES: [&str; 16] = [
        "NOERROR",
        "FORMERR",
        "SERVFAIL",
        "NXDOMAIN",
        "NOTIMP",
        "REFUSED",
        "YXDOMAIN",
        "YXRRSET",
        "NXRRSET",
        "NOTAUTH",
        "NOTZONE",
        "DSOTYPENI",
        "CODE12",
        "CODE13",
        "CODE14",
        "CODE15",
    ];
    NAMES.into_iter().zip(report.rcodes).filter(|&(_, count)| count > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::Output;

    #[test]
    fn times_have_three_digits_and_a_fitting_unit() {
        for (nanoseconds, said) in
            [(0, "0 ns"), (999, "999 ns"), (1_500, "1.50 µs"), (25_340, "25.3 µs"), (100_400_000, "100 ms")]
        {
            assert_eq!(time(Duration::from_nanos(nanoseconds)), said);
        }
        assert_eq!(time(Duration::from_secs(90)), "90.0 s");
    }

    #[test]
    fn json_and_lines_tell_the_same() {
        let mut report =
            Report { elapsed: Duration::from_secs(2), sent: 11, answered: 10, lost: 1, ..Report::default() };
        report.rcodes[3] = 10;
        report.octets = 400;
        (1..=10).for_each(|n| report.latency.record(n * 1000));
        let told = json(&report, Pace::Open(5.5));
        assert_eq!((&told["rate"], &told["lost"], &told["octets"]), (&5.0.into(), &1.into(), &40.0.into()));
        assert_eq!((&told["rcodes"]["NXDOMAIN"], &told["wanted_rate"]), (&10.into(), &5.5.into()));
        assert_eq!(told["latency_us"]["max"], 10.0);
        let lines = table(&report, Pace::Closed(1)).render(&Output::new(&Default::default()), "");
        assert!(
            lines.contains("5 answers/s") && lines.contains("NXDOMAIN 10") && lines.contains("max 10.0 µs"),
            "{lines}"
        );
        assert!(!lines.contains("sent late"));
    }
}
