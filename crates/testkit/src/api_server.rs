//! A fake API server of Kubernetes: lists and watches of the objects that a test puts into it, writes of its clients, and the
//! ways in which a real one is away, forgets or refuses.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::StatusCode;
use serde_json::Value;
use tokio::sync::watch;

use crate::port::{LOOPBACK, listen};
use crate::server_thread::ServerThread;

mod body;
mod query;
mod serve;
mod state;
mod write;

use state::ServerState;

/// A fake API server, over HTTP in the clear, without authentication.
#[derive(Debug)]
pub struct ApiServer {
    address: SocketAddr,
    shared: Arc<ServerShared>,
    _thread: ServerThread,
}

#[derive(Debug)]
struct ServerShared {
    state: Mutex<ServerState>,
    /// What the tasks of the server wait for.
    turns: watch::Sender<Turn>,
}

/// How the server behaves, and the number of its last change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Turn {
    condition: ServerCondition,
    revision: u64,
    /// Watches of a smaller number end.
    watches: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ServerCondition {
    Running,
    /// Connections are open and nothing is answered.
    Hung,
    /// Nothing listens.
    Stopped,
}

/// The objects of a server at one time, to go back to.
#[derive(Clone, Debug)]
pub struct ServerBackup(ServerState);

impl ApiServer {
    /// Starts a server without objects, in which every kind is installed.
    ///
    /// # Panics
    /// If it cannot listen.
    #[must_use]
    pub fn start() -> Self {
        let listener = listen(LOOPBACK, 0);
        let address = listener.local_addr().expect("the address of a listener");
        let turn = Turn {
            condition: ServerCondition::Running,
            revision: 100,
            watches: 0,
        };
        let shared = Arc::new(ServerShared {
            state: Mutex::new(ServerState::new(turn.revision)),
            turns: watch::Sender::new(turn),
        });
        let of_thread = shared.clone();
        let thread = ServerThread::start("api-server", move |tasks| {
            serve::run(listener, address, of_thread, tasks)
        });
        Self {
            address,
            shared,
            _thread: thread,
        }
    }

    /// The address of the server.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A kubeconfig for the server.
    #[must_use]
    pub fn kubeconfig(&self) -> String {
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: test\nclusters:\n- name: test\n  cluster: {{server: 'http://{}'}}\n\
             contexts:\n- name: test\n  context: {{cluster: test, user: test}}\nusers:\n- name: test\n  user: {{}}\n",
            self.address
        )
    }

    /// Creates an object, or replaces it.
    ///
    /// # Panics
    /// If the value has no apiVersion, kind or name.
    pub fn put(&self, object: Value) {
        self.change(|state| state.put(object));
    }

    /// Deletes an object, if it is there.
    pub fn delete(&self, kind: &str, namespace: &str, name: &str) {
        self.change(|state| state.delete(kind, namespace, name));
    }

    /// An object as it is now, if it is there.
    #[must_use]
    pub fn get(&self, kind: &str, namespace: &str, name: &str) -> Option<Value> {
        let state = self.shared.state();
        let mut objects = state.objects.iter();
        let found = objects.find(|((_, _, in_namespace, named), object)| {
            object["kind"] == *kind && in_namespace == namespace && named == name
        });
        found.map(|(_, object)| object.clone())
    }

    /// `METHOD path` of every request so far that is not a GET.
    #[must_use]
    pub fn writes(&self) -> Vec<String> {
        self.shared.state().writes.clone()
    }

    /// Removes resources by their plurals, such as `egresspolicies`: the server does not know them (404).
    pub fn uninstall(&self, plurals: &[&str]) {
        self.change(|state| state.absent = plurals.iter().map(ToString::to_string).collect());
    }

    /// Refuses every request whose path and query contain one of these (403).
    pub fn forbid(&self, parts: &[&str]) {
        self.change(|state| state.forbidden = parts.iter().map(ToString::to_string).collect());
    }

    /// Answers every write whose `METHOD path` contains one of these by this status code, and does nothing.
    ///
    /// # Panics
    /// If it is no status code.
    pub fn refuse_writes(&self, code: u16, parts: &[&str]) {
        let code = StatusCode::from_u16(code).expect("a status code");
        self.change(|state| {
            state.refused = (code, parts.iter().map(ToString::to_string).collect());
        });
    }

    /// Keeps connections open, and answers nothing.
    pub fn hang(&self) {
        self.set(ServerCondition::Hung);
    }

    /// Closes every connection and the socket.
    pub fn stop(&self) {
        self.set(ServerCondition::Stopped);
    }

    /// Goes on after [`Self::hang`] or [`Self::stop`].
    pub fn resume(&self) {
        self.set(ServerCondition::Running);
    }

    /// Ends every watch, and forgets all versions before the next: who asks for one must list again (410).
    pub fn expire(&self) {
        self.change(|state| {
            state.revision += 1;
            state.oldest = state.revision;
        });
        self.shared.turns.send_modify(|turn| turn.watches += 1);
    }

    /// The objects as they are now.
    #[must_use]
    pub fn backup(&self) -> ServerBackup {
        ServerBackup(self.shared.state().clone())
    }

    /// Goes back to an older state, as when the storage is restored from a copy. Open watches end.
    pub fn restore(&self, ServerBackup(older): ServerBackup) {
        self.change(|state| {
            let requests = std::mem::take(&mut state.requests);
            let writes = std::mem::take(&mut state.writes);
            *state = ServerState {
                requests,
                writes,
                ..older
            };
        });
        self.shared.turns.send_modify(|turn| turn.watches += 1);
    }

    /// The path and query of every request so far.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        self.shared.state().requests.clone()
    }

    fn set(&self, condition: ServerCondition) {
        self.shared
            .turns
            .send_modify(|turn| turn.condition = condition);
    }

    fn change(&self, change: impl FnOnce(&mut ServerState)) {
        let revision = {
            let mut state = self.shared.state();
            change(&mut state);
            state.revision
        };
        self.shared
            .turns
            .send_modify(|turn| turn.revision = revision);
    }
}

impl ServerShared {
    fn state(&self) -> MutexGuard<'_, ServerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Words that select requests.
type Words = BTreeSet<String>;
