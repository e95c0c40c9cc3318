//! blobrollout.
