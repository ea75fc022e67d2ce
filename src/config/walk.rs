//! The walk over spanned TOML: a table is opened against its [`Section`], each key and value is checked against the
//! definition and every fault is gathered. What comes out of [`Fields`] is of the right type and in range.

use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::code;
use super::findings::{FileId, Findings, Site, Written};
use super::keys::{Key, Kind, RECORD_DATA, Section};
use super::scalar;
use super::suggest::did_you_mean;
use crate::wire::RecordType;

pub(crate) type Value<'i> = Spanned<DeValue<'i>>;

/// A table's keys and values that are as its section says.
pub(crate) struct Fields<'a, 'i> {
    file: FileId,
    /// Where the table itself is named.
    pub(crate) site: Site,
    section: &'static Section,
    entries: Vec<(&'static Key, Site, &'a Value<'i>)>,
    /// Keys that are record types.
    pub(crate) records: Vec<(Written<RecordType>, &'a Value<'i>)>,
}

/// Opens a table. `site` is where the table is named; `variant` is the policy or the check type that decides which
/// keys mean something, where there is one.
pub(crate) fn open<'a, 'i>(
    findings: &mut Findings,
    section: &'static Section,
    table: &'a DeTable<'i>,
    site: Site,
    variant: Option<&str>,
) -> Fields<'a, 'i> {
    let file = site.file;
    let mut fields = Fields { file, site, section, entries: Vec::with_capacity(table.len()), records: Vec::new() };
    for (name, value) in table {
        let key_site = Site::new(file, name.span());
        let text = name.get_ref().as_ref();
        if let Some(key) = section.key(text) {
            if let Some(variant) = variant.filter(|v| !key.only.is_empty() && !key.only.contains(v)) {
                findings
                    .error(key_site, code::KEY_NOT_FOR_TYPE, format!("`{text}` means nothing for `{variant}`"))
                    .label(format!("not a key of {} of this kind", section.title))
                    .help(format!("`{text}` is for {}", key.only.join(", ")));
            } else if check(findings, &key.kind, text, value, file)
                || value.get_ref().is_array() && fits(&key.kind, value.get_ref())
            {
                // A list with a faulty element is kept: faults in the other elements show too.
                fields.entries.push((key, key_site, value));
            }
        } else if let Some(rtype) = record_type(section, text) {
            if check(findings, &RECORD_DATA, text, value, file) {
                fields.records.push((Written::new(rtype, key_site), value));
            }
        } else {
            unknown_key(findings, section, text, key_site);
        }
    }
    for key in section.keys.iter().filter(|key| key.required) {
        if !table.keys().any(|name| name.get_ref() == key.name) {
            findings
                .error(site, code::MISSING_KEY, format!("{} needs `{}`", section.title, key.name))
                .label(format!("`{}` is missing", key.name))
                .help(format!("add `{}`: {}", key.name, expected(&key.kind)));
        }
    }
    fields
}

fn record_type(section: &Section, text: &str) -> Option<RecordType> {
    let is_type = section.records && !text.bytes().any(|b| b.is_ascii_lowercase());
    is_type.then(|| text.parse().ok()).flatten()
}

fn unknown_key(findings: &mut Findings, section: &Section, text: &str, site: Site) {
    let keys = section.keys.iter().map(|key| key.name);
    let types = RecordType::mnemonics().filter(|_| section.records);
    let help = match did_you_mean(text, keys.clone().chain(types)) {
        Some(help) => help,
        None if section.records => {
            format!("known are {} and the record types", keys.collect::<Vec<_>>().join(", "))
        }
        None => format!("known are {}", keys.collect::<Vec<_>>().join(", ")),
    };
    findings
        .error(site, code::UNKNOWN_KEY, format!("unknown key `{text}` in {}", section.title))
        .label("no such key")
        .help(help);
}

/// The words for what a kind takes.
pub(crate) fn expected(kind: &Kind) -> String {
    match kind {
        Kind::Text(what) => (*what).to_owned(),
        Kind::Choice(choices) => {
            let quoted: Vec<_> = choices.iter().map(|choice| format!("`{choice}`")).collect();
            format!("one of {}", quoted.join(", "))
        }
        Kind::Integer(low, high) => format!("an integer from {low} to {high}"),
        Kind::Bool => "`true` or `false`".to_owned(),
        Kind::Duration => "a duration such as `10s`, `5m`, `1h30m`".to_owned(),
        Kind::Ttl => "a duration such as `30s`, `5m`, `1h30m`, or whole seconds".to_owned(),
        Kind::List(kind) => format!("{}, or a list of such", expected(kind)),
        Kind::Section(section) => {
            let keys: Vec<_> = section.keys.iter().take(3).map(|key| key.name).collect();
            format!("a table (`{{ {} = … }}`)", keys.join(" | "))
        }
        Kind::Map(what, _) => format!("a table of {what} = value"),
        Kind::Either(kinds) => kinds.iter().map(expected).collect::<Vec<_>>().join(", or "),
    }
}

fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// Whether the value's type is one that the kind takes, without regard to its content.
fn fits(kind: &Kind, value: &DeValue<'_>) -> bool {
    match (kind, value) {
        (Kind::Text(_) | Kind::Choice(_) | Kind::Duration | Kind::Ttl, DeValue::String(_)) => true,
        (Kind::Integer(..) | Kind::Ttl, DeValue::Integer(_)) => true,
        (Kind::Bool, DeValue::Boolean(_)) => true,
        (Kind::List(_), DeValue::Array(_)) => true,
        (Kind::List(element), value) => fits(element, value),
        (Kind::Section(_) | Kind::Map(..), DeValue::Table(_)) => true,
        (Kind::Either(kinds), value) => kinds.iter().any(|kind| fits(kind, value)),
        _ => false,
    }
}

/// Checks a value against its kind and tells what is wrong with it. Tables are only checked to be tables: what is in
/// them is checked when they are opened.
fn check(findings: &mut Findings, kind: &Kind, key: &str, value: &Value<'_>, file: FileId) -> bool {
    let site = Site::new(file, value.span());
    let found = value.get_ref();
    if !fits(kind, found) {
        findings
            .error(site, code::WRONG_TYPE, format!("`{key}` does not take {}", type_name(found)))
            .label(format!("expected {}", expected(kind)));
        return false;
    }
    match (kind, found) {
        (Kind::Choice(choices), DeValue::String(text)) if !choices.contains(&text.as_ref()) => {
            let help = did_you_mean(text, choices.iter().copied());
            findings
                .error(site, code::UNKNOWN_VALUE, format!("`{text}` is no value of `{key}`"))
                .label(format!("expected {}", expected(kind)))
                .maybe_help(help);
            false
        }
        (&Kind::Integer(low, high), DeValue::Integer(number)) => {
            let number = i64::from_str_radix(number.as_str(), number.radix()).ok();
            let inside = number.is_some_and(|number| (low..=high).contains(&number));
            if !inside {
                findings
                    .error(site, code::OUT_OF_RANGE, format!("`{key}` is out of range"))
                    .label(format!("expected {}", expected(kind)));
            }
            inside
        }
        (Kind::Duration, DeValue::String(text)) => {
            let good = scalar::duration(text).is_some();
            if !good {
                bad_duration(findings, site, text, kind);
            }
            good
        }
        (Kind::Ttl, _) => ttl_of(findings, key, found, site).is_some(),
        (Kind::List(element), DeValue::Array(list)) => {
            // Each element is looked at, so that all faults show.
            list.iter().filter(|item| !check(findings, element, key, item, file)).count() == 0
        }
        (Kind::List(element), _) => check(findings, element, key, value, file),
        (Kind::Either(kinds), _) => {
            kinds.iter().find(|kind| fits(kind, found)).is_some_and(|kind| check(findings, kind, key, value, file))
        }
        _ => true,
    }
}

fn bad_duration(findings: &mut Findings, site: Site, text: &str, kind: &Kind) {
    let help = text.parse::<u64>().ok().map(|number| format!("a unit is missing: `{number}s`?"));
    findings
        .error(site, code::BAD_DURATION, format!("`{text}` is no duration"))
        .label(format!("expected {}", expected(kind)))
        .maybe_help(help);
}

fn ttl_of(findings: &mut Findings, key: &str, value: &DeValue<'_>, site: Site) -> Option<u32> {
    let seconds = match value {
        DeValue::String(text) => match scalar::duration(text) {
            Some(duration) if duration.subsec_millis() == 0 => Some(duration.as_secs()),
            _ => {
                bad_duration(findings, site, text, &Kind::Ttl);
                return None;
            }
        },
        DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix()).ok(),
        _ => None,
    };
    let seconds = seconds.filter(|&seconds| seconds <= scalar::MAX_TTL);
    if seconds.is_none() {
        findings
            .error(site, code::OUT_OF_RANGE, format!("`{key}` is out of range"))
            .label("expected 0 to 2147483647 seconds");
    }
    seconds.map(|seconds| seconds as u32)
}

