//! `egret crds`: prints the CustomResourceDefinitions.

use std::error::Error;
use std::process::ExitCode;

use egret_config::crd::{CrdOwner, definitions};

use crate::args::CrdsArgs;
use crate::{console, output};

/// Prints the definitions on stdout, as YAML documents.
pub(crate) fn run(args: &CrdsArgs) -> ExitCode {
    match documents(args.kgateway).and_then(|text| Ok(output::print(&text)?)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            console::error(format_args!("cannot print the definitions: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// The definitions of Egret's kinds, and those of kgateway's too if they are wanted.
fn documents(with_kgateway: bool) -> Result<String, Box<dyn Error>> {
    let mut all = definitions(CrdOwner::Egret);
    if with_kgateway {
        all.extend(definitions(CrdOwner::Kgateway));
    }
    let mut text = String::new();
    for definition in &all {
        text.push_str("---\n");
        text.push_str(serde_saphyr::to_string(definition)?.trim_end());
        text.push('\n');
    }
    Ok(text)
}
