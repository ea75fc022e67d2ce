//! Arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    // One provider for all of TLS, chosen before anything asks for one. A second choice would only be refused.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    rhumb::cli::run()
}
