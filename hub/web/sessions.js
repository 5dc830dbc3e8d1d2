// The sessions of the signed-in: which there are, who waits for a person, and what is done with the
// open one. What the bar, the strip and the drawer show of it is drawn by strip.js and details.js.

import { explain } from "./api.js";
import { byId, toast, uuid } from "./dom.js";
import { renderDetails } from "./details.js";
import { nameOf } from "./people.js";
import { rights } from "./rights.js";
import { askCall, askDeleteSession, askHandBack, askNewSession, askPromote, askSettings } from "./sessiondialogs.js";
import { addressOf, titleOf } from "./session.js";
import { drawer, isNarrow, renderSessions } from "./sidebar.js";
import { renderStrip } from "./strip.js";

const QUEUE_EVERY_MS = 60000;

export class Sessions {
  /** `chat` gives api, me, role, room, participants and where to go. */
  constructor(chat) {
    this.chat = chat;
    this.api = chat.api;
    this.known = new Map();
    this.state = { loaded: false, problem: null, next: null };
    this.admin = chat.role === "tenant_admin";
  }

  start() {
    byId("new-session").onclick = () => this.create();
    if (this.admin) this.timer = setInterval(() => this.listQueue(), QUEUE_EVERY_MS);
    this.show();
  }

  close() {
    clearInterval(this.timer);
  }

  // Which there are

  /** Reads the newest anew; those on screen that are older stay. */
  async list() {
    await Promise.all([this.page(null), this.listQueue()]);
  }

  async page(cursor) {
    try {
      const page = await this.api.sessions({ cursor });
      page.items.forEach((session) => this.keep(session));
      const first = this.state.next === null || cursor;
      this.state = { loaded: true, problem: null, next: first ? page.next : this.state.next };
    } catch (error) {
      this.state.problem = explain(error);
    }
    this.show();
    if (!this.chat.closed) this.chat.follow();
  }

  /** A hint may be lost, so who waits is read now and then; and whom one answers oneself. */
  async listQueue() {
    if (!this.admin || this.chat.closed) return;
    const before = this.waiting();
    const lists = ["waiting", "taken"].map((queue) => this.api.sessions({ queue, limit: 200 }));
    const found = await Promise.all(lists).catch(() => null);
    if (!found) return;
    const [queue, taken] = found;
    const there = new Set(queue.items.map((session) => session.id));
    if (!queue.next) for (const session of before) if (!there.has(session.id)) this.known.delete(session.id);
    for (const session of [...queue.items, ...taken.items]) this.keep(session);
    this.show();
  }

  /** Told to admins live: a session waits for a person, or no longer. */
  queued({ session, waiting }) {
    const news = waiting && !this.known.get(session.id)?.queue;
    this.take(session);
    if (news && session.owner !== this.chat.me) byId("announcer").textContent = `${titleOf(session)} waits for a person.`;
  }

  /** Takes a session as an answer or event tells it; one that is older than what is known is left. */
  take(session) {
    this.keep(session);
    this.show();
  }

  keep(session) {
    if (this.known.get(session.id)?.updated_at > session.updated_at) return;
    if (session.deleted_at) this.known.delete(session.id);
    else this.known.set(session.id, session);
  }

  own() {
    const mine = [...this.known.values()].filter(({ owner, room_id }) => owner === this.chat.me && !room_id);
    return mine.sort((one, other) => (one.id < other.id ? 1 : -1));
  }

  waiting() {
    if (!this.admin) return [];
    const queue = [...this.known.values()].filter((session) => session.queue && session.owner !== this.chat.me);
    return queue.sort((one, other) => Date.parse(one.queue.since) - Date.parse(other.queue.since));
  }

  answering() {
    return [...this.known.values()].filter(({ handler, owner, status }) => handler === this.chat.me && owner !== handler && status === "active");
  }

  show() {
    if (this.chat.closed) return;
    const lists = { own: this.own(), waiting: this.waiting(), answering: this.answering() };
    const older = this.state.next && (() => this.page(this.state.next));
    renderSessions({ ...lists, ...this.state, current: this.chat.room?.id, older }, () => this.list());
  }

  // The open one

  /** The open session, or that the room is none. */
  showOpen() {
    const { room } = this.chat;
    const { session } = room;
    const may = session && rights(room, this.chat);
    renderStrip(room, this.chat.me, session ? this.urgent(may) : []);
    renderDetails(room, session ? this.acts(may) : []);
    if (session && this.known.get(session.id) !== session) this.take(session);
  }

