// The command box: plain text, or a command with its options, with completion for both.

import { say, sendCommand } from "./api.js";
import { Completion } from "./completion.js";
import { avatar, element, icon, toast } from "./dom.js";
import { announce, currentChannel, on, state, userOf } from "./state.js";

const dock = document.getElementById("dock");
const popup = element("div", { class: "popup", id: "popup", role: "listbox", hidden: true });
const plain = element("input", {
  class: "plain",
  id: "composer",
  type: "text",
  role: "combobox",
  autocomplete: "off",
  autocapitalize: "off",
  spellcheck: "false",
  enterkeyhint: "send",
  maxlength: "2000",
  "aria-label": "Command or message",
  "aria-autocomplete": "list",
  "aria-controls": "popup",
  "aria-expanded": "false",
});
const command = element("div", { class: "command", hidden: true });
const send = element("button", { class: "send", type: "submit", "aria-label": "Send" }, icon("send"));
const chips = element("div", { class: "chips", hidden: true });
const form = element("form", { onsubmit: submit }, element("div", { class: "box" }, plain, command, send));
const completion = new Completion(popup);

/** The command being written and its fields, or `null` in plain text. */
let draft = null;

/** Begins to show the box. */
export function start() {
  dock.append(
    chips,
    popup,
    form,
    element("p", { class: "under" }, element("span", {}, element("kbd", {}, "/"), " commands"), element("span", {}, element("kbd", {}, "Tab"), " complete"), element("span", {}, element("kbd", {}, "Esc"), " cancel")),
  );
  on("world place", drawHint);
  on("world commands", () => plain === document.activeElement && suggest());
  plain.addEventListener("input", typed);
  plain.addEventListener("focus", suggest);
  form.addEventListener("keydown", keyed);
  form.addEventListener("focusout", (event) => {
    if (!dock.contains(event.relatedTarget)) completion.close();
  });
  popup.addEventListener("pointerdown", (event) => event.preventDefault());
  document.addEventListener("keydown", (event) => {
    const typing = ["INPUT", "SELECT", "TEXTAREA"].includes(document.activeElement?.tagName);
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      reset();
      plain.value = "/";
      plain.focus();
      suggest();
    }
  });
  refresh();
}

function drawHint() {
  plain.placeholder = currentChannel() ? `Message #${currentChannel().name}, or / for commands` : "";
  const dismissed = localStorage.getItem("hint") === "seen";
  chips.hidden = dismissed || state.suggestions.length === 0;
  chips.replaceChildren(
    element("p", {}, "Try"),
    ...state.suggestions.map((text) => element("button", { class: "chip", type: "button", onclick: () => run(text) }, text)),
    element("button", { class: "icon-button close", type: "button", "aria-label": "Hide these suggestions", onclick: hideHint }, icon("close")),
  );
}

function hideHint() {
  localStorage.setItem("hint", "seen");
  chips.hidden = true;
}

/** Sends a whole line, such as `/play nocturne`. */
async function run(text) {
  const [, name, rest] = /^\/(\S+)\s*(.*)$/.exec(text) ?? [];
  const found = find(name);
  if (!found) {
    toast("The bot has not registered this command yet.", "bad");
    return;
  }
  enter(found, rest);
  if (draft.fields.every((field) => field.input.value !== "" || !field.option.required)) await dispatch();
}

const find = (name) => state.commands.find((candidate) => candidate.name === name);

function typed() {
  // "/play " turns the line into the command with its first option.
  const match = /^\/(\S+) (.*)$/.exec(plain.value);
  const found = match && find(match[1].toLowerCase());
  if (found) {
    enter(found, match[2]);
    return;
  }
  suggest();
  refresh();
}

/** Shows the commands that begin with what is typed. */
function suggest() {
  const match = /^\/(\S*)$/.exec(plain.value);
  if (draft || !match) {
    completion.close();
    return;
  }
  const wanted = match[1].toLowerCase();
  const score = (name) => (name.startsWith(wanted) ? 0 : name.includes(wanted) ? 1 : 2);
  const fitting = state.commands
    .filter((candidate) => (candidate.type ?? 1) === 1 && score(candidate.name) < 2)
    .sort((one, other) => score(one.name) - score(other.name) || one.name.localeCompare(other.name));
  const bot = [...state.users.values()].find((user) => user.bot);
  const heading = [bot && avatar(bot), bot?.name ?? "Commands"];
  const items = fitting.map((candidate) => ({
    key: candidate.name,
    label: [element("div", {}, element("div", { class: "name" }, `/${candidate.name}`, (candidate.options ?? []).map((option) => element("i", {}, option.name))), element("div", { class: "note" }, candidate.description))],
    choose: () => enter(candidate, ""),
  }));
  completion.show(plain, heading, items, { first: true, empty: "No command is called that." });
}

