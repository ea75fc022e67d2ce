//! Makes the small databases of `geoip-fixtures/` from `geoip-fixtures/networks.txt`:
//! `cargo run --example build_fixtures`

mod list;

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    match write(&Path::new(env!("CARGO_MANIFEST_DIR")).join("geoip-fixtures")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("{fault}");
            ExitCode::FAILURE
        }
    }
}

fn write(folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let text = std::fs::read_to_string(folder.join("networks.txt"))?;
    for list::File { name, bytes } in list::databases(&text)? {
        let path = folder.join(name);
        std::fs::write(&path, &bytes)?;
        println!("{}: {} bytes", path.display(), bytes.len());
    }
    Ok(())
}
