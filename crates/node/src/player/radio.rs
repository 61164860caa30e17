//! What a radio station plays, told while it is heard.

use std::sync::Arc;

use backline_proto::lavalink::Object;
use tokio::sync::watch;

use super::State;

/// What a radio station plays; changes are seen here.
pub type Titles = watch::Receiver<Option<Arc<str>>>;

impl State {
    /// Begins to watch what the track that starts now calls its titles, if it is a station.
    pub(super) fn watch_titles(&mut self, titles: Option<Titles>) {
        self.titles = titles;
        if let Some(titles) = &mut self.titles
            && titles.borrow().is_some()
        {
            // What plays already is news to whoever starts to listen.
            titles.mark_changed();
        }
    }

    /// Tells the client what plays now, if that has changed; called once a second.
    pub(super) fn tell_title(&mut self) {
        let Some(titles) = self.titles.as_mut().filter(|_| self.feed.is_some()) else {
            return;
        };
        if !titles.has_changed().unwrap_or(false) {
            return;
        }
        let title = titles.borrow_and_update().clone();
        let mut event = Object::new();
        event.insert("type".to_owned(), "StreamTitleEvent".into());
        event.insert("title".to_owned(), title.as_deref().into());
        self.control.tell_plugin(Some(event));
    }
}
