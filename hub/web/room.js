// One room or session as this reader knows it: members, messages by thread, drafts, runs. Durable
// events are applied in seq order exactly once; no DOM in here.

import { grow, openDraft } from "./draft.js";
import { Fresh } from "./fresh.js";
import { isAi, nameOf } from "./people.js";
import { whatChanged } from "./session.js";

const ENDED = new Set(["succeeded", "silent", "failed", "cancelled", "suppressed"]);
const TYPING_MS = 5000;

const rootOf = (message) => (message.thread_id && message.thread_id !== message.id ? message.thread_id : null);

const idOf = (value) => (typeof value === "string" ? value : value?.id);

function insertBySeq(list, message) {
  let at = list.length;
  while (at > 0 && list[at - 1].seq > message.seq) at -= 1;
  list.splice(at, 0, message);
}

export class Room {
  constructor(id) {
    this.id = id;
    this.loaded = false;
    this.fresh = new Fresh(this);
    this.clear();
  }

  clear() {
    this.info = this.info || {};
    this.members = new Map();
    this.past = new Map();
    this.messages = new Map();
    this.roots = [];
    this.threads = new Map();
    this.whole = new Set();
    this.broken = new Set();
    this.drafts = new Map();
    this.runs = new Map();
    this.ended = new Set();
    this.notes = [];
    this.typists = new Map();
    this.here = new Set();
    this.seq = 0;
    this.oldest = Infinity;
    this.more = false;
  }

  /** What makes a room a session; null for a room. A session has no threads. */
  get session() {
    return this.info.session || null;
  }

  /** Roots to show: in a session a reply that was replaced by another is gone. */
  shown() {
    return this.session ? this.roots.filter((message) => !message.deleted_at) : this.roots;
  }

  /** In a session, what its user asked last and the reply that ends it, each if it can be had anew. */
  last() {
    if (!this.session || this.runs.size || this.drafts.size) return {};
    const shown = this.shown();
    const reply = shown.at(-1);
    const asked = shown.findLast((message) => message.author?.id === this.session.owner);
    return { asked, reply: reply && isAi(reply.author) ? reply : null };
  }

  /** Takes the answer of GET /v1/rooms/{id}; what was known before is replaced. */
  load(data) {
    this.clear();
    const info = data.room ? { ...data.room, ...data } : data;
    this.info = info;
    this.epoch = info.epoch;
    for (const member of info.members || []) this.members.set(member.id, member);
    const recent = info.recent_messages || [];
    this.addPage(recent);
    this.more = recent.length >= 50;
    this.seq = info.head ?? recent.reduce((top, message) => Math.max(top, message.seq), 0);
    this.loaded = true;
  }

  /** A page of the log; pages reach back without holes, so its first seq is the next `before`. */
  addPage(items) {
    for (const message of items) {
      this.put(message);
      this.oldest = Math.min(this.oldest, message.seq);
    }
  }

  /** Inserts or replaces a message; true when it was not known. */
  put(message) {
    const known = this.messages.get(message.id);
    if (known) {
      const { reply_count = 0, last_reply_at } = known;
      Object.assign(known, message, { reply_count, last_reply_at, rev: known.rev + 1 });
      return false;
    }
    const own = { ...message, rev: 0 };
    const root = rootOf(own);
    this.messages.set(own.id, own);
    if (root === null) insertBySeq(this.roots, own);
    else insertBySeq(this.threadOf(root), own);
    return true;
  }

  threadOf(root) {
    if (!this.threads.has(root)) this.threads.set(root, []);
    return this.threads.get(root);
  }

  /** Roots that replies, drafts or runs here belong to and that are not loaded yet. */
  orphans() {
    const named = [...this.threads.keys(), ...[...this.drafts.values()].map((draft) => draft.thread_id), ...[...this.runs.values()].map((run) => run.place)];
    return [...new Set(named)].filter((root) => root && !this.messages.has(root));
  }

  /** All replies are here, or have yet to happen. */
  complete(root) {
    return this.whole.has(root.id) || (this.threads.get(root.id)?.length || 0) >= (root.reply_count || 0);
  }

  replyCount(root) {
    const here = this.threads.get(root.id)?.length || 0;
    return this.whole.has(root.id) ? here : Math.max(root.reply_count || 0, here);
  }

  byHandle(handle) {
    const wanted = String(handle).toLowerCase();
    for (const member of this.members.values()) if (member.handle?.toLowerCase() === wanted) return member;
    return null;
  }

