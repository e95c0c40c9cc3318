//! Blob storage: where assets are kept, and the links that lead to them. Only this folder knows the `azure_*` crates.

mod blobs;
mod block_md5;
mod connection;
mod error;
pub mod grid;
pub mod key;
pub mod link;
mod retry;
mod retry_after;
pub mod sas;
mod shared_key;
mod stored;
mod transport;

pub use blobs::BlobStore;
pub use connection::{StorageAccount, StorageConnectionError};
pub use error::{Refusal, StoreError};
pub use stored::{BlobMetadata, BlobProperties, StoredBlob};
pub use transport::http_client;
