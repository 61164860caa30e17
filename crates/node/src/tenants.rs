//! Clients with passwords of their own: who asks, what they may use, and how much of it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use backline_proto::lavalink::Track;
use backline_runtime::config;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::session::registry::Registry;

tokio::task_local! {
    /// Who sent the request that is being answered.
    static CALLER: Caller;
}

/// Who may ask.
#[derive(Debug)]
pub struct Tenants {
    main: Digest,
    list: Vec<(Digest, Arc<Tenant>)>,
}

/// Clients that share a password and what it allows.
#[derive(Debug)]
pub struct Tenant {
    name: String,
    max_players: Option<usize>,
    sessions: Option<Arc<Semaphore>>,
    sources: Option<Vec<String>>,
    /// Players that are being made.
    making: Mutex<HashSet<PlayerKey>>,
}

/// A session and a guild, as a path names them.
type PlayerKey = (String, String);

/// Who sent a request: a tenant, or somebody with the node's own password.
#[derive(Debug, Clone, Default)]
pub struct Caller(Option<Arc<Tenant>>);

/// To whom a session belongs; set once, before the client knows its id.
#[derive(Debug, Default)]
pub struct Owner(OnceLock<Place>);

/// A session's place among those that a tenant may have.
#[derive(Debug)]
pub struct Place {
    caller: Caller,
    _permit: Option<OwnedSemaphorePermit>,
}

/// A player that is being made; given back when dropped.
#[derive(Debug)]
pub struct Making {
    tenant: Arc<Tenant>,
    key: PlayerKey,
}

/// What a tenant may not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QuotaError {
    /// Another session.
    #[error("This password has all the sessions it may have")]
    Sessions,
    /// Another player.
    #[error("This password has all the {limit} players it may have")]
    Players {
        /// How many.
        limit: usize,
    },
    /// Tracks of a source.
    #[error("This password may not use the source {name}")]
    Source {
        /// Which.
        name: String,
    },
}

type Digest = [u8; SHA256_OUTPUT_LEN];

impl Tenants {
    /// Returns who may ask: those with the node's own password, and all tenants.
    pub fn new(password: &SecretString, config: &[config::resolvers::Tenant]) -> Self {
        let mut list: Vec<(Digest, Arc<Tenant>)> = Vec::new();
        let main = hash(password.expose_secret().as_bytes());
        for tenant in config {
            let Some(password) = &tenant.password else {
                tracing::warn!(tenant = tenant.name, "tenant without a password left out");
                continue;
            };
            let password = hash(password.expose_secret().as_bytes());
            if password == main || list.iter().any(|(other, _)| *other == password) {
                tracing::warn!(
                    tenant = tenant.name,
                    "tenant with a password in use left out"
                );
                continue;
            }
            list.push((password, Arc::new(Tenant::new(tenant))));
        }
        Self { main, list }
    }

    /// Returns who sends this password. Takes as long for a wrong one as for a right one.
    pub fn caller(&self, password: &[u8]) -> Option<Caller> {
        let given = hash(password);
        let mut found = bool::from(given.ct_eq(&self.main)).then(Caller::default);
        for (expected, tenant) in &self.list {
            if bool::from(given.ct_eq(expected)) {
                found = Some(Caller(Some(Arc::clone(tenant))));
            }
        }
        found
    }
}

impl Tenant {
    fn new(config: &config::resolvers::Tenant) -> Self {
        let some = |limit: u32| (limit > 0).then_some(limit as usize);
        let sources = config.sources.as_deref().map(|names| {
            let names = names.split([' ', ',']).filter(|name| !name.is_empty());
            names.map(str::to_owned).collect()
        });
        Self {
            name: config.name.clone(),
            max_players: some(config.max_players),
            sessions: some(config.max_sessions).map(|limit| Arc::new(Semaphore::new(limit))),
            sources,
            making: Mutex::default(),
        }
    }
}

impl Caller {
    /// Returns who sent the request that is being answered; outside of one, nobody is asked.
    pub fn current() -> Self {
        CALLER.try_with(Clone::clone).unwrap_or_default()
    }

    /// Runs what answers a request of this caller.
    pub async fn answer<T>(self, work: impl Future<Output = T>) -> T {
        CALLER.scope(self, work).await
    }

    /// Whether it sent the node's own password.
    pub fn is_main(&self) -> bool {
        self.0.is_none()
    }

    /// Whether tracks of a source may be used.
    pub fn may_use(&self, source_name: &str) -> bool {
        let sources = self.0.as_ref().and_then(|tenant| tenant.sources.as_ref());
        sources.is_none_or(|sources| sources.iter().any(|name| name == source_name))
    }

    /// Checks that a track may be played.
    ///
    /// # Errors
    /// [`QuotaError::Source`].
    pub fn check(&self, track: &Track) -> Result<(), QuotaError> {
        let name = &track.info.source_name;
        if self.may_use(name) {
            Ok(())
        } else {
            Err(QuotaError::Source { name: name.clone() })
        }
    }

