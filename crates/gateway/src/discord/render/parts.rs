//! Components, short to write.

use twilight_model::channel::message::EmojiReactionType;
use twilight_model::channel::message::component::{
    ActionRow, Button, ButtonStyle, Component, Container, Section, Separator, SeparatorSpacingSize,
    TextDisplay, Thumbnail, UnfurledMediaItem,
};

/// Returns a text.
pub fn text(content: impl Into<String>) -> Component {
    TextDisplay {
        content: content.into(),
        id: None,
    }
    .into()
}

/// Returns a box with a coloured edge.
pub fn container(accent: Accent, components: Vec<Component>) -> Component {
    Container {
        accent_color: Some(Some(accent as u32)),
        components,
        id: None,
        spoiler: None,
    }
    .into()
}

/// Returns a text with a picture beside it.
pub fn section(content: impl Into<String>, picture: String, description: String) -> Component {
    let media = UnfurledMediaItem {
        content_type: None,
        height: None,
        proxy_url: None,
        url: picture,
        width: None,
    };
    let thumbnail = Thumbnail {
        description: Some(Some(description)),
        id: None,
        media,
        spoiler: None,
    };
    Section {
        accessory: Box::new(thumbnail.into()),
        components: vec![text(content)],
        id: None,
    }
    .into()
}

/// Returns a thin line.
pub fn separator() -> Component {
    Separator {
        divider: Some(true),
        id: None,
        spacing: Some(SeparatorSpacingSize::Small),
    }
    .into()
}

/// Returns a row of buttons.
pub fn row(buttons: Vec<Button>) -> Component {
    ActionRow {
        components: buttons.into_iter().map(Component::from).collect(),
        id: None,
    }
    .into()
}

/// Returns a button.
pub fn button(
    id: impl Into<String>,
    emoji: &str,
    label: &str,
    style: ButtonStyle,
    enabled: Enabled,
) -> Button {
    Button {
        custom_id: Some(id.into()),
        disabled: enabled == Enabled::No,
        emoji: (!emoji.is_empty()).then(|| EmojiReactionType::Unicode {
            name: emoji.to_owned(),
        }),
        id: None,
        label: Some(label.to_owned()),
        sku_id: None,
        style,
        url: None,
    }
}

/// Whether a button can be pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enabled {
    /// It can.
    Yes,
    /// It is shown, but greyed out.
    No,
}

impl Enabled {
    /// Returns `Yes` if `condition` holds.
    pub fn when(condition: bool) -> Self {
        if condition { Self::Yes } else { Self::No }
    }
}

/// The colour at the edge of a box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Accent {
    /// Music plays.
    Playing = 0x003D_D6A3,
    /// A live stream plays.
    Live = 0x00EF_5A6F,
    /// It waits for somebody.
    Waiting = 0x00F2_B84B,
    /// Nothing happens.
    Quiet = 0x006B_7280,
}
