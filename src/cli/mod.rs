//! The commands: a command line comes in; what people or programs read goes out, and an exit code.
//!
//! [`args`] defines every flag; each command is a file. Results go to stdout, faults and notes to stderr, each thing
//! once. A command never changes anything that it does not name, and a change is made by the running server, over the
//! admin API, or by replacing a file in one step.

pub mod args;

mod bench;
mod check;
mod clock;
mod connection;
mod demo;
mod explain;
mod failure;
mod live;
mod manual;
mod offline;
mod output;
mod self_signed;
mod serve;
mod shift;
mod status;
mod switch;
mod waiting;

use std::process::ExitCode;

use args::{Cli, Command, Global};
pub(crate) use failure::Failure;
use output::Output;

/// How a command that did its work ended. The numbers are documented in `rhumb --help`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// 0: done, warnings included.
    Done,
    /// 1: faults were found and printed.
    Faulty,
    /// 3: the served answer and the reasons differ.
    Differs,
}

impl Outcome {
    fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Faulty => 1,
            Self::Differs => 3,
        }
    }
}

/// Runs the command line of this process to its end.
pub fn run() -> ExitCode {
    let cli = match Cli::from_arguments(std::env::args_os().collect()) {
        Ok(cli) => cli,
        Err(fault) => {
            let code = fault.exit_code();
            // A reader that went away (`rhumb --help | head -1`) is no fault of the command line.
            let _ = fault.print();
            return ExitCode::from(u8::try_from(code).unwrap_or(2));
        }
    };
    let output = Output::new(&cli.global);
    let command = cli.command.unwrap_or_else(|| Command::Serve(args::Serve::default()));
    match dispatch(&cli.global, &output, command) {
        Ok(outcome) => ExitCode::from(outcome.code()),
        Err(fault) => failure::report(&fault, &output),
    }
}

fn dispatch(global: &Global, output: &Output, command: Command) -> anyhow::Result<Outcome> {
    match command {
        Command::Serve(serve) => serve::run(global, output, &serve),
        Command::Check(check) => check::run(global, output, &check),
        Command::Explain(explain) => explain::run(global, output, &explain),
        Command::Status(status) => status::run(global, output, &status),
        Command::Drain(drain) => switch::drain(global, output, drain),
        Command::Undrain(undrain) => switch::undrain(global, output, undrain),
        Command::Shift(shift) => shift::run(global, output, &shift),
        Command::Reload(reload) => switch::reload(global, output, reload),
        Command::Schema(schema) => manual::schema(output, &schema),
        Command::Completions(completions) => manual::completions(output, &completions),
        Command::Man(man) => manual::man(output, &man),
        Command::Demo(demo) => demo::run(global, output, &demo),
        Command::Bench(bench) => bench::run(global, output, &bench),
    }
}