/** Turns the box into a command with its required options; `text` goes into the first. */
function enter(found, text) {
  const options = (found.options ?? []).filter((option) => option.type > 2);
  draft = { command: found, fields: [] };
  command.replaceChildren(element("b", {}, `/${found.name}`));
  command.hidden = false;
  plain.hidden = true;
  plain.value = "";
  const shown = options.filter((option) => option.required);
  if (shown.length === 0 && options.length > 0 && (text || options.length === 1)) shown.push(options[0]);
  for (const option of shown) addField(option);
  drawMore();
  if (draft.fields.length > 0) {
    draft.fields[0].input.value = text;
    draft.fields[0].input.focus();
    offer(draft.fields[0]);
  } else {
    command.tabIndex = -1;
    send.focus();
    completion.close();
  }
  refresh();
}

function addField(option) {
  const id = `option-${option.name}`;
  const input = element("input", {
    id,
    type: "text",
    role: "combobox",
    autocomplete: "off",
    autocapitalize: "off",
    spellcheck: "false",
    enterkeyhint: "send",
    placeholder: option.description,
    title: option.description,
    inputmode: option.type === 4 ? "numeric" : option.type === 10 ? "decimal" : undefined,
    "aria-autocomplete": "list",
    "aria-controls": "popup",
    "aria-expanded": "false",
  });
  const box = element("label", { class: "option", for: id }, element("span", {}, option.name), input);
  const field = { option, input, box, value: undefined };
  input.addEventListener("input", () => {
    field.value = undefined;
    box.classList.remove("invalid");
    offer(field);
    refresh();
  });
  input.addEventListener("focus", () => offer(field));
  draft.fields.push(field);
  command.append(box);
  return field;
}

/** Shows which options could be added. */
function drawMore() {
  command.querySelectorAll(".more").forEach((button) => button.remove());
  const taken = new Set(draft.fields.map((field) => field.option.name));
  for (const option of (draft.command.options ?? []).filter((candidate) => candidate.type > 2 && !taken.has(candidate.name))) {
    command.append(
      element("button", { class: "more", type: "button", title: option.description, onclick: () => {
        const field = addField(option);
        drawMore();
        field.input.focus();
      } }, `+ ${option.name}`),
    );
  }
}

/** Shows values for an option: its choices, or what the bot suggests. */
function offer(field) {
  const { option, input } = field;
  const heading = [element("span", {}, option.name), element("span", { class: "about" }, option.description)];
  const wanted = input.value.trim().toLowerCase();
  const show = (values, extra) =>
    completion.show(
      input,
      heading,
      values.map((choice) => ({
        key: String(choice.value),
        label: [element("div", { class: "name value" }, choice.name)],
        choose: () => {
          input.value = choice.name;
          field.value = choice.value;
          completion.close();
          refresh();
          const next = draft.fields.find((other) => other.input.value === "" && other.option.required);
          (next?.input ?? send).focus();
        },
      })),
      extra,
    );
  const matching = (values) => values.filter((choice) => choice.name.toLowerCase().includes(wanted));
  if (option.autocomplete) {
    completion.ask(field, draft, state.channel, show);
  } else if (option.choices?.length) {
    show(matching(option.choices), { first: wanted !== "", empty: "Choose one of the list." });
  } else if (option.type === 5) {
    show(matching([{ name: "True", value: true }, { name: "False", value: false }]), { first: wanted !== "" });
  } else if (option.type === 6) {
    show(matching([...state.users.values()].map((user) => ({ name: user.name, value: user.id }))), { first: wanted !== "" });
  } else if (option.type === 7) {
    const kinds = option.channel_types;
    const channels = state.guilds.find((guild) => guild.id === state.guild)?.channels ?? [];
    show(matching(channels.filter((channel) => !kinds?.length || kinds.includes(channel.kind === "voice" ? 2 : 0)).map((channel) => ({ name: channel.name, value: channel.id }))), { first: wanted !== "" });
  } else {
    completion.show(input, heading, [], {});
  }
}

