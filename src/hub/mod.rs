//! IoT Hub's service side over REST: who we are ([`connection`], [`token`]), how fast we may go ([`sku`], [`limiter`]), and the
//! calls themselves ([`client`]), which all rollouts on one hub share by way of the [`registry`].

mod bucket;
pub mod client;
pub mod connection;
pub mod error;
pub mod limiter;
mod members;
pub mod registry;
pub mod sku;
mod slots;
pub mod token;
pub mod transport;
