//! The loop of the live view: asks, draws, and does what keys say.

use std::future::pending;
use std::io;
use std::pin::{Pin, pin};
use std::thread;
use std::time::Duration;

use ratatui::crossterm::event::{self, Event};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{Receiver, channel};
use tokio::time::sleep;

use super::client::{AdminClient, AskError};
use super::draw::{Drawing, Palette};
use super::screen::Screen;
use super::state::{Answers, Step, TopState};
use crate::process::StopSignals;

/// Inputs that wait to be read.
const INPUTS: usize = 64;

/// Questions on their way.
type Round<'a> = Pin<Box<dyn Future<Output = Result<Answers, AskError>> + 'a>>;

/// Shows the gateway until a key or a signal ends it.
///
/// # Errors
/// If the terminal cannot be used.
pub(super) async fn run(
    state: &mut TopState,
    client: &AdminClient,
    interval: Duration,
) -> io::Result<()> {
    let mut stop = StopSignals::new()?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut screen = Screen::enter()?;
    let mut inputs = inputs()?;
    let palette = Palette::of_environment();
    let mut round: Option<Round<'_>> = None;
    let mut due = pin!(sleep(interval));
    loop {
        screen.terminal.draw(|frame| {
            let drawing = Drawing {
                state,
                palette,
                is_live: true,
            };
            drawing.draw(frame.area(), frame.buffer_mut());
        })?;
        let is_due = round.is_none() && !state.is_paused;
        let step = tokio::select! {
            answers = answered(&mut round) => {
                round = None;
                due.set(sleep(interval));
                state.answered(answers);
                Step::Draw
            }
            () = &mut due, if is_due => Step::Ask,
            input = inputs.recv() => match input {
                Some(Event::Key(key)) => state.press(key),
                Some(_) => Step::Draw,
                // The terminal is gone.
                None => Step::Quit,
            },
            () = stop.received() => Step::Quit,
            _ = hangup.recv() => Step::Quit,
        };
        match step {
            Step::Draw => {}
            // What is on its way is for what was shown before.
            Step::Ask => round = Some(Box::pin(client.ask(state.questions()))),
            Step::Quit => return Ok(()),
        }
    }
}

/// Completes with the answers to what is asked; never, if nothing is.
async fn answered(round: &mut Option<Round<'_>>) -> Result<Answers, AskError> {
    match round {
        Some(round) => round.await,
        None => pending().await,
    }
}

/// Reads the keys in a thread of its own, which ends with the process or with the terminal.
fn inputs() -> io::Result<Receiver<Event>> {
    let (sender, inputs) = channel(INPUTS);
    thread::Builder::new()
        .name("keys".to_owned())
        .spawn(move || {
            while let Ok(event) = event::read() {
                if sender.blocking_send(event).is_err() {
                    return;
                }
            }
        })?;
    Ok(inputs)
}
