//! Tests of what the guide describes: dynamic forward proxying to any host and port, with cached names.

mod connections;
mod resolution;
mod routes;
mod targets;
