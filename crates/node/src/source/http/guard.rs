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
#[derive(Debug, Clone)]
pub struct Resolver {
    reach: Reach,
    /// What names resolve to, one answer after the other.
    #[cfg(test)]
    answers: Option<Answers>,
}

#[cfg(test)]
type Answers = std::sync::Arc<std::sync::Mutex<std::collections::VecDeque<Vec<IpAddr>>>>;

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

impl Resolver {
    /// Returns one that asks the system.
    pub fn new(reach: Reach) -> Self {
        Self {
            reach,
            #[cfg(test)]
            answers: None,
        }
    }

    /// Returns one that gives these answers, whatever the name.
    #[cfg(test)]
    pub fn answering(reach: Reach, answers: Vec<Vec<IpAddr>>) -> Self {
        let answers = Some(std::sync::Arc::new(std::sync::Mutex::new(answers.into())));
        Self { reach, answers }
    }

    async fn ask(&self, name: &str) -> std::io::Result<Vec<SocketAddr>> {
        #[cfg(test)]
        if let Some(answers) = &self.answers {
            let answer = answers.lock().expect("no panic").pop_front();
            let answer = answer.ok_or(std::io::ErrorKind::NotFound)?;
            return Ok(answer.into_iter().map(|ip| (ip, 0).into()).collect());
        }
        let found = tokio::time::timeout(RESOLVE, tokio::net::lookup_host((name, 0)));
        let found = found.await.map_err(|_| std::io::ErrorKind::TimedOut)??;
        Ok(found.collect())
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (this, reach) = (self.clone(), self.reach);
        Box::pin(async move {
            let found = this.ask(name.as_str()).await?;
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
            Resolver::new(reach)
                .resolve(name)
                .await
                .map(Iterator::count)
        };
        let refused = resolve(Reach::Public)
            .await
            .expect_err("localhost is private");
        assert!(is_refusal(refused.as_ref()));
        assert!(resolve(Reach::Everywhere).await.expect("allowed") > 0);
    }
}
