// A thread under its root: a line that folds it, its replies, and where one answers in it.

import { h, icon, reconcile } from "./dom.js";
import { Composer } from "./composer.js";
import { follows, mergeBySeq, newItem, noteItem, previousOf } from "./items.js";
import { avatar, nameOf } from "./people.js";
import { timeNode } from "./time.js";

const SNIPPET = 120;

/** The beginning of a text on one line, without the marks of code and bold. */
const snippet = (text) => text.slice(0, 2 * SNIPPET).replace(/[`*]+/g, "").replace(/\s+/g, " ").trim().slice(0, SNIPPET);

export class Thread {
  /** `log` says what is open and being written, and makes the rows of messages. */
  constructor(log, id) {
    this.log = log;
    this.toggle = h("button", { class: "thread-toggle", type: "button", onclick: () => log.toggle(id) });
    this.inner = h("div", { class: "thread-rows" });
    this.foot = h("div", { class: "thread-foot" });
    this.node = h("section", { class: "thread", "aria-label": "Thread" }, this.toggle, this.inner, this.foot);
    this.cache = new Map();
  }

  update({ root, tail, notes }) {
    const { log } = this;
    const open = log.open.has(root.id);
    const replies = log.room.threads.get(root.id) || [];
    this.node.classList.toggle("open", open);
    this.fillToggle(root, replies, open, tail.length + notes.length > 0);
    const items = open ? [...this.replyItems(mergeBySeq(replies, notes)), ...tail] : [];
    if (open && !log.room.complete(root)) items.unshift(this.loadingItem(root));
    reconcile(this.inner, items, this.cache);
    this.fillFoot(root, open);
  }

  loadingItem(root) {
    const { actions, room } = this.log;
    const broken = room.broken.has(root.id);
    if (!broken) actions.openThread(root);
    const again = () => h("button", { class: "older", type: "button", onclick: () => actions.threadAgain(root) }, "Replies did not load. Try again");
    return { key: broken ? "broken" : "loading", version: 0, make: () => ({ node: broken ? again() : h("p", { class: "faint pad" }, "Loading replies…") }) };
  }

  replyItems(entries) {
    let previous = null;
    const first = entries.find((entry) => entry.text === undefined && this.log.room.fresh.has(entry));
    return entries.flatMap((entry) => {
      if (entry.text !== undefined) return (previous = null) || noteItem(entry, this.log);
      const grouped = entry !== first && follows(previous, entry);
      previous = previousOf(entry);
      const item = this.log.messageItem(entry, grouped);
      return entry === first ? [newItem(), item] : item;
    });
  }

  fillToggle(root, replies, open, busy) {
    const { toggle } = this;
    const count = this.log.room.replyCount(root);
    const last = replies.at(-1);
    const state = `${count}${open}${root.last_reply_at}${replies.length}${last?.rev}`;
    toggle.hidden = count === 0 && !busy;
    if (toggle.dataset.state === state) return;
    toggle.dataset.state = state;
    toggle.setAttribute("aria-expanded", String(open));
    const authors = [...new Map(replies.map((reply) => [reply.author.id, reply.author])).values()].slice(-3);
    const words = count === 0 ? "Thread" : count === 1 ? "1 reply" : `${count} replies`;
    toggle.replaceChildren(icon("chevron"), h("span", { class: "faces" }, ...authors.map((author) => avatar(author, "tiny"))), h("b", {}, words), ...lastReply(root, last, open));
  }

  fillFoot(root, open) {
    const { log, foot } = this;
    const state = !open || !log.canPost() ? "none" : log.writing.has(root.id) ? "writing" : "button";
    if (foot.dataset.state !== state) {
      foot.dataset.state = state;
      foot.replaceChildren(...(state === "none" ? [] : state === "button" ? [this.replyButton(root)] : [this.replyComposer(root).node]));
    }
    if (state === "writing" && log.focusThread === root.id) this.focusLater();
  }

  focusLater() {
    this.log.focusThread = null;
    requestAnimationFrame(() => {
      this.foot.scrollIntoView({ block: "nearest" });
      this.foot.querySelector("textarea")?.focus();
    });
  }

  replyButton(root) {
    return h("button", { class: "reply-start", type: "button", onclick: () => this.log.write(root.id) }, icon("reply"), "Reply in thread");
  }

  replyComposer(root) {
    const { actions, room, me } = this.log;
    return new Composer({
      label: `Reply to ${nameOf(root.author)}`,
      compact: true,
      room,
      me,
      onSend: (text) => actions.send(text, root.id),
      onTyping: () => actions.typing(root.id),
      onEscape: () => this.log.leave(root.id, this.foot),
    });
  }
}

/** Folded: who said what last. Open: when that was. */
function lastReply(root, last, open) {
  if (!open && last?.content) return [h("span", { class: "snippet" }, h("span", { class: "snippet-who" }, nameOf(last.author)), snippet(last.content))];
  const at = last?.created_at || root.last_reply_at;
  return at ? [timeNode(at, "last reply ")] : [];
}
