// The frame around the messages: rail, channel list, top bar, and the drawer of small screens.

import { voice } from "./api.js";
import { avatar, element, icon, initials, mark, toast } from "./dom.js";
import { announce, currentChannel, currentGuild, isSpeaking, on, open, ownVoice, state, userOf } from "./state.js";

const app = document.getElementById("app");
const rail = document.getElementById("rail");
const sidebar = document.getElementById("sidebar");
const topbar = document.getElementById("topbar");

/** Begins to show the frame. */
export function start() {
  on("world place world-parts", drawAll);
  on("voice unread", drawSidebar);
  on("speaking", lightSpeakers);
  on("connection", drawTopbar);
  document.getElementById("scrim").addEventListener("click", () => drawer(false));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && app.dataset.drawer === "open") drawer(false);
  });
}

/** Joins a voice channel, or leaves with `null`. */
export async function moveTo(channel) {
  try {
    await voice(state.guild, channel);
    if (channel) announce("gesture");
  } catch (error) {
    toast(error.message, "bad");
  }
}

function drawer(shown) {
  app.dataset.drawer = shown ? "open" : "closed";
  topbar.querySelector(".menu")?.setAttribute("aria-expanded", String(shown));
  if (shown) sidebar.querySelector("button")?.focus();
}

function drawAll() {
  drawRail();
  drawSidebar();
  drawTopbar();
}

function drawRail() {
  keepFocus(rail, () =>
    rail.replaceChildren(
      element("span", { class: "brand", title: "Greenroom" }, mark()),
      element("hr"),
      ...state.guilds.map((guild) =>
        element(
          "button",
          {
            class: "guild",
            type: "button",
            title: guild.name,
            "aria-label": guild.name,
            "aria-current": String(guild.id === state.guild),
            "data-key": guild.id,
            onclick: () => open(guild.id),
          },
          initials(guild.name),
        ),
      ),
    ),
  );
}

function drawSidebar() {
  const guild = currentGuild();
  if (!guild) {
    sidebar.replaceChildren(element("header", {}, element("h2", {}, "Greenroom")), element("div", { class: "channels" }, element("h3", {}, "No servers yet")));
    return;
  }
  const of = (kind) => guild.channels.filter((channel) => channel.kind === kind);
  keepFocus(sidebar, () =>
    sidebar.replaceChildren(
      element("header", {}, element("h2", { title: guild.name }, guild.name)),
      element(
        "div",
        { class: "channels" },
        element("h3", { id: "texts" }, "Text"),
        element("ul", { "aria-labelledby": "texts" }, of("text").map(textChannel)),
        element("h3", { id: "voices" }, "Voice"),
        element("ul", { "aria-labelledby": "voices" }, of("voice").map((channel) => voiceChannel(guild, channel))),
      ),
      me(guild),
    ),
  );
}

function textChannel(channel) {
  const unread = state.unread.has(channel.id) && element("i", { class: "unread", role: "img", "aria-label": "unread" });
  return element(
    "li",
    {},
    element(
      "button",
      {
        class: "channel",
        type: "button",
        "data-key": channel.id,
        "aria-current": String(channel.id === state.channel),
        onclick: () => {
          open(state.guild, channel.id);
          drawer(false);
        },
      },
      icon("hash"),
      element("span", {}, channel.name),
      unread,
    ),
  );
}

function voiceChannel(guild, channel) {
  const present = guild.voice.filter((place) => place.channel_id === channel.id);
  const here = ownVoice(guild)?.id === channel.id;
  return element(
    "li",
    {},
    element(
      "button",
      {
        class: "channel",
        type: "button",
        "data-key": channel.id,
        title: here ? "You are here" : "Join this voice channel",
        onclick: () => !here && moveTo(channel.id),
      },
      icon("voice"),
      element("span", {}, channel.name),
    ),
    present.length > 0 &&
      element(
        "ul",
        { class: "occupants", "aria-label": `In ${channel.name}` },
        present.map((place) => {
          const user = userOf(place.user_id);
          return element("li", { class: "occupant", "data-speaker": `${guild.id} ${user.id}` }, avatar(user), element("span", {}, user.name));
        }),
      ),
  );
}

function me(guild) {
  const place = ownVoice(guild);
  return element(
    "div",
    { class: "me" },
    avatar(state.me),
    element("div", { class: "who" }, element("b", {}, state.me?.name ?? ""), element("span", { class: place ? "in" : "" }, place ? `In ${place.name}` : "Not in voice")),
    place && element("button", { class: "icon-button leave", type: "button", title: "Leave the voice channel", "aria-label": "Leave the voice channel", "data-key": "leave", onclick: () => moveTo(null) }, icon("leave")),
  );
}

function drawTopbar() {
  const channel = currentChannel();
  keepFocus(topbar, () =>
    topbar.replaceChildren(
      element("button", { class: "icon-button menu", type: "button", "aria-label": "Channels", "aria-controls": "sidebar", "aria-expanded": "false", "data-key": "menu", onclick: () => drawer(true) }, icon("menu")),
      icon("hash"),
      element("h2", {}, channel?.name ?? "…"),
      channel?.topic ? element("span", { class: "topic" }, channel.topic) : "",
      element("span", { class: `link ${state.connected ? "" : "off"}`, role: "status" }, state.connected ? "Simulated" : "Reconnecting…"),
    ),
  );
  document.title = channel ? `#${channel.name} · Greenroom` : "Greenroom";
}

function lightSpeakers() {
  for (const node of document.querySelectorAll("[data-speaker]")) {
    node.classList.toggle("speaking", isSpeaking(...node.dataset.speaker.split(" ")));
  }
}

/** Redraws without losing the keyboard's place. */
export function keepFocus(root, redraw) {
  const key = root.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  redraw();
  if (key) root.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
  lightSpeakers();
}
