//! Loads and opens local files.

use std::path::PathBuf;
use std::sync::Arc;

use backline_proto::lavalink::{Exception, LoadResult, Lyrics, Severity, Track};
use backline_runtime::metrics::node::LoadSource;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::{Local, LocalError, words};
use crate::engine::feed::Wake;
use crate::source::probe::{self, TagCache};
use crate::source::reader::Reader;
use crate::source::{Loaded, Opened, Shared, Source, Sources, describe, failure};

/// The source `local`; cheap to clone.
#[derive(Debug, Clone)]
pub struct LocalSource {
    local: Local,
    shared: Shared,
    tags: Arc<TagCache>,
}

impl LocalSource {
    /// Returns the source over a folder.
    pub fn new(local: Local, shared: Shared) -> Self {
        Self {
            local,
            shared,
            tags: Arc::default(),
        }
    }

    async fn ask(&self, identifier: &str) -> Loaded {
        if let Some(text) = identifier.strip_prefix("local:")
            && !text.starts_with("//")
        {
            return Loaded::Found(self.search(text).await);
        }
        let Some(path) = self.local.path(identifier) else {
            return Loaded::Foreign;
        };
        match self.probe(path).await {
            // Not a file of ours; perhaps another source knows it.
            Ok(None) => Loaded::Foreign,
            Ok(Some(track)) => Loaded::Found(LoadResult::Track(track)),
            Err(failure) => Loaded::Found(LoadResult::Error(*failure)),
        }
    }

    async fn probe(&self, path: PathBuf) -> Result<Option<Track>, Box<Exception>> {
        let (local, encoder) = (self.local.clone(), self.shared.encoder);
        let probe = move || match local.open(&path) {
            Ok((file, length, real)) => {
                let probed = probe::open(Reader::File { file, length }, None, encoder)?;
                Ok(Some(describe::file(&probed, &real)))
            }
            Err(LocalError::Missing) => Ok(None),
            Err(error) => Err(not_local(&error)),
        };
        self.shared.threads.file(probe).await
    }

    async fn search(&self, text: &str) -> LoadResult {
        let (local, text) = (self.local.clone(), text.to_owned());
        let (tags, encoder) = (Arc::clone(&self.tags), self.shared.encoder);
        let search = move || {
            let named = local.search(&text, |path| tags.of(path, &local));
            let tracks = named.iter().filter_map(|path| {
                let (file, length, real) = local.open(path).ok()?;
                let probed = probe::open(Reader::File { file, length }, None, encoder).ok()?;
                Some(describe::file(&probed, &real))
            });
            Ok(tracks.collect::<Vec<_>>())
        };
        match self.shared.threads.file(search).await {
            Ok(tracks) if tracks.is_empty() => LoadResult::Empty,
            Ok(tracks) => LoadResult::Search(tracks),
            Err(failure) => LoadResult::Error(*failure),
        }
    }

    async fn open_file(&self, identifier: &str, wake: Wake) -> Result<Opened, Box<Exception>> {
        let Some(path) = self.local.path(identifier) else {
            return Err(not_local(&LocalError::Missing));
        };
        let (local, encoder) = (self.local.clone(), self.shared.encoder);
        let open = move || {
            let (file, length, _) = local.open(&path).map_err(|error| not_local(&error))?;
            probe::open(Reader::File { file, length }, None, encoder)
        };
        let probed = self.shared.threads.file(open).await?;
        Ok(Opened::Packets(probed.into_source(wake)))
    }
}

impl LocalSource {
    async fn words(&self, track: &Track) -> Option<Lyrics> {
        let path = self.local.path(&track.info.identifier)?;
        let local = self.local.clone();
        let find = move || Ok(words::find(&local, &path));
        self.shared.threads.file(find).await.ok().flatten()
    }
}

impl Source for LocalSource {
    fn label(&self) -> LoadSource {
        LoadSource::Local
    }

    fn names(&self) -> &'static [&'static str] {
        &["local"]
    }

    fn lyrics<'a>(&'a self, track: &'a Track) -> BoxFuture<'a, Option<Lyrics>> {
        self.words(track).boxed()
    }

    fn load<'a>(&'a self, _: &'a Sources, identifier: &'a str) -> BoxFuture<'a, Loaded> {
        self.ask(identifier).boxed()
    }

    fn open<'a>(
        &'a self,
        _: &'a Sources,
        track: &'a Track,
        wake: Wake,
    ) -> BoxFuture<'a, Result<Opened, Box<Exception>>> {
        self.open_file(&track.info.identifier, wake).boxed()
    }
}

#[expect(
    clippy::unnecessary_box_returns,
    reason = "errors are boxed everywhere here"
)]
fn not_local(error: &LocalError) -> Box<Exception> {
    let severity = match error {
        LocalError::Missing | LocalError::NotAFile => Severity::Common,
        LocalError::Unreadable(_) => Severity::Suspicious,
    };
    failure::exception(severity, "The file cannot be opened", error.to_string())
}
