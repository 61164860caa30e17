// Draws what bots build messages of: Components V2, the older rows, and embeds.

import { press } from "./api.js";
import { cover, dots, element, icon, toast } from "./dom.js";
import { inline, markdown } from "./markdown.js";
import { announce } from "./state.js";

/** Draws a list of components of `message`. */
export function components(list, message) {
  return list.map((component) => (DRAW[component.type] ?? unknown)(component, message)).filter(Boolean);
}

/** Draws an embed, without what is seldom used. */
export function embed(data) {
  const box = element(
    "article",
    { class: "embed" },
    data.author?.name && element("div", { class: "author" }, data.author.name),
    data.title && element("div", { class: "title" }, data.url ? element("a", { href: safe(data.url), target: "_blank", rel: "noopener noreferrer" }, data.title) : data.title),
    data.description && markdown(data.description),
    data.fields?.length > 0 && element("div", { class: "fields" }, data.fields.map((field) => element("div", {}, element("b", {}, inline(field.name)), markdown(field.value)))),
    data.thumbnail && picture(data.thumbnail.url, data.title ?? ""),
    data.footer?.text && element("div", { class: "foot" }, data.footer.text),
  );
  if (data.color) box.style.borderLeftColor = colour(data.color);
  return box;
}

const DRAW = {
  1: (component, message) => element("div", { class: "row" }, components(component.components, message)),
  2: button,
  3: picker,
  9: section,
  10: (component) => markdown(component.content),
  11: (component, message) => picture(component.media?.url, component.description ?? message.id),
  12: (component) => element("div", { class: "gallery" }, component.items.map((item) => picture(item.media?.url, item.description ?? ""))),
  13: (component) => element("p", { class: "missing" }, `📎 ${component.name ?? component.file?.url ?? "file"}`),
  14: (component) => element("div", { class: `separator ${component.divider === false ? "" : "line"} ${component.spacing === 2 ? "wide" : ""}`, role: "separator" }),
  17: container,
};

function container(component, message) {
  const box = element("div", { class: "container" }, components(component.components, message));
  if (component.accent_color !== undefined && component.accent_color !== null) {
    const accent = element("span", { class: "accent", "aria-hidden": "true" });
    accent.style.background = colour(component.accent_color);
    box.classList.add("accented");
    box.prepend(accent);
  }
  if (component.spoiler) {
    box.classList.add("veiled");
    box.addEventListener("click", () => box.classList.remove("veiled"), { once: true });
  }
  return box;
}

function section(component, message) {
  const accessory = component.accessory ? components([component.accessory], message) : [];
  return element("div", { class: "section" }, element("div", { class: "column" }, components(component.components, message)), accessory);
}

const STYLES = { 1: "primary", 2: "secondary", 3: "success", 4: "danger", 5: "secondary" };

function button(component, message) {
  const label = [];
  if (component.emoji) label.push(element("span", { class: "emoji", "aria-hidden": component.label ? "true" : undefined }, component.emoji.id ? `:${component.emoji.name}:` : component.emoji.name));
  if (component.label) label.push(element("span", {}, component.label));
  const attributes = { class: `piece ${STYLES[component.style] ?? "secondary"}` };
  if (component.style === 5) {
    return element("a", { ...attributes, href: safe(component.url), target: "_blank", rel: "noopener noreferrer" }, label, icon("out"));
  }
  const made = element("button", { ...attributes, type: "button", disabled: component.disabled, "data-id": component.custom_id }, label);
  made.addEventListener("click", () => act(made, message, component.custom_id));
  return made;
}

function picker(component, message) {
  const made = element(
    "select",
    { class: "picker", disabled: component.disabled, "aria-label": component.placeholder ?? "Choose" },
    element("option", { value: "" }, component.placeholder ?? "Choose…"),
    component.options.map((option) => element("option", { value: option.value, selected: option.default }, option.label)),
  );
  made.addEventListener("change", () => made.value && act(made, message, component.custom_id, [made.value]));
  return made;
}

/** Presses a button, or chooses in a list, and shows that it is on its way. */
async function act(control, message, id, values) {
  if (control.classList.contains("busy")) return;
  const mark = dots();
  control.classList.add("busy");
  control.setAttribute("aria-busy", "true");
  if (control.tagName === "BUTTON") control.append(mark);
  announce("gesture");
  try {
    await press(message.channel_id, message.id, id, values);
  } catch (error) {
    toast(error.message, "bad");
  } finally {
    control.classList.remove("busy");
    control.removeAttribute("aria-busy");
    mark.remove();
  }
}

/** Shows a picture of this server; anything from elsewhere is replaced by a made-up cover. */
function picture(url, description) {
  const frame = element("div", { class: "cover" });
  const own = url && (url.startsWith("data:image/") || sameOrigin(url));
  if (!own) {
    frame.append(cover(description || url || "track"));
    return frame;
  }
  const image = element("img", { src: url, alt: description ?? "", loading: "lazy" });
  image.addEventListener("error", () => image.replaceWith(cover(description || url)), { once: true });
  frame.append(image);
  return frame;
}

function unknown(component) {
  return element("p", { class: "missing" }, `A part of kind ${component.type} cannot be shown here.`);
}

function sameOrigin(url) {
  return URL.canParse(url, location.href) && new URL(url, location.href).origin === location.origin;
}

function safe(url) {
  return /^https?:\/\//.test(url ?? "") ? url : "#";
}

function colour(number) {
  return `#${Number(number).toString(16).padStart(6, "0")}`;
}
