// What the page knows, and who wants to hear of changes.

const EPHEMERAL = 1 << 6;

/** Everything the server has told, and which guild and channel are shown. */
export const state = {
  me: null,
  users: new Map(),
  guilds: [],
  commands: [],
  suggestions: [],
  messages: new Map(),
  unread: new Set(),
  speaking: new Set(),
  heard: null,
  guild: null,
  channel: null,
  connected: false,
};

const listeners = new Map();

/** Calls `listener` whenever one of `topics` was announced. */
export function on(topics, listener) {
  for (const topic of topics.split(" ")) {
    if (!listeners.has(topic)) listeners.set(topic, []);
    listeners.get(topic).push(listener);
  }
}

/** Tells that something changed. */
export function announce(topic, detail) {
  for (const listener of listeners.get(topic) ?? []) listener(detail);
}

export const userOf = (id) => state.users.get(String(id)) ?? { id: String(id), name: "someone" };
export const currentGuild = () => state.guilds.find((guild) => guild.id === state.guild);
export const channelOf = (id) => state.guilds.flatMap((guild) => guild.channels).find((channel) => channel.id === id);
export const currentChannel = () => channelOf(state.channel);
export const messagesOf = (channel) => state.messages.get(channel) ?? [];
export const isPrivate = (message) => Boolean(message.flags & EPHEMERAL);

/** The voice channel the page's person is in, and its guild. */
export function ownVoice(guild = currentGuild()) {
  const place = guild?.voice.find((state_) => state_.user_id === state.me?.id);
  return place ? guild.channels.find((channel) => channel.id === place.channel_id) : undefined;
}

/** Shows a channel. */
export function open(guild, channel) {
  const target = state.guilds.find((candidate) => candidate.id === guild) ?? state.guilds[0];
  if (!target) return;
  state.guild = target.id;
  const texts = target.channels.filter((candidate) => candidate.kind === "text");
  state.channel = (texts.find((candidate) => candidate.id === channel) ?? texts[0])?.id ?? null;
  state.unread.delete(state.channel);
  announce("place");
}

/** Takes in an event of the server. */
export function take(event) {
  const reaction = reactions[event.type];
  if (reaction) reaction(event);
}

const reactions = {
  world(event) {
    state.me = event.me;
    state.users = new Map(event.users.map((user) => [user.id, user]));
    state.guilds = event.guilds;
    state.commands = event.commands;
    state.suggestions = event.suggestions ?? [];
    state.speaking.clear();
    // After a reconnection, private answers are known to the page only.
    for (const [channel, messages] of Object.entries(event.messages)) {
      const known = messagesOf(channel).filter((old) => isPrivate(old) && !messages.some((message) => message.id === old.id));
      state.messages.set(channel, [...messages, ...known].sort(byAge));
    }
    open(state.guild ?? event.guild_id, state.channel ?? event.channel_id);
    announce("world");
  },
  guilds(event) {
    state.users = new Map(event.users.map((user) => [user.id, user]));
    state.guilds = event.guilds;
    if (!currentChannel()) open(state.guild, state.channel);
    announce("voice");
    announce("world-parts");
  },
  commands(event) {
    state.commands = event.commands;
    announce("commands");
  },
  message(event) {
    const list = messagesOf(event.message.channel_id);
    const at = list.findIndex((message) => message.id === event.message.id);
    if (at >= 0) {
      list[at] = event.message;
      announce("message-changed", event.message);
      return;
    }
    list.push(event.message);
    list.sort(byAge);
    if (list.length > KEPT) list.splice(0, list.length - KEPT);
    state.messages.set(event.message.channel_id, list);
    if (event.message.channel_id !== state.channel) {
      state.unread.add(event.message.channel_id);
      announce("unread");
    }
    announce("message-new", event.message);
  },
  message_gone(event) {
    forget(event.channel_id, event.id);
  },
  speaking(event) {
    const key = `${event.guild_id} ${event.user_id}`;
    if (event.on) state.speaking.add(key);
    else state.speaking.delete(key);
    announce("speaking");
  },
  failed(event) {
    announce("failed", event.text);
  },
  heard(event) {
    state.heard = event;
    announce("heard");
  },
};

/** Removes a message from the page. */
export function forget(channel, id) {
  state.messages.set(channel, messagesOf(channel).filter((message) => message.id !== id));
  announce("message-gone", { channel_id: channel, id });
}

export const isSpeaking = (guild, user) => state.speaking.has(`${guild} ${user}`);

// Identifiers grow with time, and are too long for numbers.
function byAge(one, other) {
  return one.id.length - other.id.length || (one.id < other.id ? -1 : 1);
}

const KEPT = 400;