  person(value) {
    return this.members.get(idOf(value)) || this.past.get(idOf(value)) || (typeof value === "object" && value) || { id: idOf(value) };
  }

  /** Applies one durable event. Answers `"gap"`, or `{message}` when a new message came in. */
  apply(event, gapsUntil = 0) {
    if (event.seq <= this.seq) return null;
    if (event.seq > this.seq + 1 && event.seq > gapsUntil) return "gap";
    this.seq = event.seq;
    const act = EVENTS[event.type];
    return act ? act(this, event.data || {}, event) : null;
  }

  created(message) {
    const draft = this.drafts.get(message.run_id);
    const fresh = this.put(message);
    const own = this.messages.get(message.id);
    if (draft) own.key = draft.message_id;
    this.drafts.delete(message.run_id);
    this.runs.delete(message.run_id); // its end comes next; a run that goes on, waiting, says so
    this.typists.delete(message.author?.id);
    const root = this.messages.get(rootOf(message));
    if (fresh && rootOf(message) === null) this.whole.add(message.id);
    if (fresh && root) {
      root.reply_count = (root.reply_count || 0) + 1;
      root.last_reply_at = message.created_at;
      root.rev += 1;
    }
    return fresh ? { message: own } : null;
  }

  change(id, alter) {
    const message = this.messages.get(id);
    if (!message) return;
    alter(message);
    message.rev += 1;
  }

  react(data, add) {
    const who = idOf(data.participant) || data.participant_id || idOf(data.author) || idOf(data.by);
    this.change(data.message_id || data.message?.id, (message) => {
      const reactions = { ...(message.reactions || {}) };
      const people = (reactions[data.emoji] || []).filter((id) => id !== who);
      if (add) people.push(who);
      if (people.length) reactions[data.emoji] = people;
      else delete reactions[data.emoji];
      message.reactions = reactions;
    });
  }

  /** The thread a run answers in: null for the room itself. */
  placeOf(run) {
    if (this.session) return null;
    if (run.thread_id !== undefined) return run.thread_id;
    const trigger = this.messages.get(run.trigger_message_id);
    return trigger ? rootOf(trigger) || trigger.id : null;
  }

  runKnown(run) {
    const id = run?.id || run?.run_id;
    if (!id || this.ended.has(id)) return;
    if (ENDED.has(run.state)) return;
    for (const note of this.notes) if (note.of === askedOf(run)) note.again = null;
    this.runs.set(id, { ...this.runs.get(id), ...run, id, place: this.placeOf(run) });
  }

  runEnded(run, event) {
    const id = run.id || run.run_id;
    const known = this.runs.get(id) || run;
    this.ended.add(id);
    this.runs.delete(id);
    for (const message of this.roots) if (message.replaced) this.change(message.id, (known) => (known.replaced = false));
    if (run.state === "succeeded") return;
    const draft = this.drafts.get(id);
    this.drafts.delete(id);
    if (run.state === "silent" || this.messages.has(run.message_id || run.reply_message_id)) return;
    const place = draft?.thread_id ?? known.place ?? this.placeOf(run);
    const person = this.person(run.participant || known.participant || draft?.participant);
    this.note(event, endOf(run, nameOf(person)), place, run.state === "failed" ? "problem" : "quiet");
    Object.assign(this.notes.at(-1), { again: id, of: askedOf(run) });
  }

  /** What a run warns of, as of a budget near its end: told in the room, whatever becomes of it. */
  warned(run, event) {
    if (run.warning) this.notes.push({ key: `b:${event.seq}`, seq: event.seq, at: event.at, text: `${run.warning.message}.`, place: null, kind: "quiet" });
  }

  note(event, text, place = null, kind = "quiet") {
    this.notes.push({ key: `n:${event.seq}`, seq: event.seq, at: event.at, text, place, kind });
  }

  /** A delta of a running reply; true when the draft changed. */
  delta(data) {
    if (this.ended.has(data.run_id) || this.messages.has(data.message_id)) return false;
    const before = this.drafts.get(data.run_id);
    const after = grow(before, { ...data, thread_id: this.placeOf(data) });
    this.drafts.set(data.run_id, after);
    return after !== before;
  }

  /** The drafts of a subscribe reply; a draft that is further along here is kept. */
  takeDrafts(drafts = []) {
    for (const data of drafts) {
      if (this.ended.has(data.run_id) || this.messages.has(data.message_id)) continue;
      const before = this.drafts.get(data.run_id);
      const after = openDraft({ ...data, thread_id: this.placeOf(data) });
      const further = before && (before.attempt > after.attempt || (before.attempt === after.attempt && before.length >= after.length));
      if (!further) this.drafts.set(data.run_id, { ...after, rev: (before?.rev ?? 0) + 1 });
    }
  }

