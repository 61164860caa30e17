//! `[redis]`: what processes share beside the store.

use url::Url;

use super::section::section;

section! {
    /// What processes share beside the store: the bus. Without it, everything is in memory, and
    /// all roles have to be in one process.
    pub struct Redis {
        secrets {
            /// The password at the server.
            ///
            /// Default: none. Reloadable: no.
            pub password;
            /// A file that holds the password.
            ///
            /// Default: none. Reloadable: no.
            pub password_file;
        }
        settings {
            /// The server: `redis://HOST:PORT/NUMBER`, without a password.
            ///
            /// Default: none, meaning memory. Reloadable: no.
            pub url: Option<Url> = None, check server, example "\"redis://127.0.0.1:6379/0\"";
            /// What all keys and channels begin with; another one for each deployment on the
            /// same server.
            ///
            /// Default: `backline`. Reloadable: no.
            pub prefix: String = "backline".into(), check prefix;
        }
    }
}

#[expect(clippy::ref_option, reason = "a check takes the type of its setting")]
fn server(url: &Option<Url>) -> Result<(), String> {
    let Some(url) = url else { return Ok(()) };
    if url.scheme() != "redis" || url.host_str().is_none() {
        return Err("`redis://HOST:PORT/NUMBER`".into());
    }
    if url.password().is_some() {
        return Err(
            "a URL without a password: set `redis.password` or `redis.password_file`".into(),
        );
    }
    Ok(())
}

#[expect(clippy::ptr_arg, reason = "a check takes the type of its setting")]
fn prefix(prefix: &String) -> Result<(), String> {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
    if !prefix.is_empty() && prefix.len() <= 64 && prefix.chars().all(fits) {
        Ok(())
    } else {
        Err("1 to 64 letters, digits, `-`, `_` or `.`".into())
    }
}
