//! The terminal, which is given back as it was however the process ends.

use std::io::{self, Stdout, stdout};
use std::panic;

use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::layout::{Rect, Size};
use ratatui::{Terminal, TerminalOptions, Viewport};

/// What is drawn on if the terminal does not tell its size.
const UNKNOWN: Rect = Rect::new(0, 0, 80, 24);

/// The terminal while it is ours.
pub(super) struct Screen {
    pub(super) terminal: Terminal<CrosstermBackend<Stdout>>,
    /// Gives the terminal back when it is dropped.
    _guard: ScreenGuard,
}

struct ScreenGuard;

impl Screen {
    /// Takes the terminal.
    ///
    /// # Errors
    /// If it is none, or cannot be used.
    pub(super) fn enter() -> io::Result<Self> {
        // The message of a panic would be lost with the screen it is written on.
        let told = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            restore();
            told(panic);
        }));
        let guard = ScreenGuard;
        enable_raw_mode()?;
        execute!(stdout(), EnterAlternateScreen)?;
        let Size { width, height } = ratatui::crossterm::terminal::size()?.into();
        let viewport = if width == 0 || height == 0 {
            Viewport::Fixed(UNKNOWN)
        } else {
            Viewport::Fullscreen
        };
        let backend = CrosstermBackend::new(stdout());
        let terminal = Terminal::with_options(backend, TerminalOptions { viewport })?;
        Ok(Self {
            terminal,
            _guard: guard,
        })
    }
}

impl Drop for ScreenGuard {
    fn drop(&mut self) {
        restore();
    }
}

/// Gives the terminal back. What fails here has no place to be told.
fn restore() {
    let _ = disable_raw_mode();
    let _ = execute!(stdout(), LeaveAlternateScreen, Show);
}
