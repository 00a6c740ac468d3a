//! `egret top`: what a running gateway does, live in a terminal, from its admin address.

use std::io::{self, IsTerminal as _};
use std::process::ExitCode;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use tokio::runtime::Builder;

use crate::args::TopArgs;
use crate::output::Answer;
use crate::{output, process};

mod answers;
mod client;
mod draw;
mod format;
mod live;
mod samples;
mod screen;
mod state;

use client::AdminClient;
use draw::{Drawing, Palette};
use state::TopState;

/// The columns of a text that is not for a terminal.
const COLUMNS: u16 = 80;
/// The rows of a text whose view has no list.
const ROWS: u16 = 24;
/// The most rows of a text.
const MOST_ROWS: u16 = 1024;

/// Shows the gateway until somebody wants no more, or once. The exit code is 1 if there is no gateway, or it does not answer.
pub(crate) fn run(args: &TopArgs) -> ExitCode {
    output::answer(shown(args).map(Answer::from))
}

/// What is left to print at the end.
fn shown(args: &TopArgs) -> Result<String, String> {
    let token = process::token_text(args.admin_token.as_deref())?;
    let client = AdminClient::new(args.admin, token)?;
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("the runtime cannot be started: {error}"))?;
    let mut state = TopState::new(args.admin, args.view);
    runtime.block_on(async {
        // Before the terminal is touched, so that what goes wrong at once is one line.
        let answers = client.ask(state.questions()).await;
        state.take(answers.map_err(|error| error.to_string())?)?;
        if args.once || !io::stdout().is_terminal() {
            return Ok(once(&state));
        }
        live::run(&mut state, &client, args.interval)
            .await
            .map_err(|error| format!("the terminal cannot be used: {error}"))?;
        Ok(String::new())
    })
}

/// The view as text, as tall as what it lists.
fn once(state: &TopState) -> String {
    let listed = u16::try_from(state.listed()).unwrap_or(MOST_ROWS);
    let rows = listed
        .saturating_add(draw::FRAME_ROWS)
        .clamp(ROWS, MOST_ROWS);
    let mut buffer = Buffer::empty(Rect::new(0, 0, columns(), rows));
    let drawing = Drawing {
        state,
        palette: Palette::PLAIN,
        is_live: false,
    };
    drawing.draw(buffer.area, &mut buffer);
    text(&buffer)
}

/// The width of the terminal, or what a pipe is told by the shell's variable.
fn columns() -> u16 {
    let told = std::env::var("COLUMNS").ok();
    let told = told.and_then(|columns| columns.parse().ok());
    let terminal = || {
        let size = io::stdout()
            .is_terminal()
            .then(ratatui::crossterm::terminal::size);
        size.and_then(Result::ok).map(|(columns, _)| columns)
    };
    let columns = told.or_else(terminal).filter(|columns| *columns > 0);
    columns.unwrap_or(COLUMNS)
}

/// The lines of a buffer, without the space at their ends.
fn text(buffer: &Buffer) -> String {
    let width = usize::from(buffer.area.width).max(1);
    let lines = buffer.content.chunks(width).map(|cells| {
        let line: String = cells.iter().map(|cell| cell.symbol()).collect();
        format!("{}\n", line.trim_end())
    });
    let text: String = lines.collect();
    format!("{}\n", text.trim_end())
}
