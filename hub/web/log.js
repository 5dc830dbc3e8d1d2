// The timeline on screen: roots in order with their threads inline, kept still while the reader reads
// and following the end only when the reader is there.

import { byId, h, icon, reconcile } from "./dom.js";
import { Composer } from "./composer.js";
import { avatar, nameOf } from "./people.js";
import { dayKey, dayName, timeNode } from "./time.js";
import { fillDraft, fillMessage, fillPending, fillThinking, Row } from "./message.js";

const END_PX = 24;
const TOP_PX = 240;
const GROUP_MS = 5 * 60000;

export class LogView {
  /** `actions`: react, reply, cancel, retry, takeBack, older, openThread, send, typing; `outbox` for pending rows. */
  constructor(actions, outbox, me) {
    Object.assign(this, { actions, outbox, me });
    this.scroller = byId("log");
    this.list = byId("log-list");
    this.top = byId("log-top");
    this.pill = byId("pill");
    this.atEnd = true;
    this.listening = new AbortController();
    this.scroller.addEventListener("scroll", () => this.scrolled(), { passive: true, signal: this.listening.signal });
    this.pill.onclick = () => this.toEnd();
    this.resized = new ResizeObserver(() => this.atEnd && this.jump());
    this.resized.observe(this.scroller);
  }

  close() {
    this.listening.abort();
    this.resized.disconnect();
    this.room = null;
    this.list.replaceChildren();
  }

  show(room) {
    this.room = room;
    this.rows = new Map();
    this.open = new Set();
    this.closed = new Set();
    this.writing = new Set();
    this.unread = 0;
    this.atEnd = true;
    this.list.replaceChildren();
    this.top.replaceChildren();
    this.top.dataset.state = "";
    this.renderPill();
    this.people = { byHandle: (handle) => room.byHandle(handle), me: this.me };
    this.render();
  }

  canPost() {
    const member = this.room.members.get(this.me);
    return Boolean(member) && member.role !== "observer" && !this.room.info.archived_at;
  }

  schedule() {
    if (this.frame) return;
    const draw = () => {
      cancelAnimationFrame(this.frame);
      clearTimeout(this.late);
      this.frame = 0;
      this.render();
    };
    this.frame = requestAnimationFrame(draw);
    this.late = setTimeout(draw, 250);
  }

  render() {
    if (!this.room?.loaded) return;
    const held = this.atEnd ? null : this.anchor();
    reconcile(this.list, this.items(), this.rows);
    this.renderTop();
    if (this.atEnd) this.jump();
    else this.restore(held);
    this.renderPill();
  }

  items() {
    const items = [];
    const notes = this.room.notes.filter((note) => !this.room.messages.has(note.place));
    let previous = null;
    for (const entry of mergeBySeq(this.room.roots, notes)) {
      const at = entry.created_at || entry.at;
      const newDay = at && dayKey(at) !== previous?.day;
      if (newDay) items.push(dayItem(at));
      if (entry.text !== undefined) {
        items.push(noteItem(entry));
        previous = { day: at ? dayKey(at) : previous?.day };
        continue;
      }
      const threaded = this.pushRoot(items, entry, !newDay && this.follows(previous, entry));
      previous = { day: at && dayKey(at), author: threaded ? null : entry.author?.id, at: Date.parse(at) };
    }
    return items.concat(this.tail(null, previous));
  }

  follows(previous, message) {
    return Boolean(previous?.author) && !message.run_id && previous.author === message.author?.id && Date.parse(message.created_at) - previous.at < GROUP_MS;
  }

  /** The row of a root and, when it has one, its thread; true when there is a thread. */
  pushRoot(items, root, grouped) {
    items.push(this.messageItem(root, grouped));
    const replies = this.room.threads.get(root.id) || [];
    const tail = this.tail(root.id, previousOf(replies.at(-1)));
    const busy = tail.some((item) => item.busy);
    const newest = replies.length > 0 && root === this.room.roots.at(-1);
    if ((busy || newest) && !this.closed.has(root.id)) this.unfold(root.id);
    if (!busy && !newest) this.closed.delete(root.id);
    const notes = this.room.notes.filter((note) => note.place === root.id);
    const threaded = this.room.replyCount(root) + tail.length + notes.length > 0 || this.writing.has(root.id);
    if (threaded) items.push({ key: `t:${root.id}`, make: () => this.makeThread(root.id), root, tail, notes });
    return threaded;
  }

  unfold(id) {
    if (this.open.has(id)) return;
    this.open.add(id);
    this.closed.delete(id);
  }

  fold(id) {
    this.open.delete(id);
    this.writing.delete(id);
    this.closed.add(id);
  }