/// The text of a value that was checked to be one.
pub(crate) fn text_of<'a>(value: &'a Value<'_>, file: FileId) -> Option<Written<&'a str>> {
    Some(Written::new(value.get_ref().as_str()?, Site::new(file, value.span())))
}

/// A list's elements, or the one value that stands for a list of one.
pub(crate) fn elements<'a, 'i>(value: &'a Value<'i>) -> &'a [Value<'i>] {
    match value.get_ref() {
        DeValue::Array(list) => list,
        _ => std::slice::from_ref(value),
    }
}

impl<'a, 'i> Fields<'a, 'i> {
    fn find(&self, name: &str) -> Option<(Site, &'a Value<'i>)> {
        debug_assert!(self.section.key(name).is_some(), "{name} is in the table of {}", self.section.title);
        self.entries.iter().find(|(key, ..)| key.name == name).map(|&(_, site, value)| (site, value))
    }

    /// Where the key stands, if it is given.
    pub(crate) fn key_site(&self, name: &str) -> Option<Site> {
        self.find(name).map(|(site, _)| site)
    }

    /// The value as it is, with its place.
    pub(crate) fn value(&self, name: &str) -> Option<(&'a Value<'i>, Site)> {
        self.find(name).map(|(_, value)| (value, Site::new(self.file, value.span())))
    }

