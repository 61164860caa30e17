// The voice channel: who is there, who speaks, and the button to hear it.

import { element, icon, avatar, toast } from "./dom.js";
import { keepFocus, moveTo } from "./frame.js";
import { Ear } from "./ear.js";
import { Meter } from "./meter.js";
import { currentGuild, on, ownVoice, state, userOf } from "./state.js";

const root = document.getElementById("stage");
const ear = new Ear();
const canvas = element("canvas", { class: "meter", "aria-hidden": "true" });
const meter = new Meter(canvas, ear);

const title = element("h2");
const live = element("span", { class: "live" }, "IDLE");
const listen = element("button", { class: "listen", type: "button", id: "listen", "aria-pressed": "false", onclick: toggle });
const volume = element("input", { type: "range", min: "0", max: "100", value: stored("volume", 80), "aria-label": "Volume on this page", id: "loudness", oninput: turn });
const heard = element("p", { class: "heard" });
const people = element("div", { class: "people" });

let refused = false;

/** Begins to show the stage. */
export function start() {
  root.append(
    element(
      "div",
      { class: "deck" },
      element("header", {}, icon("voice"), title, live),
      canvas,
      element("div", { class: "controls" }, listen, element("label", { class: "loudness" }, icon("voice"), volume)),
      heard,
    ),
    people,
    ear.audio,
  );
  on("world place voice world-parts", draw);
  on("speaking heard", drawLive);
  // A person who asks for music wants to hear it, unless they have said no.
  on("gesture", () => !refused && !ear.on && ownVoice() && begin());
  ear.addEventListener("change", () => {
    drawButton();
    if (ear.problem) toast(ear.problem, "bad");
  });
  turn();
  drawButton();
  meter.start();
  setInterval(drawLive, 1000);
}

function toggle() {
  if (ear.on) {
    refused = true;
    ear.stop();
  } else {
    begin();
  }
}

function begin() {
  refused = false;
  if (currentGuild()) ear.start(state.guild);
}

function turn() {
  volume.style.setProperty("--level", `${volume.value}%`);
  ear.audio.volume = (Number(volume.value) / 100) ** 2;
  localStorage.setItem("volume", volume.value);
}

function draw() {
  const guild = currentGuild();
  const own = ownVoice();
  const channel = own ?? guild?.channels.find((candidate) => candidate.kind === "voice");
  title.textContent = channel?.name ?? "No voice channel";
  if (ear.on && (ear.guild !== state.guild || !own)) {
    if (own) ear.start(state.guild);
    else ear.stop();
  }
  listen.disabled = !own;
  listen.title = own ? "" : "Join the voice channel first";
  const present = (guild?.voice ?? []).filter((place) => place.channel_id === channel?.id);
  keepFocus(people, () =>
    people.replaceChildren(
      element("h3", {}, "In this channel"),
      ...(present.length === 0 ? [element("p", { class: "none" }, "Nobody is here yet.")] : []),
      ...present.map((place) => person(guild, place)),
      channel && element("button", { class: `wide ${own ? "" : "join"}`, type: "button", "data-key": "move", onclick: () => moveTo(own ? null : channel.id) }, own ? "Leave" : "Join voice"),
    ),
  );
  drawLive();
}

function person(guild, place) {
  const user = userOf(place.user_id);
  const note = user.id === state.me?.id ? "That is you" : user.bot ? "App" : "Listening";
  return element(
    "div",
    { class: "person", "data-speaker": `${guild.id} ${user.id}` },
    avatar(user),
    element("div", { class: "name" }, element("b", {}, user.name), element("span", { "data-note": note }, note)),
  );
}

function drawLive() {
  const speaks = [...state.speaking].some((key) => key.startsWith(`${state.guild} `));
  live.classList.toggle("on", speaks);
  live.textContent = speaks ? "LIVE" : "IDLE";
  for (const row of people.querySelectorAll(".person")) {
    const note = row.querySelector(".name span");
    note.textContent = state.speaking.has(row.dataset.speaker) ? "Speaking" : note.dataset.note;
  }
  heard.textContent = summary();
}

function summary() {
  if (!ownVoice()) return "Join the voice channel to listen.";
  const behind = ear.behind();
  if (behind !== null) return `${behind.toFixed(1)} s behind${lost()}`;
  return ear.on ? "Tuning in…" : "Press Listen to hear this channel.";
}

function lost() {
  const frames = state.heard?.guild_id === state.guild ? state.heard : null;
  if (!frames || frames.heard === 0) return "";
  return ` · ${frames.heard.toLocaleString("en")} frames · ${frames.lost} lost`;
}

function drawButton() {
  listen.setAttribute("aria-pressed", String(ear.on));
  listen.replaceChildren(icon(ear.on ? "pause" : "headphones"), ear.on ? "Listening" : "Listen");
  drawLive();
}

function stored(key, fallback) {
  return localStorage.getItem(key) ?? String(fallback);
}
