#![cfg(test)]

//! A client whose requests a function answers.

use http::request::Parts;
use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

/// A client that gets these answers: a status code, and an object or a `Status`.
pub(crate) fn client(
    answer: impl Fn(&Parts, &Value) -> (u16, Value) + Clone + Send + Sync + 'static,
) -> Client {
    let service = tower::service_fn(move |request: Request<Body>| {
        let answer = answer.clone();
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect_bytes().await?;
            let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
            let (code, answer) = answer(&parts, &body);
            let answer = Body::from(serde_json::to_vec(&answer).unwrap());
            let response = Response::builder().status(code).body(answer).unwrap();
            Ok::<_, kube::Error>(response)
        }
    });
    Client::new(service, "default")
}

/// The answer to a request that is refused.
pub(crate) fn failure(code: u16, message: &str) -> (u16, Value) {
    let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message});
    (code, body)
}
