// The list above the command box.

import { complete } from "./api.js";
import { dots, element } from "./dom.js";

/** A list box that belongs to whichever field shows it. */
export class Completion {
  #popup;
  #owner = null;
  #items = [];
  #at = -1;
  #asked = 0;
  #timer = 0;

  constructor(popup) {
    this.#popup = popup;
  }

  get shown() {
    return !this.#popup.hidden;
  }

  /** Shows items for a field. `first` marks the first, `empty` is said if there are none. */
  show(owner, heading, items, { first = false, empty = "", state = null } = {}) {
    clearTimeout(this.#timer);
    this.#asked += 1;
    this.#draw(owner, heading, items, { first, empty, state });
  }

  /** Asks the bot for values of an option, and shows them when they come. */
  ask(field, draft, channel, show) {
    clearTimeout(this.#timer);
    this.#asked += 1;
    const asked = this.#asked;
    this.#timer = setTimeout(async () => {
      const options = draft.fields
        .filter((other) => other.input.value !== "" || other === field)
        .map((other) => ({ name: other.option.name, type: other.option.type, value: other.value ?? other.input.value, focused: other === field || undefined }));
      let answer;
      let empty = "";
      try {
        answer = await complete(channel, draft.command.name, options);
      } catch {
        empty = "The bot has no suggestions.";
      }
      if (asked !== this.#asked || !field.input.isConnected || document.activeElement !== field.input) return;
      show(answer?.choices ?? [], { empty });
    }, TYPING_PAUSE);
    if (this.#owner !== field.input) this.#draw(field.input, [element("span", {}, field.option.name)], [], { state: [dots(), "Asking the bot…"] });
  }

  close() {
    clearTimeout(this.#timer);
    this.#asked += 1;
    this.#popup.hidden = true;
    this.#owner?.setAttribute("aria-expanded", "false");
    this.#owner?.removeAttribute("aria-activedescendant");
    this.#owner = null;
    this.#items = [];
    this.#at = -1;
  }

  /** Takes the keys that belong to the list; returns whether it did. */
  key(event) {
    if (!this.shown || this.#items.length === 0) return false;
    const steps = { ArrowDown: 1, ArrowUp: -1 };
    if (event.key in steps) {
      const from = this.#at < 0 && steps[event.key] < 0 ? 0 : this.#at;
      this.#mark((from + steps[event.key] + this.#items.length) % this.#items.length);
    } else if (event.key === "Tab" && !event.shiftKey) {
      this.#choose(Math.max(this.#at, 0));
    } else if (event.key === "Enter" && this.#at >= 0) {
      this.#choose(this.#at);
    } else {
      return false;
    }
    event.preventDefault();
    return true;
  }

  #draw(owner, heading, items, { first, empty, state }) {
    if (this.#owner && this.#owner !== owner) this.#owner.setAttribute("aria-expanded", "false");
    this.#owner = owner;
    this.#items = items;
    this.#at = -1;
    const rows = items.map((item, index) =>
      element("div", { role: "option", id: `choice-${index}`, "aria-selected": "false", "data-choice": item.key, onclick: () => this.#choose(index), onpointermove: () => this.#at !== index && this.#mark(index, false) }, item.label),
    );
    const note = state ?? (items.length === 0 && empty ? [empty] : null);
    this.#popup.replaceChildren(element("h4", { role: "presentation" }, heading), ...rows, ...(note ? [element("div", { class: "state", role: "status" }, note)] : []));
    this.#popup.hidden = false;
    owner.setAttribute("aria-expanded", "true");
    if (first && items.length > 0) this.#mark(0);
    else owner.removeAttribute("aria-activedescendant");
  }

  #mark(index, scroll = true) {
    this.#at = index;
    this.#popup.querySelectorAll('[role="option"]').forEach((row, at) => row.setAttribute("aria-selected", String(at === index)));
    this.#owner?.setAttribute("aria-activedescendant", `choice-${index}`);
    if (scroll) this.#popup.querySelector(`#choice-${index}`)?.scrollIntoView({ block: "nearest" });
  }

  #choose(index) {
    this.#items[index]?.choose();
  }
}

const TYPING_PAUSE = 160;
