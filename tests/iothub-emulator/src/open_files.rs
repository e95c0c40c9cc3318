//! The limit of open files: every connection is one.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises this process's limit of open files to the most that the system grants it, and gives the new limit; none is
/// unlimited. 2,000 devices in the process of the emulator itself need more than 4,000.
pub fn raise_open_files_limit() -> io::Result<Option<u64>> {
    let most = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most })?;
    Ok(getrlimit(Resource::Nofile).current)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_the_most_afterwards() {
        let raised = raise_open_files_limit().unwrap();
        assert_eq!(raised, getrlimit(Resource::Nofile).maximum);
    }
}