function keyed(event) {
  if (event.isComposing) return;
  if (completion.key(event)) return;
  const { target } = event;
  if (event.key === "Escape") {
    if (completion.shown) completion.close();
    else reset();
    if (!draft) plain.focus();
    event.preventDefault();
  } else if (event.key === "Backspace" && draft && target.value === "" && target.closest?.(".option")) {
    const at = draft.fields.findIndex((field) => field.input === target);
    event.preventDefault();
    if (at > 0 && !draft.fields[at].option.required) {
      draft.fields.splice(at, 1)[0].box.remove();
      drawMore();
      draft.fields[at - 1].input.focus();
    } else if (at === 0) {
      const { name } = draft.command;
      reset();
      plain.value = `/${name}`;
      plain.focus();
      suggest();
    }
  } else if (event.key === "Enter" && target.tagName === "INPUT") {
    event.preventDefault();
    form.requestSubmit();
  } else if (event.key === "Backspace" && draft && target === send) {
    reset();
    plain.focus();
  }
}

function submit(event) {
  event.preventDefault();
  if (draft) dispatch();
  else if (find(plain.value.replace(/^\//, "").trim().toLowerCase()) && plain.value.startsWith("/")) enter(find(plain.value.slice(1).trim().toLowerCase()), "");
  else if (plain.value.startsWith("/")) toast("No command is called that.", "bad");
  else if (plain.value.trim() !== "") talk();
}

async function talk() {
  const content = plain.value.trim();
  plain.value = "";
  refresh();
  announce("sent");
  try {
    await say(state.channel, content);
  } catch (error) {
    toast(error.message, "bad");
  }
}

/** Sends the command, if everything it needs is there. */
async function dispatch() {
  const options = [];
  let missing = null;
  for (const field of draft.fields) {
    const value = read(field);
    const absent = field.input.value.trim() === "";
    if (value === undefined && (!absent || field.option.required)) {
      field.box.classList.add("invalid");
      missing ??= field;
    } else if (!absent) {
      options.push({ name: field.option.name, type: field.option.type, value });
    }
  }
  if (missing) {
    missing.input.focus();
    toast(wanted(missing.option), "bad");
    return;
  }
  const { name } = draft.command;
  reset();
  plain.focus({ preventScroll: true });
  completion.close();
  announce("sent");
  announce("gesture");
  try {
    await sendCommand(state.channel, name, options);
  } catch (error) {
    toast(error.message, "bad");
  }
}

/** The value of a field as its type wants it, or `undefined`. */
function read({ option, input, value }) {
  if (value !== undefined) return value;
  const text = input.value.trim();
  if (text === "") return undefined;
  const lower = text.toLowerCase();
  if (option.choices?.length) return option.choices.find((choice) => choice.name.toLowerCase() === lower || String(choice.value).toLowerCase() === lower)?.value;
  switch (option.type) {
    case 3:
      return text.length >= (option.min_length ?? 0) && text.length <= (option.max_length ?? 6000) ? text : undefined;
    case 4:
      return /^[+-]?\d+$/.test(text) ? within(option, Number(text)) : undefined;
    case 10:
      return Number.isFinite(Number(text)) ? within(option, Number(text)) : undefined;
    case 5:
      return { true: true, yes: true, on: true, false: false, no: false, off: false }[lower];
    case 6:
      return [...state.users.values()].find((user) => user.name.toLowerCase() === lower || user.id === text)?.id;
    case 7:
      return state.guilds.find((guild) => guild.id === state.guild)?.channels.find((channel) => channel.name.toLowerCase() === lower)?.id;
    default:
      return undefined;
  }
}

function within(option, number) {
  return number >= (option.min_value ?? -Infinity) && number <= (option.max_value ?? Infinity) ? number : undefined;
}

/** Says what an option takes, after something else was typed. */
function wanted(option) {
  const kind = { 4: "a whole number", 5: "True or False", 6: "somebody's name", 7: "a channel", 10: "a number" }[option.type] ?? "a text";
  if (option.choices?.length) return `${option.name} is one of: ${option.choices.map((choice) => choice.name).join(", ")}.`;
  const { min_value: least, max_value: most } = option;
  const bounds = least !== undefined && most !== undefined ? ` from ${least} to ${most}` : least !== undefined ? ` of at least ${least}` : most !== undefined ? ` of at most ${most}` : "";
  return `${option.name} takes ${kind}${bounds}.`;
}

function reset() {
  draft = null;
  command.hidden = true;
  command.replaceChildren();
  plain.hidden = false;
  plain.value = "";
  completion.close();
  refresh();
}

function refresh() {
  send.disabled = draft ? draft.fields.some((field) => field.option.required && field.input.value.trim() === "") : plain.value.trim() === "";
}
