//! DNS for tests that are not about the wire: answers from a script, in simulated time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use egret_config::name::DnsName;

use crate::dns::failure::Failure;
use crate::dns::family::Family;
use crate::dns::query::{
    Answering, AnsweringServices, Query, QueryError, Records, Service, Services,
};
use crate::dns::resolver::QueryFactory;

/// What a question gets.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// Addresses and their TTL in seconds.
    Found(Vec<&'static str>, u64),
    /// A failure, and what the SOA record says in seconds.
    Failed(Failure, Option<u64>),
    /// Another reply, this many milliseconds later.
    After(u64, Box<Self>),
    /// Nothing, ever.
    Silence,
    /// A bug.
    Panic,
}

type ServicesReply = Result<Services, QueryError>;

/// The script. What is not in it gets NODATA, with an SOA of a minute.
#[derive(Debug, Default)]
pub(crate) struct FakeQuery {
    replies: Mutex<HashMap<(DnsName, Family), Reply>>,
    asked: Mutex<Vec<(DnsName, Family)>>,
    /// HTTPS records, after so many milliseconds.
    services: Mutex<HashMap<DnsName, (u64, ServicesReply)>>,
    asked_services: Mutex<Vec<DnsName>>,
}

impl FakeQuery {
    pub(crate) fn set(&self, name: &str, family: Family, reply: Reply) {
        let key = (name.parse().unwrap(), family);
        self.replies.lock().unwrap().insert(key, reply);
    }

    /// HTTPS records and their TTL in seconds, or a failure; this many milliseconds after the question.
    pub(crate) fn set_services(
        &self,
        name: &str,
        millis: u64,
        reply: Result<(Vec<Service>, u64), Failure>,
    ) {
        let reply = reply.map_err(QueryError::from).map(|(services, ttl)| {
            let ttl = Duration::from_secs(ttl);
            Services { services, ttl }
        });
        let name = name.parse().unwrap();
        self.services.lock().unwrap().insert(name, (millis, reply));
    }

    /// How many questions for HTTPS records there have been since the last call.
    pub(crate) fn taken_services(&self) -> usize {
        std::mem::take(&mut *self.asked_services.lock().unwrap()).len()
    }

    /// The same for both families.
    pub(crate) fn set_both(&self, name: &str, reply: &Reply) {
        for family in [Family::V4, Family::V6] {
            self.set(name, family, reply.clone());
        }
    }

    /// How many questions there have been since the last call.
    pub(crate) fn taken(&self) -> usize {
        std::mem::take(&mut *self.asked.lock().unwrap()).len()
    }

    /// The names asked for since the last call, one for each run of questions.
    pub(crate) fn names(&self) -> Vec<String> {
        let asked = std::mem::take(&mut *self.asked.lock().unwrap());
        let mut names: Vec<_> = asked.iter().map(|(name, _)| name.to_string()).collect();
        names.dedup();
        names
    }

    /// The families asked for since the last call.
    pub(crate) fn families(&self) -> Vec<Family> {
        let asked = std::mem::take(&mut *self.asked.lock().unwrap());
        asked.into_iter().map(|(_, family)| family).collect()
    }

    /// Makes this one for every resolver.
    pub(crate) fn factory(self: &Arc<Self>) -> QueryFactory {
        let query = Arc::clone(self);
        Arc::new(move |_, _| Arc::clone(&query) as Arc<dyn Query>)
    }
}

impl Query for FakeQuery {
    fn services(&self, name: DnsName) -> AnsweringServices {
        let reply = self.services.lock().unwrap().get(&name).cloned();
        self.asked_services.lock().unwrap().push(name);
        Box::pin(async move {
            let Some((millis, services)) = reply else {
                return Err(Failure::NoData.into());
            };
            tokio::time::sleep(Duration::from_millis(millis)).await;
            services
        })
    }

    fn query(&self, name: DnsName, family: Family) -> Answering {
        let key = (name, family);
        self.asked.lock().unwrap().push(key.clone());
        let reply = self.replies.lock().unwrap().get(&key).cloned();
        Box::pin(play(
            reply.unwrap_or(Reply::Failed(Failure::NoData, Some(60))),
        ))
    }
}

async fn play(mut reply: Reply) -> Result<Records, QueryError> {
    while let Reply::After(millis, later) = reply {
        tokio::time::sleep(Duration::from_millis(millis)).await;
        reply = *later;
    }
    match reply {
        Reply::Found(addresses, ttl) => Ok(Records {
            addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
            ttl: Duration::from_secs(ttl),
        }),
        Reply::Failed(failure, ttl) => Err(QueryError {
            failure,
            ttl: ttl.map(Duration::from_secs),
        }),
        Reply::Silence => std::future::pending().await,
        Reply::Panic => panic!("the script says so"),
        Reply::After(..) => unreachable!("played above"),
    }
}
