//! `egret crds`: prints the CustomResourceDefinitions.

use std::error::Error;
use std::io::{self, Write as _};
use std::process::ExitCode;

use egret_config::crd::{CrdOwner, definitions};

use crate::args::CrdsArgs;
use crate::console;

/// Prints the definitions on stdout, as YAML documents.
pub(crate) fn run(args: &CrdsArgs) -> ExitCode {
    match documents(args.kgateway).and_then(|text| print(&text)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            console::line(format_args!("cannot print the definitions: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// The definitions of Egret's kinds, and those of kgateway's too if they are wanted.
fn documents(with_kgateway: bool) -> Result<String, Box<dyn Error>> {
    let mut all = definitions(CrdOwner::Egret)?;
    if with_kgateway {
        all.extend(definitions(CrdOwner::Kgateway)?);
    }
    let mut text = String::new();
    for definition in &all {
        text.push_str("---\n");
        text.push_str(serde_saphyr::to_string(definition)?.trim_end());
        text.push('\n');
    }
    Ok(text)
}

/// Writes to stdout. A reader that has gone has read enough.
fn print(text: &str) -> Result<(), Box<dyn Error>> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
