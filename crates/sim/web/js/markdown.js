// The small markdown of chat messages, as elements.

import { element } from "./dom.js";
import { channelOf, userOf } from "./state.js";

/** Renders a text of several lines. */
export function markdown(text) {
  const root = element("div", { class: "text" });
  const lines = text.split("\n");
  for (let at = 0; at < lines.length; ) at = block(root, lines, at);
  return root;
}

/** Renders one block beginning at line `at`; returns the line after it. */
function block(root, lines, at) {
  const line = lines[at];
  const fence = /^```(\w*)$/.exec(line.trim());
  if (fence) {
    const end = lines.findIndex((other, index) => index > at && other.trim().endsWith("```"));
    if (end > at) {
      root.append(element("pre", {}, element("code", {}, lines.slice(at + 1, end).join("\n"))));
      return end + 1;
    }
  }
  const heading = /^(#{1,3}) +(.+)$/.exec(line);
  if (heading) {
    root.append(element("h3", { class: ["large", "middle", "small"][heading[1].length - 1] }, inline(heading[2])));
    return at + 1;
  }
  const small = /^-# +(.+)$/.exec(line);
  if (small) {
    root.append(element("small", {}, inline(small[1])));
    return at + 1;
  }
  for (const [name, pattern] of [["blockquote", /^> ?(.*)$/], ["ul", /^\s*[-*] +(.+)$/], ["ol", /^\s*\d+\. +(.+)$/]]) {
    const parts = [];
    let next = at;
    for (let match; next < lines.length && (match = pattern.exec(lines[next])); next += 1) parts.push(match[1]);
    if (parts.length === 0) continue;
    const children = parts.map((part) => (name === "blockquote" ? element("p", {}, inline(part)) : element("li", {}, inline(part))));
    root.append(element(name, {}, children));
    return next;
  }
  root.append(line.trim() === "" ? element("br") : element("p", {}, inline(line)));
  return at + 1;
}

/** Renders what may stand within a line. */
export function inline(text, depth = 0) {
  const nodes = [];
  let rest = text;
  while (rest !== "" && nodes.length < MOST_NODES) {
    let first = null;
    for (const rule of RULES) {
      const match = rule.pattern.exec(rest);
      if (match && (!first || match.index < first.match.index)) first = { rule, match };
    }
    if (!first || depth > DEEPEST) break;
    const { rule, match } = first;
    if (match.index > 0) nodes.push(rest.slice(0, match.index));
    nodes.push(rule.make(match, (inner) => inline(inner, depth + 1)));
    rest = rest.slice(match.index + match[0].length);
  }
  if (rest !== "") nodes.push(rest);
  return nodes;
}

const RULES = [
  { pattern: /\\([^A-Za-z0-9\s])/, make: (match) => match[1] },
  { pattern: /`([^`]+)`/, make: (match) => element("code", {}, match[1]) },
  { pattern: /\[([^\]\n]+)\]\(<?(https?:\/\/[^\s)>]+)>?\)/, make: (match, inner) => link(match[2], inner(match[1])) },
  { pattern: /<(https?:\/\/[^\s>]+)>/, make: (match) => link(match[1], match[1]) },
  { pattern: /https?:\/\/[^\s<>)\]]+/, make: (match) => link(match[0], match[0]) },
  { pattern: /<@!?(\d+)>/, make: (match) => mention(`@${userOf(match[1]).name}`) },
  { pattern: /<#(\d+)>/, make: (match) => channelMention(match[1]) },
  { pattern: /<\/([^:>]+):\d+>/, make: (match) => mention(`/${match[1]}`) },
  { pattern: /<a?:(\w+):\d+>/, make: (match) => `:${match[1]}:` },
  { pattern: /<t:(-?\d+)(?::([tTdDfFR]))?>/, make: (match) => time(Number(match[1]), match[2]) },
  { pattern: /\*\*\*(.+?)\*\*\*/, make: (match, inner) => element("strong", {}, element("em", {}, inner(match[1]))) },
  { pattern: /\*\*(.+?)\*\*/, make: (match, inner) => element("strong", {}, inner(match[1])) },
  { pattern: /__(.+?)__/, make: (match, inner) => element("u", {}, inner(match[1])) },
  { pattern: /~~(.+?)~~/, make: (match, inner) => element("s", {}, inner(match[1])) },
  { pattern: /\|\|(.+?)\|\|/, make: (match, inner) => element("span", { class: "spoiler", tabindex: "0" }, inner(match[1])) },
  { pattern: /\*([^\s*](?:[^*]*[^\s*])?)\*/, make: (match, inner) => element("em", {}, inner(match[1])) },
  { pattern: /(?<!\w)_([^_]+)_(?!\w)/, make: (match, inner) => element("em", {}, inner(match[1])) },
  // A slider drawn with characters becomes one that is drawn.
  { pattern: /([━▬]*)([●🔘⚪])([─━▬]*)/u, make: slider },
];

function link(target, label) {
  return element("a", { href: target, target: "_blank", rel: "noopener noreferrer" }, label);
}

function mention(text) {
  return element("span", { class: "mention" }, text);
}

function channelMention(id) {
  const channel = channelOf(id);
  return mention(`${channel?.kind === "voice" ? "🔊 " : "#"}${channel?.name ?? "unknown"}`);
}

function slider(match) {
  const before = [...match[1]].length;
  const after = [...match[3]].length;
  if (before + after < 4) return match[0];
  const bar = element("span", { class: "slider", role: "img", "aria-label": `${Math.round((100 * before) / (before + after))} %` }, element("i"));
  bar.style.setProperty("--at", `${(100 * before) / (before + after)}%`);
  return bar;
}

function time(seconds, style) {
  const date = new Date(seconds * 1000);
  if (style === "R") {
    const distance = seconds - Date.now() / 1000;
    const [unit, size] = UNITS.find(([, length]) => Math.abs(distance) >= length) ?? ["second", 1];
    return new Intl.RelativeTimeFormat("en", { numeric: "auto" }).format(Math.round(distance / size), unit);
  }
  const formats = {
    t: { timeStyle: "short" },
    T: { timeStyle: "medium" },
    d: { dateStyle: "short" },
    D: { dateStyle: "long" },
    F: { dateStyle: "full", timeStyle: "short" },
  };
  return new Intl.DateTimeFormat("en", formats[style] ?? { dateStyle: "long", timeStyle: "short" }).format(date);
}

const UNITS = [["year", 31557600], ["month", 2629800], ["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
const DEEPEST = 6;
const MOST_NODES = 400;
