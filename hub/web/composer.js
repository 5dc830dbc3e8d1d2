// Where a message is written: grows with the text, Enter sends, Shift+Enter breaks the line, @ offers
// the members.

import { h, icon } from "./dom.js";
import { avatar, badge, nameOf } from "./people.js";

const LIMIT_BYTES = 32768;
const TYPING_EVERY_MS = 3000;
const OFFERS = 8;

let count = 0;

export class Composer {
  /** `{room, me, label, compact, plain (no mentions), onSend(text), onTyping(), onEscape()}`; `onSend` false keeps the text. */
  constructor(options) {
    Object.assign(this, options);
    const list = `offers-${(count += 1)}`;
    this.offers = [];
    this.chosen = 0;
    this.input = h("textarea", { rows: "1", "aria-label": this.label, placeholder: this.label, enterkeyhint: "send", autocomplete: "off", "aria-autocomplete": "list", "aria-controls": list });
    this.button = h("button", { class: "send", type: "submit", title: "Send (Enter)", "aria-label": "Send" }, icon("send"));
    this.list = h("ul", { class: "offers", id: list, role: "listbox", "aria-label": "Members", hidden: true });
    this.problem = h("p", { class: "composer-problem", role: "alert", hidden: true });
    this.node = h("form", { class: `composer ${this.compact ? "compact" : ""}` }, this.list, this.problem, h("div", { class: "composer-box" }, this.input, this.button));
    this.listen();
    this.changed();
  }

  listen() {
    this.input.addEventListener("input", () => this.typed());
    this.input.addEventListener("keydown", (event) => this.key(event));
    this.input.addEventListener("click", () => this.offer());
    this.input.addEventListener("blur", () => this.hideOffers());
    this.node.addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
  }

  get text() {
    return this.input.value;
  }

  set text(value) {
    this.input.value = value;
    this.changed();
  }

  typed() {
    this.changed();
    this.offer();
    const now = Date.now();
    if (this.text.trim() && now - (this.told || 0) > TYPING_EVERY_MS) {
      this.told = now;
      this.onTyping?.();
    }
  }

  /** Height, send button and the size check follow the text. */
  changed() {
    this.input.style.height = "auto";
    if (this.input.scrollHeight) this.input.style.height = `${Math.min(this.input.scrollHeight, 220)}px`;
    const bytes = this.text.length > LIMIT_BYTES / 4 ? new TextEncoder().encode(this.text).length : 0;
    const over = bytes > LIMIT_BYTES;
    this.complain(over ? `This message is ${bytes - LIMIT_BYTES} bytes too long.` : null);
    this.button.disabled = over || !this.text.trim();
  }

  complain(sentence) {
    this.problem.hidden = !sentence;
    this.problem.textContent = sentence || "";
  }

  send() {
    if (this.button.disabled) return;
    if (this.onSend(this.text.trimEnd()) === false) return;
    this.told = 0;
    this.text = "";
    this.hideOffers();
    this.input.focus();
  }

  key(event) {
    if (event.isComposing) return;
    if (this.offers.length && this.keyInOffers(event)) return event.preventDefault();
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      this.send();
    } else if (event.key === "Escape" && this.onEscape && !this.text.trim()) {
      event.preventDefault();
      this.onEscape();
    }
  }

  keyInOffers(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) this.choose((this.chosen + step + this.offers.length) % this.offers.length);
    else if ((event.key === "Enter" && !event.shiftKey) || event.key === "Tab") this.accept(this.offers[this.chosen]);
    else if (event.key === "Escape") this.hideOffers();
    else return false;
    return true;
  }

  /** The `@word` the caret stands in, or null. */
  wordAtCaret() {
    const before = this.text.slice(0, this.input.selectionStart);
    const found = /(?:^|[^\p{L}\p{N}_@/.])@([\p{L}\p{N}_-]*)$/u.exec(before);
    return found ? found[1] : null;
  }

  offer() {
    const word = this.plain ? undefined : this.wordAtCaret()?.toLowerCase();
    if (word === undefined) return this.hideOffers();
    const fits = (member) => member.handle && member.id !== this.me && (member.handle.toLowerCase().startsWith(word) || nameOf(member).toLowerCase().split(/\s+/).some((part) => part.startsWith(word)));
    this.offers = [...this.room.members.values()].filter(fits).slice(0, OFFERS);
    if (!this.offers.length) return this.hideOffers();
    this.list.replaceChildren(...this.offers.map((member, at) => this.offerNode(member, at)));
    this.list.hidden = false;
    this.choose(0);
  }

  offerNode(member, at) {
    const pick = (event) => {
      event.preventDefault();
      this.accept(member);
    };
    return h("li", { role: "option", id: `${this.list.id}-${at}`, onmousedown: pick }, avatar(member, "small"), h("span", { class: "offer-name" }, nameOf(member)), badge(member), h("span", { class: "faint" }, `@${member.handle}`));
  }

  choose(at) {
    this.chosen = at;
    [...this.list.children].forEach((node, index) => node.setAttribute("aria-selected", String(index === at)));
    this.list.children[at]?.scrollIntoView({ block: "nearest" });
    this.input.setAttribute("aria-activedescendant", `${this.list.id}-${at}`);
  }

  accept(member) {
    const end = this.input.selectionStart;
    const start = end - this.wordAtCaret().length;
    const rest = this.text.slice(end);
    this.input.setRangeText(member.handle + (/^\s/.test(rest) ? "" : " "), start, end, "end");
    this.hideOffers();
    this.changed();
  }

  hideOffers() {
    this.offers = [];
    this.list.hidden = true;
    this.input.removeAttribute("aria-activedescendant");
  }
}