  write(id) {
    this.unfold(id);
    this.writing.add(id);
    this.focusThread = id;
    this.render();
  }

  messageItem(message, grouped) {
    const version = `m${message.rev}${grouped}${this.canPost()}`;
    return { key: message.key || message.id, message, grouped, version, make: () => this.livePart() };
  }

  /** One part for a draft and the message it becomes, so that nothing is replaced on screen. */
  livePart() {
    return rowPart((row, item) => (item.draft ? fillDraft(row, item.draft, this) : this.settle(row, item)));
  }

  settle(row, item) {
    row.node.removeAttribute("aria-busy");
    fillMessage(row, item.message, this, item.grouped);
  }

  /** What stands after the stored messages of a place: thinking, drafts, pending. */
  tail(place, previous) {
    const { thinking, drafts } = this.room.working(place);
    const pending = this.outbox.of(this.room.id).filter((item) => item.thread_id === place && !this.room.messages.has(item.id));
    return [
      ...thinking.map((run) => ({ key: `w:${run.id}`, run, busy: true, version: `${run.state}${run.status}`, make: () => rowPart((row, item) => fillThinking(row, item.run, this)) })),
      ...drafts.map((draft) => ({ key: draft.message_id, draft, busy: true, version: `d${draft.attempt}:${draft.rev}`, make: () => this.livePart() })),
      ...this.pendingItems(pending, thinking.length || drafts.length ? null : previous),
    ];
  }

  pendingItems(pending, first) {
    let previous = first;
    return pending.map((item) => {
      const twin = { author: { id: this.me }, created_at: item.at };
      const grouped = this.follows(previous, twin);
      previous = previousOf(twin);
      return { key: `p:${item.client_id}`, pending: item, grouped, version: `${item.rev}${grouped}`, make: () => rowPart((row, entry) => fillPending(row, entry.pending, this, entry.grouped)) };
    });
  }

  makeThread(id) {
    const toggle = h("button", { class: "thread-toggle", type: "button", onclick: () => this.toggle(id) });
    const inner = h("div", { class: "thread-rows" });
    const foot = h("div", { class: "thread-foot" });
    const node = h("section", { class: "thread", "aria-label": "Thread" }, toggle, inner, foot);
    const cache = new Map();
    return { node, update: ({ root, tail, notes }) => this.fillThread({ root, tail, notes, toggle, inner, foot, cache, node }) };
  }

  toggle(id) {
    if (this.open.has(id)) this.fold(id);
    else this.unfold(id);
    this.atEnd = false;
    this.render();
    this.scrolled();
  }

  fillThread({ root, tail, notes, toggle, inner, foot, cache, node }) {
    const open = this.open.has(root.id);
    const replies = this.room.threads.get(root.id) || [];
    node.classList.toggle("open", open);
    this.fillToggle(toggle, root, replies, tail.length + notes.length > 0);
    const items = open ? [...this.replyItems(mergeBySeq(replies, notes)), ...tail] : [];
    if (open && !this.room.complete(root)) items.unshift(this.loadingItem(root));
    reconcile(inner, items, cache);
    this.fillFoot(foot, root, open);
  }

  loadingItem(root) {
    const broken = this.room.broken.has(root.id);
    if (!broken) this.actions.openThread(root);
    const again = () => h("button", { class: "older", type: "button", onclick: () => this.actions.threadAgain(root) }, "Replies did not load. Try again");
    return { key: broken ? "broken" : "loading", version: 0, make: () => ({ node: broken ? again() : h("p", { class: "faint pad" }, "Loading replies…") }) };
  }

  replyItems(entries) {
    let previous = null;
    return entries.map((entry) => {
      if (entry.text !== undefined) return (previous = null) || noteItem(entry);
      const grouped = this.follows(previous, entry);
      previous = previousOf(entry);
      return this.messageItem(entry, grouped);
    });
  }

  fillToggle(toggle, root, replies, busy) {
    const open = this.open.has(root.id);
    const count = this.room.replyCount(root);
    const state = `${count}${open}${root.last_reply_at}${replies.length}`;
    toggle.hidden = count === 0 && !busy;
    if (toggle.dataset.state === state) return;
    toggle.dataset.state = state;
    toggle.setAttribute("aria-expanded", String(open));
    const authors = [...new Map(replies.map((reply) => [reply.author.id, reply.author])).values()].slice(-3);
    const last = replies.at(-1)?.created_at || root.last_reply_at;
    toggle.replaceChildren(icon("chevron"), h("span", { class: "faces" }, ...authors.map((author) => avatar(author, "tiny"))),
      h("b", {}, count === 0 ? "Thread" : count === 1 ? "1 reply" : `${count} replies`), ...(last ? [timeNode(last, "last reply ")] : []));
  }

