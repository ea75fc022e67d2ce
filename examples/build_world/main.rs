//! Makes the world database that the binary embeds:
//! `cargo run --example build_world -- /usr/share/tor/geoip /usr/share/tor/geoip6`
//!
//! The two files come from Debian's package `tor-geoipdb`. A third argument is where to write; without it that is
//! `geoip-fixtures/world.bin`.

mod source;

use std::path::PathBuf;
use std::process::ExitCode;

use rhumb::geo::Countries;
use rhumb::world::CountryCode;

fn main() -> ExitCode {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let (v4, v6, out) = match arguments.as_slice() {
        [v4, v6] => (v4, v6, PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/geoip-fixtures/world.bin"))),
        [v4, v6, out] => (v4, v6, out.clone()),
        _ => {
            eprintln!("usage: build_world GEOIP GEOIP6 [OUT]");
            return ExitCode::from(2);
        }
    };
    let read = |path: &PathBuf| std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()));
    let built = read(v4).and_then(|v4| build(&v4, &read(v6)?)).and_then(|(countries, bytes)| {
        std::fs::write(&out, &bytes).map_err(|e| format!("{}: {e}", out.display()))?;
        let (v4, v6) = (countries.v4.len(), countries.v6.len());
        Ok(format!("{}: {v4} IPv4 and {v6} IPv6 runs, {} bytes", out.display(), bytes.len()))
    });
    match built {
        Ok(summary) => {
            println!("{summary}");
            ExitCode::SUCCESS
        }
        Err(fault) => {
            eprintln!("{fault}");
            ExitCode::FAILURE
        }
    }
}

fn build(v4: &str, v6: &str) -> Result<(Countries, Vec<u8>), String> {
    let code = |code: Option<[u8; 2]>| code.and_then(|c| CountryCode::new(std::str::from_utf8(&c).ok()?));
    let known = |country: &Option<CountryCode>| country.is_none_or(|code| rhumb::world::country(code).is_some());
    let (v4, v6) = (source::read_v4(v4)?, source::read_v6(v6)?);
    let countries = Countries {
        // The older of the two, so that the age warned of is never too low.
        date: v4.date.min(v6.date),
        v4: v4.runs.into_iter().map(|(start, country)| (start as u32, code(country))).collect(),
        v6: v6.runs.into_iter().map(|(start, country)| (start, code(country))).collect(),
    };
    let mut codes = countries.v4.iter().map(|run| run.1).chain(countries.v6.iter().map(|run| run.1));
    if let Some(strange) = codes.find(|country| !known(country)).flatten() {
        return Err(format!("{strange} is in no table of countries: add it to one, or to NO_COUNTRIES"));
    }
    let bytes = countries.encode().map_err(|e| e.to_string())?;
    Ok((countries, bytes))
}