    /// Takes a place for a session.
    ///
    /// # Errors
    /// [`QuotaError::Sessions`].
    pub fn enter(&self) -> Result<Place, QuotaError> {
        let sessions = self.0.as_ref().and_then(|tenant| tenant.sessions.as_ref());
        let permit = sessions
            .map(|sessions| Arc::clone(sessions).try_acquire_owned())
            .transpose();
        let refused = |_| {
            let tenant = self.0.as_ref().map(|tenant| tenant.name.as_str());
            tracing::warn!(tenant, "session refused: the tenant has all it may have");
            QuotaError::Sessions
        };
        Ok(Place {
            caller: self.clone(),
            _permit: permit.map_err(refused)?,
        })
    }

    /// Takes a place for a player that is about to be made, if there is a limit.
    ///
    /// # Errors
    /// [`QuotaError::Players`].
    pub fn make_player(
        &self,
        sessions: &Registry,
        key: PlayerKey,
    ) -> Result<Option<Making>, QuotaError> {
        let Some((tenant, limit)) = self.0.as_ref().and_then(|it| Some((it, it.max_players?)))
        else {
            return Ok(None);
        };
        let mut making = tenant.lock();
        let mine = sessions.all().into_iter();
        let mine = mine.filter(|session| session.owner.is(self));
        let made: usize = mine.map(|session| session.players().len()).sum();
        if !making.contains(&key) && made + making.len() >= limit {
            drop(making);
            tracing::warn!(
                tenant = tenant.name,
                "player refused: the tenant has all it may have"
            );
            return Err(QuotaError::Players { limit });
        }
        // Two requests for the same player need one place.
        if !making.insert(key.clone()) {
            return Ok(None);
        }
        drop(making);
        let tenant = Arc::clone(tenant);
        Ok(Some(Making { tenant, key }))
    }

    fn is(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (None, None) => true,
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

impl Tenant {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashSet<PlayerKey>> {
        self.making.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Owner {
    /// Says to whom the session belongs.
    pub fn set(&self, place: Place) {
        let _first = self.0.set(place);
    }

    /// Whether the session belongs to `caller`.
    pub fn is(&self, caller: &Caller) -> bool {
        let nobody = Caller::default();
        let owner = self.0.get().map_or(&nobody, |place| &place.caller);
        owner.is(caller)
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        self.tenant.lock().remove(&self.key);
    }
}

fn hash(password: &[u8]) -> Digest {
    let mut bytes = Digest::default();
    bytes.copy_from_slice(digest(&SHA256, password).as_ref());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(name: &str, password: Option<&str>, limit: u32) -> config::resolvers::Tenant {
        config::resolvers::Tenant {
            name: name.into(),
            password: password.map(Into::into),
            max_players: limit,
            max_sessions: limit,
            sources: (limit > 0).then(|| "youtube, http".into()),
            ..config::resolvers::Tenant::default()
        }
    }

    fn tenants() -> Tenants {
        let list = [
            tenant("one", Some("1"), 1),
            tenant("two", Some("2"), 0),
            tenant("none", None, 0),
            tenant("same as the node", Some("main"), 0),
            tenant("same as one", Some("1"), 0),
        ];
        Tenants::new(&"main".into(), &list)
    }

    #[test]
    fn passwords_tell_who_asks() {
        let tenants = tenants();
        for (password, expected) in [
            ("main", Some(None)),
            ("1", Some(Some("one"))),
            ("2", Some(Some("two"))),
            ("", None),
            ("3", None),
            ("11", None),
        ] {
            let caller = tenants.caller(password.as_bytes());
            let name = caller.as_ref().map(|caller| {
                let tenant = caller.0.as_ref();
                tenant.map(|tenant| tenant.name.as_str())
            });
            assert_eq!(name, expected, "{password}");
        }
    }

    #[test]
    fn sessions_belong_to_whom_opened_them_and_take_a_place() {
        let tenants = tenants();
        let caller = |password: &str| tenants.caller(password.as_bytes()).expect("known");
        let owner = Owner::default();
        assert!(owner.is(&caller("main")));
        owner.set(caller("1").enter().expect("the first"));
        assert!(owner.is(&caller("1")));
        assert!(!owner.is(&caller("2")));
        assert!(!owner.is(&caller("main")));
        assert_eq!(caller("1").enter().expect_err("full"), QuotaError::Sessions);
        for _ in 0..100 {
            assert!(caller("2").enter().is_ok());
        }
        drop(owner);
        assert!(caller("1").enter().is_ok());
    }

    #[test]
    fn players_that_are_being_made_count() {
        let tenants = tenants();
        let caller = tenants.caller(b"1").expect("known");
        let sessions = Registry::default();
        let key = |guild: &str| ("s".to_owned(), guild.to_owned());
        let first = caller.make_player(&sessions, key("5")).expect("the first");
        let again = caller.make_player(&sessions, key("5"));
        assert!(again.expect("the same one").is_none());
        let second = caller.make_player(&sessions, key("6"));
        assert_eq!(second.expect_err("full"), QuotaError::Players { limit: 1 });
        drop(first);
        assert!(caller.make_player(&sessions, key("6")).is_ok());
    }

    #[tokio::test]
    async fn only_allowed_sources_may_be_used() {
        let tenants = tenants();
        let caller = tenants.caller(b"1").expect("known");
        assert!(caller.may_use("youtube") && caller.may_use("http"));
        assert!(!caller.may_use("local"));
        assert!(tenants.caller(b"2").expect("known").may_use("local"));
        assert!(Caller::current().may_use("local"));
        let within = caller.answer(async { Caller::current().may_use("local") });
        assert!(!within.await);
    }
}
