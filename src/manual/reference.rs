//! docs/reference/cli.md has what the definition of the command line says.

use std::path::Path;
use std::{env, fs};

use clap::{Arg, Command, CommandFactory as _};

use crate::args::Cli;

const BEGIN: &str =
    "<!-- Written from the command line: EGRET_WRITE=1 cargo test --bin egret reference -->\n";
const END: &str = "<!-- The end of what is written. -->\n";

/// The sections about all commands.
fn sections(command: &Command) -> String {
    let commands = command.get_subcommands().filter(|it| !it.is_hide_set());
    commands.map(section).collect::<Vec<_>>().join("\n")
}

fn section(command: &Command) -> String {
    let name = command.get_name();
    let about = command.get_about().map(ToString::to_string);
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ");
    let mut text = format!("### egret {name}\n\n{}.\n", about.unwrap_or_default());
    text += &format!("\n```\n{usage}\n```\n");
    let rows: String = command.get_arguments().filter_map(row).collect();
    if !rows.is_empty() {
        text += "\n| argument | environment | default | |\n|---|---|---|---|\n";
        text += &rows;
    }
    text
}

/// The row of an argument; `None` for those that every command has.
fn row(argument: &Arg) -> Option<String> {
    if matches!(argument.get_id().as_str(), "help" | "version") || argument.is_hide_set() {
        return None;
    }
    let help = argument.get_help().map(ToString::to_string);
    let help = help.unwrap_or_default();
    let (meaning, said) = match help.split_once(" [default: ") {
        Some((meaning, rest)) => (meaning, rest.trim_end_matches(']')),
        None => (help.as_str(), ""),
    };
    let values = argument.get_default_values();
    let values: Vec<String> = values
        .iter()
        .map(|value| code(&value.to_string_lossy()))
        .collect();
    // A flag that is left out is `false`, which clap counts as its default.
    let is_switch = !argument.get_action().takes_values();
    let default = match (is_switch, values.is_empty()) {
        (true, _) => String::new(),
        (false, true) if argument.is_required_set() => "required".to_owned(),
        (false, true) => said.to_owned(),
        (false, false) => values.join(", "),
    };
    let environment = argument.get_env().map(|name| code(&name.to_string_lossy()));
    let cells = [
        spelling(argument),
        environment.unwrap_or_default(),
        default,
        meaning.to_owned() + &possible_values(argument),
    ];
    let cells = cells.map(|cell| cell.replace('|', "\\|"));
    Some(format!("| {} |\n", cells.join(" | ")))
}

/// How an argument is written, with the names of its values.
fn spelling(argument: &Arg) -> String {
    let short = argument.get_short().map(|short| format!("-{short}"));
    let long = argument.get_long().map(|long| format!("--{long}"));
    let names: Vec<String> = short.into_iter().chain(long).collect();
    let name = names.join(", ");
    if !argument.get_action().takes_values() {
        return code(&name);
    }
    let values = argument.get_value_names().unwrap_or_default();
    let values: Vec<&str> = values.iter().map(AsRef::as_ref).collect();
    let value = match values.is_empty() {
        true => argument.get_id().as_str().to_uppercase(),
        false => values.join(" "),
    };
    code(format!("{name} {value}").trim_start())
}

fn possible_values(argument: &Arg) -> String {
    if !argument.get_action().takes_values() {
        return String::new();
    }
    let values = argument.get_possible_values();
    let values: Vec<String> = values.iter().map(|value| code(value.get_name())).collect();
    match values.is_empty() {
        true => String::new(),
        false => format!(": {}", values.join(", ")),
    }
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

#[test]
fn the_page_has_every_command_and_every_argument() {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference/cli.md");
    let page = fs::read_to_string(&path).unwrap_or_default();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let expected = format!("{before}{BEGIN}\n{}\n{END}{after}", sections(&command));
    if env::var_os("EGRET_WRITE").is_some() {
        fs::write(&path, &expected).unwrap();
    } else {
        assert!(
            page == expected,
            "docs/reference/cli.md is out of date; EGRET_WRITE=1 cargo test --bin egret reference writes it"
        );
    }
}
