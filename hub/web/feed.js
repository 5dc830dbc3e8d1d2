// Keeps the open room in step with its log: subscribes from where it stands, applies what comes, and
// reads the rest by REST when the hub cannot replay it.

import { explain } from "./api.js";
import { toast } from "./dom.js";
import { ConnectionLost } from "./socket.js";

const AGAIN_MS = 3000;
const ROOM_EVENTS = new Set(["room.updated", "room.archived", "member.joined", "member.updated", "member.left"]);

export class Feed {
  /** `chat` gives room, socket, api, outbox, view, and is told by `changed(effect)`. */
  constructor(chat) {
    this.chat = chat;
    this.held = null;
    this.asked = new Set();
  }

  leave() {
    const { room, rooms, socket } = this.chat;
    const live = this.live;
    this.live = false;
    this.held = null;
    this.asked.clear();
    if (room?.loaded && socket.online && !rooms.keeps(room.id, live)) socket.command("unsubscribe", { room_id: room.id }).catch(() => {});
  }

  /** Subscribes the open room from its last applied seq. */
  async follow() {
    const { room, socket } = this.chat;
    if (!room?.loaded || !socket.online) return;
    this.gapsUntil = Infinity;
    this.live = false;
    try {
      const fields = { room_id: room.id, since: room.seq };
      if (room.epoch) fields.epoch = room.epoch;
      const reply = await socket.command("subscribe", fields);
      if (room !== this.chat.room) return;
      this.live = true;
      this.gapsUntil = reply.head ?? 0;
      room.takePresence(reply.presence);
      if (reply.recovered === false) await this.reload(room, reply);
      else room.takeDrafts(reply.drafts);
      this.chat.showHeader();
      this.chat.changed();
      this.runs(room);
      this.orphans(room);
    } catch (error) {
      this.held = null;
      if (error instanceof ConnectionLost || room !== this.chat.room || error.status === 401) return;
      if (error.status === 0 && error.code !== "UNREACHABLE") toast(explain(error), "error");
      else setTimeout(() => room === this.chat.room && this.follow(), AGAIN_MS);
    }
  }

  /** The hub could not replay: read the room anew; what comes meanwhile waits its turn. */
  async reload(room, reply) {
    this.held = [];
    const data = await this.chat.api.room(room.id);
    if (room !== this.chat.room) return;
    room.load(data);
    room.takePresence(reply.presence);
    room.epoch = data.epoch ?? reply.epoch;
    for (const message of room.messages.values()) this.chat.outbox.settle(message);
    this.chat.outbox.settleUpTo(room.id, room.seq);
    room.takeDrafts(reply.drafts);
    const held = this.held;
    this.held = null;
    this.asked.clear();
    this.gapsUntil = Infinity;
    for (const event of held) this.take(event);
    this.gapsUntil = reply.head ?? 0;
    this.chat.showHeader();
    this.chat.showComposer();
  }

  take(event) {
    if (this.held) return void this.held.push(event);
    const { room } = this.chat;
    if (!room.loaded) return;
    if (typeof event.seq === "number") return this.durable(room, event);
    const data = event.data || {};
    if (event.type === "message.delta") room.delta(data);
    else if (event.type === "run.status") room.status(data);
    else if (event.type === "typing") return void (room.typing(data), this.chat.showTyping());
    else if (event.type === "presence") return void (room.presence(data), this.chat.showHeader());
    else return;
    this.chat.changed();
  }

  durable(room, event) {
    const effect = room.apply(event, this.gapsUntil);
    if (effect === "gap") return this.again();
    if (ROOM_EVENTS.has(event.type)) {
      this.chat.showHeader();
      this.chat.showComposer();
    }
    this.chat.changed(effect);
    if (effect?.message?.thread_id || event.type.startsWith("run.")) this.orphans(room);
  }

  /** Something is missing: leave and subscribe again from the last applied seq. */
  again() {
    if (this.gapsUntil === Infinity) return;
    this.gapsUntil = Infinity;
    const { room, socket } = this.chat;
    this.held = [];
    socket.command("unsubscribe", { room_id: room.id }).catch(() => {}).then(() => {
      this.held = null;
      if (room === this.chat.room) this.follow();
    });
  }

  /** Runs that were at work before this page came. */
  async runs(room) {
    const data = await this.chat.api.runs(room.id).catch(() => null);
    if (room !== this.chat.room) return;
    for (const run of data?.items || []) {
      if (["queued", "running", "waiting"].includes(run.state)) room.runKnown(run);
    }
    this.chat.changed();
  }

  /** Fetches the threads whose replies came without their root. */
  orphans(room) {
    for (const root of room.orphans()) this.thread(root);
  }

  async thread(root) {
    const { room, api } = this.chat;
    if (this.asked.has(root)) return;
    this.asked.add(root);
    try {
      const items = await api.thread(room.id, root);
      if (room !== this.chat.room) return;
      for (const message of items) room.put(message);
      room.whole.add(root);
      room.broken.delete(root);
    } catch (error) {
      room.broken.add(root);
      if (room === this.chat.room && error.status !== 401) toast(`A thread did not load: ${explain(error)}`, "error");
    }
    this.chat.changed();
  }

  threadAgain(root) {
    this.asked.delete(root);
    this.chat.room.broken.delete(root);
    return this.thread(root);
  }

  async older() {
    const { room, api } = this.chat;
    if (!room?.loaded || !room.more || room.loadingOlder) return;
    room.loadingOlder = true;
    room.olderProblem = null;
    this.chat.view.render();
    try {
      const page = await api.before(room.id, room.oldest);
      if (room !== this.chat.room) return;
      room.addPage(page.items);
      room.more = page.more && page.items.length > 0;
    } catch (error) {
      room.olderProblem = `${explain(error)} Try again`;
    }
    room.loadingOlder = false;
    if (room !== this.chat.room) return;
    this.chat.view.render();
    this.orphans(room);
  }
}
