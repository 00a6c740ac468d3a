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

/// The folder if none is named.
const FOLDER: &str = "egret";

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
    let folder = match &args.folder {
        Some(folder) => folder,
        None => {
            check_last_host(&args.allow)?;
            Path::new(FOLDER)
        }
    };
    let told = |error: io::Error| format!("{}: {error}", folder.display());
    let port = format!("port: {}", args.port);
    let files = [
        ("gateway.yaml", GATEWAY.replace("port: 8080", &port)),
        ("route.yaml", ROUTE.to_owned()),
        ("policy.yaml", policy(&args.allow)),
    ];
    if let Some((name, _)) = files.iter().find(|(name, _)| folder.join(name).exists()) {
        let path = folder.join(name);
        return Err(format!(
            "{} is there already, and nothing was written: name another folder, or change the files there",
            path.display()
        ));
    }
    fs::create_dir_all(folder).map_err(told)?;
    for (name, text) in &files {
        fs::write(folder.join(name), text).map_err(told)?;
    }
    Ok(next_steps(args, folder))
}

/// `--allow` takes every word that follows, so that a folder after it becomes a host. A name without a dot is probably one.
fn check_last_host(hosts: &[String]) -> Result<(), String> {
    let [others @ .., last] = hosts else {
        return Ok(());
    };
    if others.is_empty() || last.contains(['.', ':']) {
        return Ok(());
    }
    Err(format!(
        "--allow takes all words that follow, {last} too: name the folder first, `egret init {last} --allow {}`; for a host \
         {last}, `egret init {FOLDER} --allow {}`",
        others.join(" "),
        hosts.join(" ")
    ))
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
    let steps = [
        (
            format!("egret serve {folder}"),
            "serves it, and applies changes of the files",
        ),
        (format!("curl -x http://localhost:{port} {url}"), "allowed"),
        (
            format!("curl -x http://localhost:{port} http://other.example/"),
            "403, with the reason",
        ),
        (
            format!("egret explain {folder} --url {url}"),
            "the same without sending anything",
        ),
    ];
    let width = steps.iter().map(|(command, _)| command.len()).max();
    let width = width.unwrap_or_default();
    let mut text = format!(
        "{folder} has a Gateway for this machine and a policy that denies all but the hosts in {folder}/policy.yaml.\n\n"
    );
    for (command, what) in steps {
        text += &format!("  {command:width$}  # {what}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_after_the_hosts_is_not_taken_for_one() {
        let check = |hosts: &[&str]| {
            let hosts: Vec<_> = hosts.iter().map(|host| (*host).to_owned()).collect();
            check_last_host(&hosts)
        };
        let told = check(&["a.example", "edge"]).unwrap_err();
        assert!(
            told.contains("`egret init edge --allow a.example`"),
            "{told}"
        );
        for hosts in [
            &[][..],
            &["wiki"],
            &["a.example", "b.example"],
            &["edge", "a.example"],
            &["a.example", "::1"],
        ] {
            assert_eq!(check(hosts), Ok(()), "{hosts:?}");
        }
    }
}
