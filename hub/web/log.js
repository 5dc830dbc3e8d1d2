// The timeline on screen: roots in order with their threads inline, kept still while the reader reads
// and following the end only when the reader is there.

import { byId, h, icon, reconcile } from "./dom.js";
import { dayItem, follows, intro, mergeBySeq, newItem, noteItem, previousOf, rowPart } from "./items.js";
import { NewsPill } from "./news.js";
import { whyNot } from "./rights.js";
import { fillDraft, fillMessage, fillPending, fillThinking } from "./message.js";
import { Thread } from "./thread.js";
import { dayKey } from "./time.js";

const END_PX = 24;
const TOP_PX = 240;

export class LogView {
  #following = true;
  #knownTop = 0;

  /** `actions`: reply, react, edit, remove, retry, takeBack, older, openThread, threadAgain, send, typing, of runs stop
   * and again, of sessions rephrase and regenerate; looked, when the end comes into sight; `outbox` for
   * pending rows. */
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
    this.news = new NewsPill(this);
    this.resized = new ResizeObserver(() => this.atEnd && this.jump());
    this.resized.observe(this.scroller);
  }

  /** Whether the end is followed. A reader may have scrolled and the event not come yet: what has moved is looked at. */
  get atEnd() {
    if (this.scroller.scrollTop !== this.#knownTop) this.heed();
    return this.#following;
  }

  set atEnd(following) {
    this.#following = following;
    this.#knownTop = this.scroller.scrollTop;
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
    this.list.dataset.room = room.id || "";
    this.top.replaceChildren();
    this.top.dataset.state = "";
    this.people = { byHandle: (handle) => room.byHandle(handle), me: this.me };
    this.render();
    this.renderPill();
  }

  canPost() {
    return whyNot(this.room, this.me) === null;
  }

  /** Whether an AI participant may be asked again: not while a person answers in its place. */
  canAsk() {
    return this.canPost() && !this.room.session?.handler;
  }

  canManage() {
    return ["owner", "admin"].includes(this.room.members.get(this.me)?.role);
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
    const following = this.atEnd;
    const held = following ? null : this.anchor();
    reconcile(this.list, this.items(), this.rows);
    this.renderTop();
    if (following) this.jump();
    else this.restore(held);
    this.renderPill();
  }

  items() {
    const items = [];
    let told = false;
    const notes = this.room.notes.filter((note) => !this.room.messages.has(note.place));
    this.last = this.room.last();
    let previous = null;
    for (const entry of mergeBySeq(this.room.shown(), notes)) {
      const at = entry.created_at || entry.at;
      const newDay = at && dayKey(at) !== previous?.day;
      if (newDay) items.push(dayItem(at));
      if (entry.text !== undefined) {
        items.push(noteItem(entry, this));
        previous = { day: at ? dayKey(at) : previous?.day };
        continue;
      }
      const begins = !told && this.room.fresh.has(entry);
      if (begins) items.push(newItem());
      told ||= begins;
      const threaded = this.pushRoot(items, entry, !newDay && !begins && follows(previous, entry));
      previous = { day: at && dayKey(at), author: threaded ? null : entry.author?.id, at: Date.parse(at) };
    }
    return items.concat(this.tail(null, previous));
  }

  /** The row of a root and, when it has one, its thread; true when there is a thread. */
  pushRoot(items, root, grouped) {
    items.push(this.messageItem(root, grouped));
    const replies = this.room.threads.get(root.id) || [];
    const tail = this.tail(root.id, previousOf(replies.at(-1)));
    const busy = tail.some((item) => item.busy);
    const notes = this.room.notes.filter((note) => note.place === root.id);
    const newest = replies.length + notes.length > 0 && root === this.room.roots.at(-1);
    const shown = busy || newest || replies.some((reply) => this.room.fresh.has(reply));
    if (shown && !this.closed.has(root.id)) this.unfold(root.id);
    if (!shown) this.closed.delete(root.id);
    const threaded = this.room.replyCount(root) + tail.length + notes.length > 0 || this.writing.has(root.id);
    if (threaded) items.push({ key: `t:${root.id}`, make: () => threadPart(this, root.id), root, tail, notes });
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
    const last = message === this.last.asked || message === this.last.reply;
    const version = `m${message.rev}${grouped}${this.canPost()}${this.canManage()}${this.canAsk()}${last}`;
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
      ...thinking.map((run) => ({ key: `w:${run.id}`, run, busy: true, version: `${run.state}${run.status}${this.canPost()}`, make: () => rowPart((row, item) => fillThinking(row, item.run, this)) })),
      ...drafts.map((draft) => ({ key: draft.message_id, draft, busy: true, version: `d${draft.attempt}:${draft.rev}:${this.canPost()}`, make: () => this.livePart() })),
      ...this.pendingItems(pending, thinking.length || drafts.length ? null : previous),
    ];
  }

  pendingItems(pending, first) {
    let previous = first;
    return pending.map((item) => {
      const twin = { author: { id: this.me }, created_at: item.at };
      const grouped = follows(previous, twin);
      previous = previousOf(twin);
      return { key: `p:${item.client_id}`, pending: item, grouped, version: `${item.rev}${grouped}`, make: () => rowPart((row, entry) => fillPending(row, entry.pending, this, entry.grouped)) };
    });
  }

  toggle(id) {
    if (this.open.has(id)) this.fold(id);
    else this.unfold(id);
    this.atEnd = false;
    this.render();
    this.scrolled();
  }

  /** Gives up writing a reply; the focus goes back to the button that began it. */
  leave(id, foot) {
    this.writing.delete(id);
    this.render();
    foot.querySelector("button")?.focus();
  }

  renderTop() {
    const { room } = this;
    const state = `${room.more}${room.loadingOlder}${room.olderProblem}${room.info.name}${room.info.description}${room.session?.system_prompt}${room.roots.length === 0}`;
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

  heed() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    this.atEnd = scrollHeight - scrollTop - clientHeight < END_PX;
  }

  scrolled() {
    this.heed();
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    if (this.atEnd) this.unread = 0;
    if (this.atEnd) this.actions.looked();
    this.renderPill();
    if (scrollTop < TOP_PX && this.room?.more && !this.room.loadingOlder && !this.room.olderProblem && scrollHeight > clientHeight) this.actions.older();
  }

  jump() {
    this.scroller.scrollTop = this.scroller.scrollHeight;
    this.atEnd = true;
  }

  toEnd() {
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
    this.news.render();
  }
}

function threadPart(log, id) {
  const thread = new Thread(log, id);
  return { node: thread.node, update: (item) => thread.update(item) };
}
