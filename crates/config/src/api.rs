//! The types of the resources as they are written: those of the Gateway API, of kgateway, and of `egret.dev`.

pub mod duration;
pub mod egret;
pub mod gateway;
pub mod kgateway;
pub mod quantity;
pub mod target;
mod validation;
