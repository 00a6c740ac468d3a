//! A DNS client for tests that are not about the protocol: answers from a script, in simulated time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use egret_config::name::DnsName;

use crate::dns::failure::DnsFailure;
use crate::dns::family::AddressFamily;
use crate::dns::query::{
    AddressRecords, DnsClient, DnsClientFactory, HttpsRecord, HttpsRecords, QueryError, QueryFuture,
};

/// The reply to a query.
#[derive(Clone, Debug)]
pub(crate) enum ScriptedReply {
    /// Addresses and their TTL in seconds.
    Found(Vec<&'static str>, u64),
    /// A failure, and how long the SOA record lets it be cached, in seconds.
    Failed(DnsFailure, Option<u64>),
    /// Another reply, this many milliseconds later.
    After(u64, Box<Self>),
    /// No reply at all.
    Silence,
    /// A panic in the client.
    Panic,
}

type HttpsReply = Result<HttpsRecords, QueryError>;

/// A client with a script. A name that is not in the script gets NODATA, with an SOA record of a minute.
#[derive(Debug, Default)]
pub(crate) struct FakeDnsClient {
    replies: Mutex<HashMap<(DnsName, AddressFamily), ScriptedReply>>,
    queries: Mutex<Vec<(DnsName, AddressFamily)>>,
    /// The HTTPS records of each name, and after how many milliseconds they come.
    https_replies: Mutex<HashMap<DnsName, (u64, HttpsReply)>>,
    https_queries: Mutex<Vec<DnsName>>,
}

impl FakeDnsClient {
    pub(crate) fn set(&self, name: &str, family: AddressFamily, reply: ScriptedReply) {
        let key = (name.parse().unwrap(), family);
        self.replies.lock().unwrap().insert(key, reply);
    }

    /// Sets HTTPS records and their TTL in seconds, or a failure, which comes `millis` milliseconds after the query.
    pub(crate) fn set_https(
        &self,
        name: &str,
        millis: u64,
        reply: Result<(Vec<HttpsRecord>, u64), DnsFailure>,
    ) {
        let reply = reply.map_err(QueryError::from).map(|(records, ttl)| {
            let ttl = Duration::from_secs(ttl);
            HttpsRecords { records, ttl }
        });
        let name = name.parse().unwrap();
        self.https_replies
            .lock()
            .unwrap()
            .insert(name, (millis, reply));
    }

    /// How many queries for HTTPS records there have been since the last call.
    pub(crate) fn take_https_queries(&self) -> usize {
        std::mem::take(&mut *self.https_queries.lock().unwrap()).len()
    }

    /// Sets one reply for both families.
    pub(crate) fn set_both(&self, name: &str, reply: &ScriptedReply) {
        for family in [AddressFamily::V4, AddressFamily::V6] {
            self.set(name, family, reply.clone());
        }
    }

    /// How many queries for addresses there have been since the last call.
    pub(crate) fn take_queries(&self) -> usize {
        std::mem::take(&mut *self.queries.lock().unwrap()).len()
    }

    /// The names that were queried since the last call, once for each run of queries.
    pub(crate) fn take_names(&self) -> Vec<String> {
        let queries = std::mem::take(&mut *self.queries.lock().unwrap());
        let mut names: Vec<_> = queries.iter().map(|(name, _)| name.to_string()).collect();
        names.dedup();
        names
    }

    /// The families that were queried since the last call.
    pub(crate) fn take_families(&self) -> Vec<AddressFamily> {
        let queries = std::mem::take(&mut *self.queries.lock().unwrap());
        queries.into_iter().map(|(_, family)| family).collect()
    }

    /// A factory that gives this client to every resolver.
    pub(crate) fn factory(self: &Arc<Self>) -> DnsClientFactory {
        let client = Arc::clone(self);
        Arc::new(move |_, _| Arc::clone(&client) as Arc<dyn DnsClient>)
    }
}

impl DnsClient for FakeDnsClient {
    fn query_https(&self, name: DnsName) -> QueryFuture<HttpsRecords> {
        let reply = self.https_replies.lock().unwrap().get(&name).cloned();
        self.https_queries.lock().unwrap().push(name);
        Box::pin(async move {
            let Some((millis, reply)) = reply else {
                return Err(DnsFailure::NoData.into());
            };
            tokio::time::sleep(Duration::from_millis(millis)).await;
            reply
        })
    }

    fn query_addresses(&self, name: DnsName, family: AddressFamily) -> QueryFuture<AddressRecords> {
        let key = (name, family);
        self.queries.lock().unwrap().push(key.clone());
        let reply = self.replies.lock().unwrap().get(&key).cloned();
        Box::pin(play(
            reply.unwrap_or(ScriptedReply::Failed(DnsFailure::NoData, Some(60))),
        ))
    }
}

async fn play(mut reply: ScriptedReply) -> Result<AddressRecords, QueryError> {
    while let ScriptedReply::After(millis, later) = reply {
        tokio::time::sleep(Duration::from_millis(millis)).await;
        reply = *later;
    }
    match reply {
        ScriptedReply::Found(addresses, ttl) => Ok(AddressRecords {
            addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
            ttl: Duration::from_secs(ttl),
        }),
        ScriptedReply::Failed(failure, ttl) => Err(QueryError {
            failure,
            ttl: ttl.map(Duration::from_secs),
        }),
        ScriptedReply::Silence => std::future::pending().await,
        ScriptedReply::Panic => panic!("the script says so"),
        ScriptedReply::After(..) => unreachable!("played above"),
    }
}
