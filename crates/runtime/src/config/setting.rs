//! Types that a setting may have: how each is read, and what would be right.

use std::net::SocketAddr;
use std::path::PathBuf;

use url::Url;

use super::tree::Raw;

/// The type of a setting.
pub(super) trait Setting: Sized {
    /// Whether an error may repeat a bad value. Not where people paste secrets by mistake.
    const ECHO: bool = true;

    /// Reads a value of the file. A variable is always text, and means the same as in the file.
    fn read(raw: &Raw) -> Option<Self>;

    /// Says what would be right.
    fn expected() -> String;

    /// Returns the value in TOML; `None` where it means "not set".
    fn toml(&self) -> Option<String>;

    /// Returns the number that a range applies to.
    fn number(&self) -> Option<u64> {
        None
    }

    /// Returns any value: what stands in for a bad one until all errors are found.
    fn placeholder() -> Self;
}

impl Setting for String {
    fn read(raw: &Raw) -> Option<Self> {
        raw.text().map(str::to_owned)
    }

    fn expected() -> String {
        "text".into()
    }

    fn toml(&self) -> Option<String> {
        Some(quoted(self))
    }

    fn placeholder() -> Self {
        Self::new()
    }
}

/// The URL of a database: text, because the name of a file is to stay as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// Returns it as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for DatabaseUrl {
    fn from(url: String) -> Self {
        Self(url)
    }
}

impl From<&str> for DatabaseUrl {
    fn from(url: &str) -> Self {
        Self(url.to_owned())
    }
}

impl Setting for DatabaseUrl {
    const ECHO: bool = false;

    fn read(raw: &Raw) -> Option<Self> {
        raw.text().map(Self::from)
    }

    fn expected() -> String {
        "`sqlite:FILE` or `postgres://USER@HOST/DATABASE`".into()
    }

    fn toml(&self) -> Option<String> {
        Some(quoted(&self.0))
    }

    fn placeholder() -> Self {
        Self(String::new())
    }
}

impl Setting for bool {
    fn read(raw: &Raw) -> Option<Self> {
        match raw {
            Raw::Boolean(value) => Some(*value),
            Raw::Variable(text) => text.trim().to_ascii_lowercase().parse().ok(),
            _ => None,
        }
    }

    fn expected() -> String {
        "true or false".into()
    }

    fn toml(&self) -> Option<String> {
        Some(self.to_string())
    }

    fn placeholder() -> Self {
        false
    }
}

macro_rules! number {
    ($($type:ty),+) => {$(
        impl Setting for $type {
            fn read(raw: &Raw) -> Option<Self> {
                match raw {
                    Raw::Integer(value) => Self::try_from(*value).ok(),
                    Raw::Variable(text) => text.trim().parse().ok(),
                    _ => None,
                }
            }

            fn expected() -> String {
                format!("a whole number of {}..={}", Self::MIN, Self::MAX)
            }

            fn toml(&self) -> Option<String> {
                Some(self.to_string())
            }

            fn number(&self) -> Option<u64> {
                Some(u64::from(*self))
            }

            fn placeholder() -> Self {
                Self::MIN
            }
        }
    )+};
}

number!(u8, u16, u32);

impl Setting for SocketAddr {
    fn read(raw: &Raw) -> Option<Self> {
        raw.text()?.trim().parse().ok()
    }

    fn expected() -> String {
        "an address and a port, such as `127.0.0.1:9400` or `[::1]:9400`".into()
    }

    fn toml(&self) -> Option<String> {
        Some(quoted(&self.to_string()))
    }

    fn placeholder() -> Self {
        Self::from(([127, 0, 0, 1], 0))
    }
}

impl Setting for Url {
    // It may hold a password.
    const ECHO: bool = false;

    fn read(raw: &Raw) -> Option<Self> {
        Self::parse(raw.text()?.trim()).ok().filter(Self::has_host)
    }

