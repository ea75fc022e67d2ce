//! The text list of networks → small MMDB files, one for each `[section]`.
//!
//! A section's name is the file's; its first line gives `layout`, `built` (seconds since 1970) and `family` (6: both,
//! 4: IPv4 only). Each further line is a network and what is said of it, `key=value`; `#` begins a comment. A later
//! line wins over an earlier one where they overlap.

use std::collections::HashMap;
use std::time::{Duration, UNIX_EPOCH};

use ipnet::IpNet;
use mmdb_writer::{IpVersion, Value, Writer};

type Pairs<'a> = HashMap<&'a str, &'a str>;

/// A database as it is shipped.
pub(crate) struct File {
    /// Without a folder.
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

struct Section {
    name: String,
    /// Set by the section's first line.
    opened: Option<(Writer, String)>,
}

/// The file of each section. The same text gives the same bytes.
pub(crate) fn databases(text: &str) -> Result<Vec<File>, Box<dyn std::error::Error>> {
    let mut files = Vec::new();
    let mut section: Option<Section> = None;
    let lines = text.lines().enumerate().map(|(i, line)| (i + 1, line.split('#').next().unwrap_or("").trim()));
    for (number, line) in lines.filter(|(_, line)| !line.is_empty()) {
        let fault = |what: &str| format!("line {number}: {what}: {line}");
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            files.extend(section.take().map(Section::close).transpose()?);
            section = Some(Section { name: name.to_owned(), opened: None });
            continue;
        }
        let section = section.as_mut().ok_or_else(|| fault("before the first [section]"))?;
        let mut words = line.split_whitespace().peekable();
        let network = words.next_if(|word| !word.contains('='));
        let pairs: Pairs<'_> = words.filter_map(|word| word.split_once('=')).collect();
        match (section.opened.as_mut(), network) {
            (None, None) => {
                section.opened = Some(open(&section.name, &pairs).ok_or_else(|| fault("no layout, built, family"))?);
            }
            (Some((writer, layout)), Some(network)) => {
                let network: IpNet = network.parse().map_err(|_| fault("no network"))?;
                writer.insert_value(network, record(layout, &pairs).ok_or_else(|| fault("no such record"))?)?;
            }
            _ => return Err(fault("a section begins with its properties, then come networks").into()),
        }
    }
    files.extend(section.take().map(Section::close).transpose()?);
    Ok(files)
}

impl Section {
    fn close(self) -> Result<File, Box<dyn std::error::Error>> {
        let (writer, _) = self.opened.ok_or_else(|| format!("[{}] is empty", self.name))?;
        Ok(File { name: format!("{}.mmdb", self.name), bytes: writer.to_bytes()? })
    }
}

fn open(name: &str, properties: &Pairs<'_>) -> Option<(Writer, String)> {
    let family = match *properties.get("family")? {
        "4" => IpVersion::V4,
        "6" => IpVersion::V6,
        _ => return None,
    };
    let built = Duration::from_secs(properties.get("built")?.parse().ok()?);
    let writer = Writer::builder(format!("rhumb-fixture-{name}"))
        .ip_version(family)
        .build_epoch(UNIX_EPOCH + built)
        .description(&[("en", "Test data; the places are made up in part")])
        .build();
    Some((writer, (*properties.get("layout")?).to_owned()))
}

fn record(layout: &str, pairs: &Pairs<'_>) -> Option<Value> {
    match layout {
        "nested" => nested(pairs),
        "flat" => flat(pairs),
        _ => None,
    }
}

fn coordinates(pairs: &Pairs<'_>) -> Option<Option<(f64, f64)>> {
    let Some(at) = pairs.get("at") else { return Some(None) };
    let (lat, lon) = at.split_once(',')?;
    Some(Some((lat.parse().ok()?, lon.parse().ok()?)))
}

fn coded(code: &str) -> Value {
    Value::map([("iso_code", Value::from(code))])
}

/// As GeoLite2 has it: maps in maps, doubles.
fn nested(pairs: &Pairs<'_>) -> Option<Value> {
    let mut fields: Vec<(&str, Value)> = Vec::new();
    for (&key, &value) in pairs {
        match key {
            "country" => fields.push(("country", coded(value))),
            "registered" => fields.push(("registered_country", coded(value))),
            "continent" => fields.push(("continent", Value::map([("code", value)]))),
            "city" => {
                let names = Value::map([("en", value.replace('_', " "))]);
                fields.push(("city", Value::map([("names", names)])));
            }
            "sub" => {
                let list: Vec<Value> = value.split('/').map(coded).collect();
                fields.push(("subdivisions", Value::from(list)));
            }
            "asn" => fields.push(("autonomous_system_number", Value::from(value.parse::<u32>().ok()?))),
            "org" => fields.push(("autonomous_system_organization", Value::from(value.replace('_', " ")))),
            "at" | "radius" => {}
            _ => return None,
        }
    }
    if let Some((lat, lon)) = coordinates(pairs)? {
        let radius: u16 = pairs.get("radius").copied().unwrap_or("20").parse().ok()?;
        let location = [("latitude", lat.into()), ("longitude", lon.into()), ("accuracy_radius", radius.into())];
        fields.push(("location", Value::map::<_, Value, _>(location)));
    }
    Some(Value::map(fields))
}

/// As IPinfo and IPLocate have it: one level, 32-bit floats or text.
fn flat(pairs: &Pairs<'_>) -> Option<Value> {
    let mut fields: Vec<(&str, Value)> = Vec::new();
    for (&key, &value) in pairs {
        match key {
            "country" => fields.push(("country_code", value.into())),
            "country_name" => fields.push(("country", value.replace('_', " ").into())),
            "region" => fields.push(("region", value.replace('_', " ").into())),
            "sub" => fields.push(("region_code", value.into())),
            "asn" => fields.push(("asn", value.into())),
            "at" | "text" => {}
            _ => return None,
        }
    }
    if let Some((lat, lon)) = coordinates(pairs)? {
        let written = |degrees: f64| match pairs.contains_key("text") {
            true => Value::from(degrees.to_string()),
            false => Value::from(degrees as f32),
        };
        fields.push(("latitude", written(lat)));
        fields.push(("longitude", written(lon)));
    }
    Some(Value::map(fields))
}
