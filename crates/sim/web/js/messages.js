// The message list of the open channel.

import { components, embed } from "./components.js";
import { avatar, dots, element, icon } from "./dom.js";
import { markdown } from "./markdown.js";
import { currentChannel, forget, isPrivate, messagesOf, on, state, userOf } from "./state.js";

const LOADING = 1 << 7;
const log = document.getElementById("log");
const jump = document.getElementById("jump");

let list = element("ol");
let pinned = true;

/** Begins to show messages. */
export function start() {
  on("world place", redraw);
  on("message-new", added);
  on("message-changed", changed);
  on("message-gone", gone);
  // Whoever says something wants to see what comes of it.
  on("sent", () => {
    pinned = true;
    toEnd();
  });
  log.addEventListener("scroll", () => {
    pinned = log.scrollHeight - log.scrollTop - log.clientHeight < 60;
    if (pinned) jump.hidden = true;
  });
  jump.addEventListener("click", () => {
    pinned = true;
    toEnd();
  });
  new ResizeObserver(() => pinned && toEnd()).observe(log);
}

function redraw() {
  const channel = currentChannel();
  list = element("ol");
  const messages = messagesOf(state.channel);
  messages.forEach((message, index) => append(message, messages[index - 1]));
  log.replaceChildren(...(channel ? [welcome(channel)] : []), list);
  pinned = true;
  toEnd();
}

function welcome(channel) {
  return element(
    "div",
    { class: "welcome" },
    element("span", { class: "badge" }, icon("hash")),
    element("h3", {}, `This is #${channel.name}`),
    channel.topic && element("p", {}, channel.topic),
    element("p", {}, "Type / to see what the bot can do. Its answers appear here, and what it plays is heard in the voice channel: press Listen."),
  );
}

function append(message, before) {
  if (!before || dayOf(before) !== dayOf(message)) list.append(element("li", { class: "day" }, dayOf(message)));
  list.append(draw(message, before));
}

function added(message) {
  if (message.channel_id !== state.channel) return;
  const messages = messagesOf(state.channel);
  const last = messages.at(-1);
  if (last?.id !== message.id) {
    redraw();
    return;
  }
  append(message, messages.at(-2));
  follow();
}

function changed(message) {
  if (message.channel_id !== state.channel) return;
  const old = find(message.id);
  if (!old) return;
  const messages = messagesOf(state.channel);
  const at = messages.findIndex((candidate) => candidate.id === message.id);
  const focused = old.contains(document.activeElement) ? document.activeElement.dataset.id : undefined;
  const fresh = draw(message, messages[at - 1]);
  fresh.style.animation = "none";
  old.replaceWith(fresh);
  if (focused) fresh.querySelector(`[data-id="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  if (pinned) toEnd();
}

function gone({ channel_id: channel, id }) {
  if (channel !== state.channel) return;
  const old = find(id);
  const next = old?.nextElementSibling;
  const before = old?.previousElementSibling;
  old?.remove();
  // What followed without a head needs one now.
  if (next?.classList.contains("follows")) changed(messagesOf(channel).find((message) => message.id === next.dataset.message));
  if (before?.classList.contains("day") && !before.nextElementSibling) before.remove();
}

function find(id) {
  return list.querySelector(`[data-message="${CSS.escape(id)}"]`);
}

function follow() {
  if (pinned) toEnd();
  else jump.hidden = false;
}

function toEnd() {
  log.scrollTop = log.scrollHeight;
  jump.hidden = true;
}

function draw(message, before) {
  const author = userOf(message.author.id);
  const name = message.author.global_name ?? author.name ?? message.author.username;
  const used = message.interaction_metadata ?? message.interaction;
  const asker = message.interaction?.user ?? used?.user;
  const follows = !used && before && !isPrivate(message) && continues(message, before);
  const when = new Date(message.timestamp);
  const item = element("li", { class: "message", "data-message": message.id });
  item.classList.toggle("follows", Boolean(follows));
  item.classList.toggle("private", isPrivate(message));
  const clock = element("time", { class: "when", datetime: when.toISOString(), title: when.toLocaleString("en") }, when.toLocaleTimeString("en", { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }));
  if (message.interaction && asker) {
    const user = userOf(asker.id);
    item.append(element("div", { class: "used" }, avatar(user), element("span", {}, user.name), " used ", element("code", {}, `/${message.interaction.name}`)));
  }
  const body = element("div", { class: "body" });
  if (follows) {
    item.append(clock);
  } else {
    item.append(avatar({ ...author, name }));
    body.append(element("div", { class: "head" }, element("b", {}, name), (author.bot || message.author.bot) && element("span", { class: "tag" }, "APP"), clock));
  }
  body.append(...content(message));
  if (isPrivate(message) && !(message.flags & LOADING)) body.append(privacy(message));
  item.append(body);
  return item;
}

function content(message) {
  if (message.flags & LOADING) {
    return [element("div", { class: "thinking" }, dots(), `${userOf(message.author.id).name} is thinking…`)];
  }
  const parts = [];
  if (message.content) {
    const text = markdown(message.content);
    if (message.edited_timestamp) text.lastElementChild?.append(" ", element("span", { class: "edited" }, "(edited)"));
    parts.push(text);
  }
  const built = [...(message.embeds ?? []).map(embed), ...components(message.components ?? [], message)];
  if (built.length > 0) parts.push(element("div", { class: "parts" }, built));
  for (const file of message.attachments ?? []) parts.push(element("p", { class: "missing" }, `📎 ${file.filename}`));
  return parts;
}

function privacy(message) {
  return element(
    "div",
    { class: "privacy" },
    icon("eye"),
    "Only you can see this ·",
    element("button", { type: "button", onclick: () => forget(message.channel_id, message.id) }, "Dismiss message"),
  );
}

function continues(message, before) {
  return (
    before.author.id === message.author.id &&
    isPrivate(before) === isPrivate(message) &&
    dayOf(before) === dayOf(message) &&
    new Date(message.timestamp) - new Date(before.timestamp) < 7 * 60_000
  );
}

function dayOf(message) {
  return new Date(message.timestamp).toLocaleDateString("en", { day: "numeric", month: "long", year: "numeric" });
}