    fn expected() -> String {
        "a URL with scheme and host, such as `https://host.example`".into()
    }

    fn toml(&self) -> Option<String> {
        Some(quoted(self.as_str()))
    }

    fn placeholder() -> Self {
        Self::parse("https://localhost").expect("it is a URL")
    }
}

impl Setting for PathBuf {
    fn read(raw: &Raw) -> Option<Self> {
        raw.text().filter(|text| !text.is_empty()).map(Self::from)
    }

    fn expected() -> String {
        "a path".into()
    }

    fn toml(&self) -> Option<String> {
        Some(quoted(&self.to_string_lossy()))
    }

    fn placeholder() -> Self {
        Self::new()
    }
}

impl<T: Setting> Setting for Option<T> {
    const ECHO: bool = T::ECHO;

    fn read(raw: &Raw) -> Option<Self> {
        T::read(raw).map(Some)
    }

    fn expected() -> String {
        T::expected()
    }

    fn toml(&self) -> Option<String> {
        self.as_ref().and_then(T::toml)
    }

    fn number(&self) -> Option<u64> {
        self.as_ref().and_then(T::number)
    }

    fn placeholder() -> Self {
        None
    }
}

/// Implements [`Setting`] for an enum of words.
macro_rules! words {
    ($type:ty { $first:ident = $first_word:literal $(, $variant:ident = $word:literal)* $(,)? }) => {
        impl $crate::config::setting::Setting for $type {
            fn read(raw: &$crate::config::tree::Raw) -> Option<Self> {
                match raw.text()?.trim() {
                    $first_word => Some(Self::$first),
                    $($word => Some(Self::$variant),)*
                    _ => None,
                }
            }

            fn expected() -> String {
                [concat!("`", $first_word, "`") $(, concat!("`", $word, "`"))*].join(" or ")
            }

            fn toml(&self) -> Option<String> {
                let word = match self {
                    Self::$first => $first_word,
                    $(Self::$variant => $word,)*
                };
                Some(format!("\"{word}\""))
            }

            fn placeholder() -> Self {
                Self::$first
            }
        }
    };
}

pub(super) use words;

/// Returns a basic string of TOML. Defaults hold nothing that needs more than this.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Refuses URLs of HTTP that would send secrets in the clear beyond this machine.
pub(super) fn https_or_loopback(url: &Url) -> Result<(), String> {
    secure_or_loopback(url, "https", "http")
}

/// The same for a URL that may be left out.
#[expect(clippy::ref_option, reason = "a check takes the type of its setting")]
pub(super) fn optional_https_or_loopback(url: &Option<Url>) -> Result<(), String> {
    url.as_ref().map_or(Ok(()), https_or_loopback)
}

/// The same for a URL of a WebSocket.
#[expect(clippy::ref_option, reason = "a check takes the type of its setting")]
pub(super) fn optional_wss_or_loopback(url: &Option<Url>) -> Result<(), String> {
    url.as_ref()
        .map_or(Ok(()), |url| secure_or_loopback(url, "wss", "ws"))
}

fn secure_or_loopback(url: &Url, secure: &str, plain: &str) -> Result<(), String> {
    no_password(url)?;
    let fits = url.scheme() == secure || (url.scheme() == plain && is_loopback(url));
    if fits {
        Ok(())
    } else {
        Err(format!("{secure}://, or {plain}:// to loopback only"))
    }
}

/// Refuses anything but a URL of HTTP. Nodes are often reached within a private network.
pub(super) fn http_or_https(url: &Url) -> Result<(), String> {
    no_password(url)?;
    match url.scheme() {
        "http" | "https" => Ok(()),
        _ => Err("http:// or https://".into()),
    }
}

pub(super) fn no_password(url: &Url) -> Result<(), String> {
    if url.username().is_empty() && url.password().is_none() {
        Ok(())
    } else {
        Err("a URL without user and password".into())
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