  status(data) {
    const run = this.runs.get(data.run_id);
    if (run) run.status = data.text;
    const draft = this.drafts.get(data.run_id);
    if (draft) this.drafts.set(data.run_id, { ...draft, status: data.text, rev: draft.rev + 1 });
  }

  /** Who is there, as a subscription tells it: diffs follow. */
  takePresence(presence) {
    this.here = new Set((presence?.participants || []).map((who) => who.id));
  }

  presence({ joined = [], left = [] }) {
    for (const who of joined) this.here.add(who.id);
    for (const who of left) this.here.delete(who.id);
  }

  typing(data, now = Date.now()) {
    const who = this.person(data.participant || data.participant_id || data.author);
    if (who.id) this.typists.set(who.id, { who, until: now + TYPING_MS });
  }

  typingNow(me, now = Date.now()) {
    for (const [id, { until }] of this.typists) if (until < now) this.typists.delete(id);
    return [...this.typists.values()].map((entry) => entry.who).filter((who) => who.id !== me);
  }

  /** Runs without text yet, and drafts, that belong under a root (null: in the room itself). */
  working(place) {
    const thinking = [...this.runs.values()].filter((run) => run.place === place && !this.drafts.has(run.id));
    const drafts = [...this.drafts.values()].filter((draft) => (draft.thread_id ?? null) === place);
    return { thinking, drafts };
  }
}

/** What a run shares with those that try it again. */
const askedOf = (run) => `${run.participant?.id}:${run.trigger_message_id}`;

function endOf(run, name) {
  const why = run.error?.message || (typeof run.error === "string" ? run.error : "") || run.reason || "";
  if (run.state === "failed") return `${name} could not reply${why ? `: ${why}` : "."}`;
  if (run.state === "cancelled") return `${name} was stopped.`;
  return `${name} did not reply${why ? `: ${why}` : "."}`;
}

const messageIn = (data) => data.message || data;
const runIn = (data) => data.run || data;
const memberIn = (data) => data.member || data;

/** What an edit may change: a message is rendered as it is now, its replies come as events. */
const keep = ({ content, mention, edited_at, deleted_at, reactions, status }) =>
  Object.fromEntries(Object.entries({ content, mention, edited_at, deleted_at, reactions, status }).filter(([, value]) => value !== undefined));

/** What each durable event does to a room. */
const EVENTS = {
  "message.created": (room, data) => room.created(messageIn(data)),
  "message.updated": (room, data) => {
    const message = messageIn(data);
    room.change(message.id || data.message_id, (known) => Object.assign(known, keep(message)));
  },
  "message.deleted": (room, data, event) => {
    const message = messageIn(data);
    room.change(message.id || data.message_id, (known) => {
      known.content = "";
      known.deleted_at = message.deleted_at || event.at;
      known.reactions = {};
    });
  },
  "reaction.added": (room, data) => room.react(data, true),
  "reaction.removed": (room, data) => room.react(data, false),
  "member.joined": (room, data, event) => {
    const member = memberIn(data);
    room.members.set(member.id, { ...room.members.get(member.id), ...member });
    if (!room.session) room.note(event, `${nameOf(member)} joined`);
  },
  "member.updated": (room, data) => {
    const member = memberIn(data);
    room.members.set(member.id, { ...room.members.get(member.id), ...member });
  },
  "member.left": (room, data, event) => {
    const member = room.person(memberIn(data).id || data.participant_id || data.participant);
    room.members.delete(member.id);
    room.past.set(member.id, member);
    if (!room.session) room.note(event, `${nameOf(member)} left`);
  },
  "room.updated": (room, data, event) => {
    const told = room.session && data.session && whatChanged(room, data.session);
    Object.assign(room.info, data.room || data);
    if (told) room.note(event, told);
  },
  "room.archived": (room, data, event) => {
    room.info.archived_at = (data.room || data).archived_at || event.at;
    if (!room.session) room.note(event, "This room was archived");
    else if (!data.promoted_to) room.info.session = { ...room.session, deleted_at: room.info.archived_at };
  },
  "run.queued": (room, data, event) => {
    room.runKnown(runIn(data));
    room.warned(runIn(data), event);
  },
  "run.waiting": (room, data) => room.runKnown({ ...runIn(data), state: "waiting" }),
  "run.finished": (room, data, event) => {
    room.runEnded(runIn(data), event);
    room.warned(runIn(data), event);
  },
};
