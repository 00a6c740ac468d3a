//! The rows of the lists that the search finds.

use super::TopState;
use crate::args::TopView;
use crate::top::answers::{Connection, Destination, Refusal, Tunnel};

impl TopState {
    /// How many rows the list of the view has.
    pub(in crate::top) fn listed(&self) -> usize {
        match self.view {
            TopView::Overview => 0,
            TopView::Destinations => self.destinations().count(),
            TopView::Refusals => self.refusals().count(),
            TopView::Connections => self.connections().count(),
            TopView::Tunnels => self.tunnels().count(),
        }
    }

    pub(in crate::top) fn destinations(&self) -> impl Iterator<Item = &Destination> {
        let all = self.destinations.iter();
        all.filter(|told| self.finds(&[&told.host]))
    }

    pub(in crate::top) fn refusals(&self) -> impl Iterator<Item = &Refusal> {
        let all = self.refusals.iter();
        all.filter(|told| self.finds(&[&told.host, &told.policy, &told.rule, &told.reason]))
    }

    pub(in crate::top) fn connections(&self) -> impl Iterator<Item = &Connection> {
        let all = self.connections.iter();
        all.filter(|told| self.finds(&[&told.host, &told.client, &told.listener]))
    }

    pub(in crate::top) fn tunnels(&self) -> impl Iterator<Item = &Tunnel> {
        let all = self.tunnels.iter();
        all.filter(|told| self.finds(&[&told.host, &told.client, &told.form]))
    }

    /// Whether one of the texts has what is searched for.
    fn finds(&self, texts: &[&str]) -> bool {
        let wanted = self.search.to_ascii_lowercase();
        let mut texts = texts.iter().map(|text| text.to_ascii_lowercase());
        wanted.is_empty() || texts.any(|text| text.contains(&wanted))
    }
}
