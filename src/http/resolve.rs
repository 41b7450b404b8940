//! Resolves host names by the system, and gives a failure a type of its own: nothing else tells it
//! from a host without a route.

use std::error::Error;
use std::fmt;
use std::io;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Resolver of the system.
pub(super) struct SystemResolver;

/// Failure to find an address.
#[derive(Debug)]
pub(super) struct Unresolved {
    name: String,
    why: Option<io::Error>,
}

impl Unresolved {
    /// Returns the system's error, where it gave one.
    pub(super) fn why(&self) -> Option<&io::Error> {
        self.why.as_ref()
    }
}

impl Resolve for SystemResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let name = name.as_str().to_owned();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await;
            let (addresses, why) = match found.map(Iterator::collect::<Vec<_>>) {
                Ok(addresses) => (addresses, None),
                Err(why) => (Vec::new(), Some(why)),
            };
            if addresses.is_empty() {
                return Err(Unresolved { name, why }.into());
            }
            let addresses: Addrs = Box::new(addresses.into_iter());
            Ok(addresses)
        })
    }
}

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the host `{}` has no known address", self.name)?;
        let Some(why) = &self.why else { return Ok(()) };
        let why = why.to_string();
        // The standard library puts words of its own before those of the system.
        let words = why.strip_prefix("failed to lookup address information: ").unwrap_or(&why);
        write!(f, ": {words}")
    }
}

impl Error for Unresolved {}
