//! IoT Hub's service side over REST: who we are ([`connection`], [`token`]), how fast we may go ([`sku`], [`governor`]), and the
//! calls themselves ([`client`]), which all rollouts on one hub share by way of the [`pool`].

mod bucket;
pub mod client;
pub mod connection;
pub mod error;
pub mod governor;
pub mod pool;
pub mod sku;
pub mod token;
pub mod transport;
