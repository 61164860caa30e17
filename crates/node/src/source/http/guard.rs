//! Which addresses the source `http` may connect to.
//!
//! Names are resolved here, every address is checked here, and the connection goes to an address
//! that was checked: a name that resolves differently a moment later changes nothing.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use backline_runtime::net::guard::is_public;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// Which addresses may be connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Public ones only.
    Public,
    /// All of them.
    Everywhere,
    /// A single one, to tell allowed from refused on one machine.
    #[cfg(test)]
    Only(IpAddr),
}

/// The address is not one that strangers may choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the address is not public")]
pub struct NotPublic;

/// Why a URL is not fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlRefused {
    /// Another scheme than `http` and `https`.
    #[error("only http and https URLs can be played")]
    Scheme,
    /// No host.
    #[error("the URL has no host")]
    Host,
    /// A private address.
    #[error("the URL leads to a private network")]
    Private,
}

/// Resolves names to addresses within reach.
#[derive(Debug, Clone, Copy)]
pub struct Resolver(pub Reach);

/// How long resolving a name may take.
const RESOLVE: Duration = Duration::from_secs(5);

impl Reach {
    /// Whether the address may be connected to.
    pub fn allows(self, address: IpAddr) -> bool {
        match self {
            Self::Public => is_public(address),
            Self::Everywhere => true,
            #[cfg(test)]
            Self::Only(allowed) => address == allowed,
        }
    }

    /// Checks what a URL itself shows: its scheme, and its host if that is an address.
    ///
    /// Names are checked when they are resolved.
    ///
    /// # Errors
    /// See [`UrlRefused`].
    pub fn check(self, url: &Url) -> Result<(), UrlRefused> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(UrlRefused::Scheme);
        }
        let address = match url.host() {
            None => return Err(UrlRefused::Host),
            Some(Host::Domain(_)) => return Ok(()),
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
        };
        if self.allows(address) {
            Ok(())
        } else {
            Err(UrlRefused::Private)
        }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.0;
        Box::pin(async move {
            let found = tokio::time::timeout(RESOLVE, tokio::net::lookup_host((name.as_str(), 0)))
                .await
                .map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))??;
            let mut allowed: Vec<SocketAddr> = Vec::new();
            let mut refused = false;
            for address in found {
                if reach.allows(address.ip()) {
                    allowed.push(address);
                } else {
                    refused = true;
                }
            }
            // One private address among public ones is a trick as well.
            if refused {
                return Err(NotPublic.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// Whether `error` or one of its causes is that an address is not public.
pub fn is_refusal(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<NotPublic>() {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_to_private_places_are_refused_however_they_are_written() {
        for (text, expected) in [
            ("http://example.com/a.mp3", Ok(())),
            ("https://93.184.216.34/a.mp3", Ok(())),
            ("http://127.0.0.1/", Err(UrlRefused::Private)),
            ("http://127.1/", Err(UrlRefused::Private)),
            ("http://2130706433/", Err(UrlRefused::Private)),
            ("http://0x7f000001/", Err(UrlRefused::Private)),
            ("http://0177.0.0.1/", Err(UrlRefused::Private)),
            ("http://[::1]/", Err(UrlRefused::Private)),
            ("http://[::ffff:10.0.0.1]/", Err(UrlRefused::Private)),
            (
                "http://169.254.169.254/latest/meta-data/",
                Err(UrlRefused::Private),
            ),
            ("http://10.1.2.3:8080/a", Err(UrlRefused::Private)),
            ("http://192.168.0.1/", Err(UrlRefused::Private)),
            ("http://172.16.0.1/", Err(UrlRefused::Private)),
            ("http://100.64.0.1/", Err(UrlRefused::Private)),
            ("http://0.0.0.0/", Err(UrlRefused::Private)),
            ("http://[fd00::1]/", Err(UrlRefused::Private)),
            ("http://[fe80::1]/", Err(UrlRefused::Private)),
            ("ftp://example.com/a.mp3", Err(UrlRefused::Scheme)),
            ("file:///etc/passwd", Err(UrlRefused::Scheme)),
        ] {
            let url: Url = text.parse().expect("a URL");
            assert_eq!(Reach::Public.check(&url), expected, "{text}");
        }
    }

    #[tokio::test]
    async fn names_that_resolve_to_private_addresses_are_refused() {
        let resolve = |reach| async move {
            let name = "localhost".parse().expect("a name");
            Resolver(reach).resolve(name).await.map(Iterator::count)
        };
        let refused = resolve(Reach::Public)
            .await
            .expect_err("localhost is private");
        assert!(is_refusal(refused.as_ref()));
        assert!(resolve(Reach::Everywhere).await.expect("allowed") > 0);
    }
}
