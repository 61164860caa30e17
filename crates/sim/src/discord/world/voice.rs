//! Who is in which voice channel.

use serde_json::{Value, json};

use super::{
    World,
    channel::ChannelKind,
    dispatch::{Audience, GUILD_VOICE_STATES},
};
use crate::discord::{
    event::WorldEvent,
    id::{ChannelId, GuildId, UserId},
    journal::Entry,
};
use crate::voice::SessionSpec;

/// A user in a voice channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VoiceState {
    pub(crate) user: UserId,
    pub(crate) channel: ChannelId,
    /// The gateway session that joined; people have made-up ones.
    pub(crate) session: String,
    pub(crate) self_mute: bool,
    pub(crate) self_deaf: bool,
    pub(crate) suppress: bool,
}

impl VoiceState {
    /// Writes the state without guild and member.
    pub(crate) fn json(&self) -> Value {
        json!({
            "channel_id": self.channel,
            "user_id": self.user,
            "session_id": self.session,
            "deaf": false,
            "mute": false,
            "self_deaf": self.self_deaf,
            "self_mute": self.self_mute,
            "self_video": false,
            "suppress": self.suppress,
            "request_to_speak_timestamp": null,
        })
    }
}

/// What a user wants its voice state to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VoiceWish {
    pub(crate) channel: ChannelId,
    pub(crate) session: String,
    pub(crate) self_mute: bool,
    pub(crate) self_deaf: bool,
}

impl World {
    /// Joins, moves, changes or (without a wish) leaves. Tells everybody who may know.
    ///
    pub(crate) fn set_voice(&mut self, guild_id: GuildId, user: UserId, wish: Option<VoiceWish>) {
        let Some(guild) = self.guilds.get_mut(&guild_id) else {
            return;
        };
        let before = guild.voice.get(&user).cloned();
        let mut json = if let Some(wish) = &wish {
            let kind = guild
                .channels
                .get(&wish.channel)
                .map(|channel| channel.kind);
            let stage = kind == Some(ChannelKind::Stage);
            let state = VoiceState {
                user,
                channel: wish.channel,
                session: wish.session.clone(),
                self_mute: wish.self_mute,
                self_deaf: wish.self_deaf,
                suppress: stage,
            };
            let json = state.json();
            guild.voice.insert(user, state);
            json
        } else {
            let Some(state) = guild.voice.remove(&user) else {
                return;
            };
            let mut json = state.json();
            json["channel_id"] = Value::Null;
            json
        };
        json["guild_id"] = json!(guild_id);
        if let Ok(member) = self.member_json(guild_id, user) {
            json["member"] = member;
        }
        self.dispatch(
            Audience::Guild(guild_id),
            GUILD_VOICE_STATES,
            "VOICE_STATE_UPDATE",
            &json,
        );
        let channel = wish.map(|wish| wish.channel);
        let before = before.map(|state| state.channel);
        self.tell_voice_server(guild_id, user, before, channel);
        self.journal.add(Entry::Voice {
            guild: guild_id,
            user,
            channel,
        });
        self.tell(WorldEvent::VoiceState {
            guild: guild_id,
            user,
            channel,
            before,
        });
        self.touch();
    }

    fn is_stage(&self, guild: GuildId, channel: ChannelId) -> bool {
        let guild = self.guilds.get(&guild);
        let channel = guild.and_then(|guild| guild.channels.get(&channel));
        channel.is_some_and(|channel| channel.kind == ChannelKind::Stage)
    }

    /// Moves or disconnects a user, as a moderator does; a bot that is moved gets a new server.
    pub(crate) fn move_voice(&mut self, guild: GuildId, user: UserId, wish: Option<VoiceWish>) {
        let stays = wish.is_some();
        self.set_voice(guild, user, wish);
        if stays && self.users.get(&user).is_some_and(|user| user.bot) {
            self.offer_voice_server(guild, user);
        }
    }

    /// Ends a bot's voice connection when it leaves, and tells it about the others.
    fn tell_voice_server(
        &self,
        guild: GuildId,
        user: UserId,
        before: Option<ChannelId>,
        after: Option<ChannelId>,
    ) {
        let Some(voice) = &self.voice else { return };
        if let Some(channel) = after
            && self.is_stage(guild, channel)
        {
            voice.exempt_from_dave(channel.get());
        }
        let is_bot = self.users.get(&user).is_some_and(|user| user.bot);
        if is_bot {
            if after.is_none() {
                voice.close_session(guild.get(), user.get());
            }
        } else if before != after {
            if let Some(channel) = before {
                voice.participant_left(channel.get(), user.get());
            }
            if let Some(channel) = after {
                voice.participant_joined(channel.get(), user.get());
            }
        }
    }

    /// Opens a voice session for a bot that is in a channel and sends VOICE_SERVER_UPDATE to
    /// the gateway session that joined.
    pub(crate) fn offer_voice_server(&mut self, guild: GuildId, user: UserId) {
        let Some(state) = self
            .guilds
            .get(&guild)
            .and_then(|guild| guild.voice.get(&user))
            .cloned()
        else {
            return;
        };
        let Some(voice) = &self.voice else { return };
        let ticket = voice.open_session(SessionSpec {
            guild_id: guild.get(),
            channel_id: state.channel.get(),
            user_id: user.get(),
            session_id: state.session.clone(),
        });
        let json = json!({"token": ticket.token, "guild_id": guild, "endpoint": ticket.endpoint});
        self.dispatch_to(&state.session, "VOICE_SERVER_UPDATE", &json);
        self.touch();
    }
}
