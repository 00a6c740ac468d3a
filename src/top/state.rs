//! What is shown, and what keys make of it. Nothing here waits, reads or draws.

use std::fmt::Display;
use std::net::SocketAddr;

use hyper::body::Bytes;
use serde::de::DeserializeOwned;

use super::answers::{Connection, Destination, Overview, Refusal, Tunnel};
use super::samples::Samples;
use crate::args::TopView;

mod keys;
mod question;
mod rows;
#[cfg(test)]
pub(super) mod tests;

pub(super) use keys::{Step, VIEWS};
pub(super) use question::{Answers, Question, SortKey};

/// All that is shown, and how.
#[derive(Debug)]
pub(super) struct TopState {
    pub(super) address: SocketAddr,
    pub(super) view: TopView,
    pub(super) sort: SortKey,
    /// What the lists are searched for.
    pub(super) search: String,
    /// Whether keys are typed into the search.
    pub(super) is_searching: bool,
    /// The row that is chosen, of those that are shown.
    pub(super) selected: usize,
    pub(super) is_paused: bool,
    /// What is told at length, instead of the list.
    pub(super) detail: Option<Detail>,
    /// Why the last questions were not answered.
    pub(super) stale: Option<String>,
    pub(super) overview: Overview,
    pub(super) samples: Samples,
    destinations: Vec<Destination>,
    refusals: Vec<Refusal>,
    connections: Vec<Connection>,
    tunnels: Vec<Tunnel>,
}

/// One row of a list, told at length.
#[derive(Debug)]
pub(super) enum Detail {
    Destination(Box<Destination>),
    Refusal(Box<Refusal>),
}

impl TopState {
    pub(super) fn new(address: SocketAddr, view: TopView) -> Self {
        Self {
            address,
            view,
            sort: SortKey::Requests,
            search: String::new(),
            is_searching: false,
            selected: 0,
            is_paused: false,
            detail: None,
            stale: None,
            overview: Overview::default(),
            samples: Samples::default(),
            destinations: Vec::new(),
            refusals: Vec::new(),
            connections: Vec::new(),
            tunnels: Vec::new(),
        }
    }

    /// What has to be known for what is shown.
    pub(super) fn questions(&self) -> Vec<Question> {
        let limit = question::limit(!self.search.is_empty());
        let of_view = match (&self.detail, self.view) {
            (Some(Detail::Destination(shown)), _) => Question::Destination(shown.host.clone()),
            (Some(Detail::Refusal(_)), _) | (None, TopView::Overview | TopView::Refusals) => {
                Question::Refusals { limit }
            }
            (None, TopView::Destinations) => Question::Destinations {
                sort: self.sort,
                limit,
            },
            (None, TopView::Connections) => Question::Connections { limit },
            (None, TopView::Tunnels) => Question::Tunnels { limit },
        };
        vec![Question::Overview, of_view]
    }

    /// Takes what the gateway has answered.
    ///
    /// # Errors
    /// If something else than Egret has answered.
    pub(super) fn take(&mut self, answers: Answers) -> Result<(), String> {
        for (question, answer) in answers {
            self.take_one(&question, &answer)
                .map_err(|error| format!("{}: {}: {error}", self.address, question.path()))?;
        }
        self.selected = self.selected.min(self.listed().saturating_sub(1));
        Ok(())
    }

    /// Takes what has become of questions while the view is live: what was known before stays.
    pub(super) fn answered(&mut self, answers: Result<Answers, impl Display>) {
        let taken = answers.map_err(|error| error.to_string());
        self.stale = taken.and_then(|answers| self.take(answers)).err();
    }

    fn take_one(&mut self, question: &Question, answer: &Bytes) -> Result<(), String> {
        match question {
            Question::Overview => {
                self.overview = read(answer)?;
                self.samples.add(&self.overview);
            }
            Question::Destinations { .. } => self.destinations = read(answer)?,
            Question::Destination(host) => {
                let told: Vec<Destination> = read(answer)?;
                let told = told.into_iter().find(|told| told.host == *host);
                if let (Some(told), Some(Detail::Destination(shown))) = (told, &mut self.detail) {
                    **shown = told;
                }
            }
            Question::Refusals { .. } => {
                self.refusals = read(answer)?;
                if let Some(Detail::Refusal(shown)) = &mut self.detail
                    && let Some(told) = self.refusals.iter().find(|told| told.is_again(shown))
                {
                    **shown = told.clone();
                }
            }
            Question::Connections { .. } => self.connections = read(answer)?,
            Question::Tunnels { .. } => self.tunnels = read(answer)?,
        }
        Ok(())
    }
}

fn read<T: DeserializeOwned>(answer: &Bytes) -> Result<T, String> {
    serde_json::from_slice(answer).map_err(|error| format!("this is no answer of Egret: {error}"))
}