  fillFoot(foot, root, open) {
    const state = !open || !this.canPost() ? "none" : this.writing.has(root.id) ? "writing" : "button";
    if (foot.dataset.state !== state) {
      foot.dataset.state = state;
      foot.replaceChildren(...(state === "none" ? [] : state === "button" ? [this.replyButton(root)] : [this.replyComposer(root).node]));
    }
    if (state === "writing" && this.focusThread === root.id) this.focusLater(foot);
  }

  focusLater(foot) {
    this.focusThread = null;
    requestAnimationFrame(() => {
      foot.scrollIntoView({ block: "nearest" });
      foot.querySelector("textarea")?.focus();
    });
  }

  replyButton(root) {
    return h("button", { class: "reply-start", type: "button", onclick: () => this.write(root.id) }, icon("reply"), "Reply in thread");
  }

  replyComposer(root) {
    return new Composer({
      label: `Reply to ${nameOf(root.author)}`,
      compact: true,
      room: this.room,
      me: this.me,
      onSend: (text) => this.actions.send(text, root.id),
      onTyping: () => this.actions.typing(root.id),
      onEscape: () => {
        this.writing.delete(root.id);
        this.render();
      },
    });
  }

  renderTop() {
    const { room } = this;
    const state = `${room.more}${room.loadingOlder}${room.olderProblem}${room.info.name}${room.info.description}${room.roots.length === 0}`;
    if (this.top.dataset.state === state) return;
    this.top.dataset.state = state;
    this.top.replaceChildren(room.more ? this.olderButton() : intro(room));
  }

  olderButton() {
    const words = this.room.olderProblem || "Load older messages";
    return h("button", { class: "older", type: "button", disabled: this.room.loadingOlder, onclick: () => this.actions.older() }, this.room.loadingOlder ? "Loading older messages…" : words);
  }

  /** The first row on screen and where it stands, so that changes above it do not move it. */
  anchor() {
    const edge = this.scroller.getBoundingClientRect().top;
    for (const row of this.list.querySelectorAll(".row")) {
      const { top, bottom } = row.getBoundingClientRect();
      if (bottom > edge) return { row, top };
    }
    return null;
  }

  restore(held) {
    if (!held?.row.isConnected) return;
    const moved = held.row.getBoundingClientRect().top - held.top;
    if (moved) this.scroller.scrollTop += moved;
  }

  scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    this.atEnd = scrollHeight - scrollTop - clientHeight < END_PX;
    if (this.atEnd) this.unread = 0;
    if (this.atEnd) this.actions.seen();
    this.renderPill();
    if (scrollTop < TOP_PX && this.room?.more && !this.room.loadingOlder && !this.room.olderProblem && scrollHeight > clientHeight) this.actions.older();
  }

  jump() {
    this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  toEnd() {
    this.atEnd = true;
    this.jump();
    this.scrolled();
  }

  noteUnread() {
    if (!this.atEnd) this.unread += 1;
  }

  renderPill() {
    const text = this.unread === 0 ? "" : this.unread === 1 ? "1 new message" : `${this.unread} new messages`;
    this.pill.hidden = !text;
    if (text && this.pill.dataset.text !== text) this.pill.replaceChildren(text, icon("down"));
    this.pill.dataset.text = text;
  }
}

const previousOf = (message) => message && { author: message.author?.id, at: Date.parse(message.created_at) };

function rowPart(fill) {
  const row = new Row("");
  return { node: row.node, update: (item) => fill(row, item) };
}

function mergeBySeq(roots, notes) {
  if (!notes.length) return roots;
  return [...roots, ...notes].sort((one, other) => one.seq - other.seq);
}

function dayItem(at) {
  return { key: `day:${dayKey(at)}`, version: dayName(at), make: () => dayPart() };
}

function dayPart() {
  const words = h("span");
  return { node: h("div", { class: "day" }, words), update: (item) => (words.textContent = item.version) };
}

function noteItem(note) {
  return { key: note.key, version: 0, make: () => ({ node: h("p", { class: `note ${note.kind}` }, note.text, " ", note.at ? timeNode(note.at) : "") }) };
}

function intro(room) {
  const hint = room.roots.length ? null : h("p", { class: "intro-hint" }, "Nothing here yet. Say hello, or type @ to call somebody, people and AI participants alike.");
  return h("div", { class: "intro" }, h("span", { class: "intro-mark" }, icon("hash")), h("h2", {}, room.info.name || "This room"), h("p", {}, room.info.description || "This is where the room begins."), hint);
}
