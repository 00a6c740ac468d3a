//! `egret explain`: what would become of a request, by the functions that decide about it in the gateway. Nothing is sent.

use std::process::ExitCode;

use egret_config::compile::{GatewayPlacement, compile};
use egret_config::load::ConfigLoader;
use egret_config::snapshot::Snapshot;
use egret_proxy::{Explanation, RequestQuestion, explain};

use crate::args::{ConfigSources, ExplainArgs, TextOrJson};
use crate::files::{ConfigFiles, LocalFiles};
use crate::output::Answer;
use crate::reload::load;
use crate::{console, output};

mod text;

/// The exit code of wrong usage, which is that of clap.
const MISUSED: u8 = 2;

/// Prints the explanations on stdout. The exit code says whether the request is served, by every listener that takes it.
pub(crate) fn run(args: &ExplainArgs) -> ExitCode {
    let question = match RequestQuestion::from_parameters(args.parameters()) {
        Ok(question) => question,
        Err(error) => {
            console::error(format_args!("--{error}"));
            return ExitCode::from(MISUSED);
        }
    };
    output::answer(told(args, &question))
}

/// What would become of the request, which is fine if it is served.
fn told(args: &ExplainArgs, question: &RequestQuestion) -> Result<Answer, String> {
    let snapshot = compiled(&args.sources)?;
    let explanations = explain(&snapshot, question);
    if explanations.is_empty() {
        return Err(nobody_listens(&snapshot, question));
    }
    Ok(Answer {
        text: match args.output {
            TextOrJson::Text => text::of(&explanations),
            TextOrJson::Json => output::json(&explanations)?,
        },
        is_fine: explanations.iter().all(Explanation::is_served),
    })
}

/// What would be served. Objects that are not accepted are warned of, and judged as the gateway would serve them.
pub(crate) fn compiled(sources: &ConfigSources) -> Result<Snapshot, String> {
    let files = ConfigFiles::read_once(&sources.paths);
    let mut loaded = load(&files, &mut ConfigLoader::default()).map_err(|errors| {
        errors.join(
            "
",
        )
    })?;
    LocalFiles::added_to(&mut loaded.resources);
    let options = sources
        .meaning
        .compile_options(GatewayPlacement::Shared, None);
    let compiled = compile(&loaded.resources, &options);
    let findings = compiled.report.findings(&[], &loaded.unread);
    for error in &findings.errors {
        console::problem(console::Severity::Warning, error);
    }
    Ok(compiled.snapshot)
}

fn nobody_listens(snapshot: &Snapshot, question: &RequestQuestion) -> String {
    if let Some(listener) = &question.listener {
        let sockets = snapshot.sockets.values();
        let names = sockets.flat_map(|socket| &socket.listeners);
        let names: Vec<_> = names.map(|listener| &*listener.full_name).collect();
        if !names.contains(&&**listener) {
            return format!("no listener {listener}; there are: {}", names.join(", "));
        }
    }
    "no listener takes requests of this form: --via tells how the request says where it wants to go"
        .to_owned()
}
