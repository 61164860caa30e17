//! Who may do what where.

use super::{channel::Channel, guild::Guild};
use crate::discord::id::{RoleId, UserId};

pub(crate) const ADMINISTRATOR: u64 = 1 << 3;
pub(crate) const MANAGE_CHANNELS: u64 = 1 << 4;
pub(crate) const ADD_REACTIONS: u64 = 1 << 6;
pub(crate) const VIEW_CHANNEL: u64 = 1 << 10;
pub(crate) const SEND_MESSAGES: u64 = 1 << 11;
pub(crate) const MANAGE_MESSAGES: u64 = 1 << 13;
pub(crate) const EMBED_LINKS: u64 = 1 << 14;
pub(crate) const ATTACH_FILES: u64 = 1 << 15;
pub(crate) const READ_MESSAGE_HISTORY: u64 = 1 << 16;
pub(crate) const CONNECT: u64 = 1 << 20;
pub(crate) const MOVE_MEMBERS: u64 = 1 << 24;

/// Every permission there is.
pub(crate) const ALL: u64 = (1 << 53) - 1;

/// What @everyone may do in a new guild.
pub(crate) const EVERYONE: u64 = (1 << 0)   // create invite
    | ADD_REACTIONS | VIEW_CHANNEL | SEND_MESSAGES | EMBED_LINKS | ATTACH_FILES
    | (1 << 9)                              // stream
    | READ_MESSAGE_HISTORY
    | (1 << 17)                             // mention everyone
    | (1 << 18)                             // external emojis
    | CONNECT
    | (1 << 21)                             // speak
    | (1 << 25)                             // voice activity
    | (1 << 26)                             // change nickname
    | (1 << 31); // application commands

/// What a bot's own role adds: what an invite link of a music bot asks for.
pub(crate) const BOT_ROLE: u64 = VIEW_CHANNEL
    | SEND_MESSAGES
    | EMBED_LINKS
    | ATTACH_FILES
    | READ_MESSAGE_HISTORY
    | ADD_REACTIONS
    | CONNECT
    | (1 << 21) // speak
    | (1 << 48); // set voice channel status

/// Returns what a member may do in the guild as a whole.
pub(crate) fn in_guild(guild: &Guild, user: UserId) -> u64 {
    if guild.owner == user {
        return ALL;
    }
    let Some(member) = guild.members.get(&user) else {
        return 0;
    };
    let base = guild
        .roles
        .get(&RoleId::new(guild.id.get()))
        .map_or(0, |role| role.permissions);
    let all = member
        .roles
        .iter()
        .filter_map(|role| guild.roles.get(role))
        .fold(base, |all, role| all | role.permissions);
    if all & ADMINISTRATOR != 0 { ALL } else { all }
}

/// Returns what a member may do in a channel: base, then overwrites of @everyone, roles, member.
pub(crate) fn in_channel(guild: &Guild, channel: &Channel, user: UserId) -> u64 {
    let base = in_guild(guild, user);
    if base == ALL || !guild.members.contains_key(&user) {
        return base;
    }
    let overwrite = |id: u64| {
        channel
            .overwrites
            .iter()
            .find(|overwrite| overwrite.id == id)
            .map_or((0, 0), |overwrite| (overwrite.allow, overwrite.deny))
    };
    let (allow, deny) = overwrite(guild.id.get());
    let mut permissions = base & !deny | allow;
    let roles = guild
        .members
        .get(&user)
        .map_or(&[][..], |member| &member.roles);
    let (allow, deny) = roles
        .iter()
        .map(|role| overwrite(role.get()))
        .fold((0, 0), |all, one| (all.0 | one.0, all.1 | one.1));
    permissions = permissions & !deny | allow;
    let (allow, deny) = overwrite(user.get());
    permissions = permissions & !deny | allow;
    if permissions & VIEW_CHANNEL == 0 {
        0
    } else {
        permissions
    }
}
