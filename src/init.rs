//! `egret init`: a folder to begin with. It is for this machine alone, and lets nothing out but what is named.

use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use egret_config::name::HostMatcher;

use crate::args::InitArgs;
use crate::output::{self, Answer};

const GATEWAY: &str = include_str!("init/gateway.yaml");
const ROUTE: &str = include_str!("init/route.yaml");
const POLICY: &str = include_str!("init/policy.yaml");

/// Stands for the hosts in the policy.
const HOSTS: &str = "HOSTS";

/// Writes the folder, and prints what to do next.
pub(crate) fn run(args: &InitArgs) -> ExitCode {
    output::answer(init(args).map(Answer::from))
}

fn init(args: &InitArgs) -> Result<String, String> {
    for host in &args.allow {
        HostMatcher::parse(host).map_err(|error| format!("--allow {host}: {error}"))?;
    }
    let folder = &args.folder;
    let told = |error: io::Error| format!("{}: {error}", folder.display());
    let port = format!("port: {}", args.port);
    let files = [
        ("gateway.yaml", GATEWAY.replace("port: 8080", &port)),
        ("route.yaml", ROUTE.to_owned()),
        ("policy.yaml", policy(&args.allow)),
    ];
    if let Some((name, _)) = files.iter().find(|(name, _)| folder.join(name).exists()) {
        return Err(format!("{} is there already", folder.join(name).display()));
    }
    fs::create_dir_all(folder).map_err(told)?;
    for (name, text) in &files {
        fs::write(folder.join(name), text).map_err(told)?;
    }
    Ok(next_steps(args, folder))
}

/// The policy that allows these hosts.
fn policy(hosts: &[String]) -> String {
    let list = match hosts {
        [] => "[example.com, \"*.example.org\"]".to_owned(),
        hosts => {
            let quoted: Vec<_> = hosts.iter().map(|host| format!("\"{host}\"")).collect();
            format!("[{}]", quoted.join(", "))
        }
    };
    POLICY.replace(HOSTS, &list)
}

fn next_steps(args: &InitArgs, folder: &Path) -> String {
    let (folder, port) = (folder.display(), args.port);
    let allowed = args
        .allow
        .iter()
        .map(|host| &**host)
        .find(|host| !host.contains('*'));
    let url = format!("http://{}/", allowed.unwrap_or("example.com"));
    format!(
        "{folder} has a Gateway for this machine and a policy that denies all but the hosts in {folder}/policy.yaml.\n\n  \
         egret serve {folder}                       # serves it, and applies changes of the files\n  \
         curl -x http://localhost:{port} {url}   # allowed\n  \
         curl -x http://localhost:{port} http://other.example/   # 403, with the reason\n  \
         egret explain {folder} --url {url}      # the same without sending anything\n"
    )
}
