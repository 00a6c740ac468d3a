//! The shapes of the resources: the Gateway API's, kgateway's, and our own.

pub mod duration;
pub mod egret;
pub mod gateway;
pub mod kgateway;
pub mod quantity;
pub mod target;
