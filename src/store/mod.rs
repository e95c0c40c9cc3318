//! Blob storage: where assets are kept, and the links that lead to them. Only this folder knows the `azure_*` crates.

pub mod key;