    /// A text, as it was written.
    pub(crate) fn text(&self, name: &str) -> Option<Written<String>> {
        let (_, value) = self.find(name)?;
        text_of(value, self.file).map(|text| text.map(str::to_owned))
    }

    /// Texts of a list, or one.
    pub(crate) fn texts(&self, name: &str) -> Vec<Written<String>> {
        let values = self.find(name).map_or(&[][..], |(_, value)| elements(value));
        values.iter().filter_map(|v| text_of(v, self.file)).map(|text| text.map(str::to_owned)).collect()
    }

    pub(crate) fn integer(&self, name: &str) -> Option<Written<i64>> {
        let (_, value) = self.find(name)?;
        let number = value.get_ref().as_integer()?;
        let parsed = i64::from_str_radix(number.as_str(), number.radix()).ok()?;
        Some(Written::new(parsed, Site::new(self.file, value.span())))
    }

    pub(crate) fn flag(&self, name: &str) -> Option<Written<bool>> {
        let (_, value) = self.find(name)?;
        Some(Written::new(value.get_ref().as_bool()?, Site::new(self.file, value.span())))
    }

    pub(crate) fn duration(&self, name: &str) -> Option<Written<Duration>> {
        let (_, value) = self.find(name)?;
        let duration = scalar::duration(value.get_ref().as_str()?)?;
        Some(Written::new(duration, Site::new(self.file, value.span())))
    }

    /// Seconds.
    pub(crate) fn ttl(&self, name: &str) -> Option<Written<u32>> {
        let (_, value) = self.find(name)?;
        let site = Site::new(self.file, value.span());
        ttl_of(&mut Findings::default(), name, value.get_ref(), site).map(|seconds| Written::new(seconds, site))
    }

    /// A table and where its key stands.
    pub(crate) fn table(&self, name: &str) -> Option<(Site, &'a DeTable<'i>)> {
        let (site, value) = self.find(name)?;
        Some((site, value.get_ref().as_table()?))
    }

    /// The entries of a table with free keys.
    pub(crate) fn entries(&self, name: &str) -> Vec<(Written<&'a str>, &'a Value<'i>)> {
        let Some((_, table)) = self.table(name) else { return Vec::new() };
        let file = self.file;
        table
            .iter()
            .map(|(key, value)| (Written::new(key.get_ref().as_ref(), Site::new(file, key.span())), value))
            .collect()
    }

    /// Entries of a table whose free keys hold tables; others are told as faults.
    pub(crate) fn tables(&self, findings: &mut Findings, name: &str) -> Vec<(Written<&'a str>, &'a DeTable<'i>)> {
        let kind = match self.section.key(name).map(|key| &key.kind) {
            Some(Kind::Map(_, kind)) => *kind,
            _ => return Vec::new(),
        };
        let mut tables = Vec::new();
        for (key, value) in self.entries(name) {
            if check(findings, kind, key.value, value, self.file)
                && let Some(table) = value.get_ref().as_table()
            {
                tables.push((key, table));
            }
        }
        tables
    }

    /// Checks the values of a table with free keys, such as headers, and returns the good ones.
    pub(crate) fn checked_entries(
        &self,
        findings: &mut Findings,
        name: &str,
    ) -> Vec<(Written<&'a str>, &'a Value<'i>)> {
        let kind = match self.section.key(name).map(|key| &key.kind) {
            Some(Kind::Map(_, kind)) => *kind,
            _ => return Vec::new(),
        };
        let mut entries = self.entries(name);
        entries.retain(|(key, value)| check(findings, kind, key.value, value, self.file));
        entries
    }
}
