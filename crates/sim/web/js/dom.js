// Making elements without markup in strings: text never becomes HTML.

/** Makes an element; `attributes` may hold `class`, `on…` listeners, `data-…` and ARIA. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/** Makes an inline icon from a path on a 24 × 24 grid. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  for (const shape of ICONS[name]) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", shape);
    path.setAttribute("fill", "none");
    path.setAttribute("stroke", "currentColor");
    path.setAttribute("stroke-width", "2");
    path.setAttribute("stroke-linecap", "round");
    path.setAttribute("stroke-linejoin", "round");
    svg.append(path);
  }
  return svg;
}

/** The mark of this page: bars of a level meter. */
export function mark() {
  const image = element("img", { src: "icon.svg", alt: "", width: 44, height: 44 });
  return image;
}

/** A round picture made of somebody's name. */
export function avatar(user) {
  const name = user?.name ?? "?";
  const circle = element("span", { class: "avatar", "aria-hidden": "true" });
  const [from, to] = user?.bot ? ["#ffc46b", "#ff7a59"] : PALETTE[hash(user?.id ?? name) % PALETTE.length];
  circle.style.background = `linear-gradient(145deg, ${from}, ${to})`;
  if (user?.bot) {
    circle.style.color = "#221204";
    circle.append(bars());
  } else {
    circle.append(initials(name));
  }
  return circle;
}

/** A picture for a track that has none, always the same for the same text. */
export function cover(text) {
  const seed = hash(text);
  const hue = seed % 360;
  const picture = document.createElementNS(SVG, "svg");
  picture.setAttribute("viewBox", "0 0 84 84");
  picture.setAttribute("role", "img");
  picture.setAttribute("aria-label", text);
  const shapes = [
    ["rect", { width: 84, height: 84, fill: `hsl(${hue} 45% 22%)` }],
    ["circle", { cx: 20 + (seed % 40), cy: 70, r: 44, fill: `hsl(${(hue + 40) % 360} 70% 52% / .75)` }],
    ["circle", { cx: 70, cy: 14 + ((seed >> 6) % 30), r: 30, fill: `hsl(${(hue + 300) % 360} 75% 62% / .6)` }],
    ["circle", { cx: 42, cy: 42, r: 13, fill: "#0d0f14cc" }],
    ["circle", { cx: 42, cy: 42, r: 4, fill: "#fff" }],
  ];
  for (const [name, attributes] of shapes) {
    const shape = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) shape.setAttribute(key, value);
    picture.append(shape);
  }
  return picture;
}

/** Three dots that move. */
export function dots() {
  return element("span", { class: "dots", "aria-hidden": "true" }, element("i"), element("i"), element("i"));
}

let toastCount = 0;

/** Tells something that needs no answer. */
export function toast(text, kind = "") {
  const box = element("div", { class: `toast ${kind}` }, text);
  document.getElementById("toasts").append(box);
  toastCount += 1;
  setTimeout(() => box.remove(), 5000 + Math.min(toastCount, 3) * 300);
}

/** Up to two letters that stand for a name. */
export function initials(name) {
  const words = name.split(/[\s_\-.]+/).filter(Boolean);
  const letters = words.length > 1 ? [words[0], words[1]].map((word) => [...word][0]) : [...(words[0] ?? "?")].slice(0, 2);
  return letters.join("").toUpperCase();
}

/** A number for a text, the same on every visit. */
export function hash(text) {
  let value = 2166136261;
  for (const character of String(text)) value = Math.imul(value ^ character.codePointAt(0), 16777619);
  return value >>> 0;
}

function bars() {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 32 32");
  for (const [x, y, height] of [[8, 13, 6], [12.3, 10, 12], [16.6, 8, 16], [20.9, 12, 8]]) {
    const bar = document.createElementNS(SVG, "rect");
    for (const [key, value] of Object.entries({ x, y, height, width: 2.6, rx: 1.3, fill: "currentColor" })) bar.setAttribute(key, value);
    svg.append(bar);
  }
  return svg;
}

const SVG = "http://www.w3.org/2000/svg";

const PALETTE = [
  ["#6aa8ff", "#4466d8"],
  ["#5fd6b4", "#218a86"],
  ["#f283b5", "#b3427f"],
  ["#b795ff", "#7552cf"],
  ["#ff9d7a", "#d0503f"],
  ["#8fd16a", "#3f8f4a"],
];

const ICONS = {
  hash: ["M9 4 7 20M17 4l-2 16M4 9h16M4 15h16"],
  voice: ["M4 9.5v5h3.5L12 18.5v-13L7.5 9.5z", "M15.5 9a4.2 4.2 0 0 1 0 6", "M18.3 6.2a8.2 8.2 0 0 1 0 11.6"],
  muted: ["M4 9.5v5h3.5L12 18.5v-13L7.5 9.5z", "m16 10 4.5 4.5M20.5 10 16 14.5"],
  headphones: ["M4 15v-3a8 8 0 0 1 16 0v3", "M4 15.5A1.5 1.5 0 0 1 5.5 14H7v6H5.5A1.5 1.5 0 0 1 4 18.5zM20 15.5A1.5 1.5 0 0 0 18.5 14H17v6h1.5a1.5 1.5 0 0 0 1.5-1.5z"],
  pause: ["M8.5 5v14M15.5 5v14"],
  leave: ["M14 4h4.5A1.5 1.5 0 0 1 20 5.5v13a1.5 1.5 0 0 1-1.5 1.5H14M10.5 16.5 6 12l4.5-4.5M6 12h9.5"],
  send: ["M5 12h13M12.5 6.5 18 12l-5.5 5.5"],
  close: ["M6 6l12 12M18 6 6 18"],
  menu: ["M4 7h16M4 12h16M4 17h16"],
  eye: ["M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12z", "M12 14.6a2.6 2.6 0 1 0 0-5.2 2.6 2.6 0 0 0 0 5.2z"],
  out: ["M14 5h5v5M19 5l-8 8M17 14v4.5H5.5V7H10"],
  slash: ["M15 4 9 20"],
};