  /** What lies nearest, beside the sentence on who answers. */
  urgent(may) {
    const acts = this.acts(may);
    return acts.filter(({ act, nearest }) => nearest || ["handle", "call", "room"].includes(act));
  }

  /** Everything that may be done: `{act, words, icon, run()}`. */
  acts(may) {
    const { session } = this.chat.room;
    const closed = session.status === "closed";
    return [
      session.room_id && { act: "room", words: "Open the room", run: () => this.goToRoom(session.room_id) },
      may.take && { act: "handle", words: "Take over", run: () => this.takeOver() },
      may.handBack && { act: "handle", words: "Hand back", run: () => this.handBack() },
      may.call && { act: "call", words: "Talk to a person", run: () => this.call() },
      may.change && { act: "settings", words: "Title and instructions", run: () => this.settings() },
      may.change && { act: "status", words: closed ? "Open again" : "Close session", nearest: closed, run: () => this.change({ status: closed ? "active" : "closed" }) },
      { act: "md", words: "Save as Markdown", run: () => this.save("md") },
      { act: "json", words: "Save as JSON", run: () => this.save("json") },
      may.promote && { act: "promote", words: "Make it a room", run: () => this.promote() },
      may.change && { act: "delete", words: "Delete session", danger: true, run: () => this.remove() },
    ].filter(Boolean);
  }

  async create() {
    try {
      const models = await this.api.models();
      const key = uuid();
      askNewSession({ models, create: async (body) => this.goTo(await this.api.createSession(body, `${key}-${JSON.stringify(body).length}`)) });
    } catch (error) {
      this.complain(error);
    }
  }

  goTo(session) {
    this.take(session);
    location.hash = addressOf(session.id);
    if (isNarrow()) drawer(null);
  }

  async goToRoom(id) {
    await this.chat.rooms.list();
    location.hash = addressOf(id);
  }

  call() {
    const { session } = this.chat.room;
    askCall({ call: (message) => this.done(this.api.escalate(session.id, message)) });
  }

  /** Of two who take a session one has it; the other is told who. */
  async takeOver() {
    const { session } = this.chat.room;
    try {
      await this.done(this.api.takeOver(session.id));
    } catch (error) {
      if (error.code !== "SESSION_TAKEN") return this.complain(error);
      const who = error.details.find(({ field }) => field === "handler")?.message;
      const person = this.chat.participants?.find(({ id }) => id === who) || this.chat.room.person(who);
      toast(`${nameOf(person)} has taken this session over already.`, "error");
    }
  }

  handBack() {
    const { session } = this.chat.room;
    askHandBack({ model: session.model, give: (note) => this.done(this.api.handBack(session.id, note)) });
  }

  settings() {
    const { session } = this.chat.room;
    askSettings({ session, save: (fields) => this.done(this.api.changeSession(session.id, fields)) });
  }

  change(fields) {
    return this.done(this.api.changeSession(this.chat.room.session.id, fields)).catch((error) => this.complain(error));
  }

  remove() {
    const { session } = this.chat.room;
    askDeleteSession({
      title: titleOf(session),
      remove: async () => {
        this.take({ ...(await this.api.deleteSession(session.id)), deleted_at: new Date().toISOString() });
        if (this.chat.room?.id === session.id) this.chat.leave();
      },
    });
  }

  promote() {
    const { session } = this.chat.room;
    const room = this.chat.room;
    askPromote({
      name: titleOf(session),
      participants: this.chat.participants?.filter(({ id }) => !room.members.has(id)),
      promote: async (body) => this.goToRoom((await this.api.promote(session.id, body)).id),
    });
  }

  async save(format) {
    const { session } = this.chat.room;
    try {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(await this.api.exported(session.id, format));
      link.download = `${titleOf(session)}.${format}`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    } catch (error) {
      this.complain(error);
    }
  }

  /** Says the last message anew. */
  rephrase(message, content) {
    return this.api.ask("PATCH", message.room_id, `messages/${encodeURIComponent(message.id)}`, { content });
  }

  /** Has the last reply written anew; the old one stays, pale, until the new one stands. */
  async regenerate(message) {
    const { room } = this.chat;
    const mark = (replaced) => room.change(message.id, (known) => (known.replaced = replaced));
    mark(true);
    this.chat.view.schedule();
    try {
      await this.api.ask("POST", message.room_id, "regenerate");
    } catch (error) {
      mark(false);
      this.chat.view.schedule();
      this.complain(error);
    }
  }

  /** What an act answers is the session as it is now; the event that tells it may come later. */
  async done(asked) {
    this.take(await asked);
  }

  complain(error) {
    if (!this.chat.closed && error.status !== 401) toast(explain(error), "error");
  }
}
