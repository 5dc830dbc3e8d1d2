// Messages on their way: shown as pending until their event arrives, sent again with the same
// client_id after a cut, kept with the reason when refused.

import { ApiError, explain } from "./api.js";
import { Socket } from "./socket.js";
import { uuid } from "./dom.js";

const AGAIN = new Set(["OUTCOME_UNKNOWN", "STORE_UNAVAILABLE", "UNREACHABLE"]);
const TRIES = 5;

export class Outbox {
  /** `sender` gives `{socket, api, expects(roomId, item)}`; `changed(roomId)` is called when something to show changed. */
  constructor(sender, changed) {
    this.sender = sender;
    this.changed = changed;
    this.items = new Map();
  }

  of(roomId) {
    return [...this.items.values()].filter((item) => item.room_id === roomId);
  }

  add(roomId, { content, mention, thread_id }) {
    const client_id = uuid();
    const item = { client_id, room_id: roomId, thread_id: thread_id || null, content, mention };
    Object.assign(item, { at: new Date().toISOString(), state: "sending", tries: 0, rev: 0 });
    this.items.set(client_id, item);
    this.deliver(item);
    return item;
  }

  set(item, state, problem = null) {
    Object.assign(item, { state, problem, rev: item.rev + 1 });
    this.changed(item.room_id);
  }

  remove(item) {
    if (this.items.delete(item.client_id)) this.changed(item.room_id);
  }

  /** A message arrived: its pending twin, if there is one, has done its duty. */
  settle(message) {
    for (const item of this.items.values()) {
      if (item.client_id === message.client_id || (item.id && item.id === message.id)) this.items.delete(item.client_id);
    }
  }

  /** The log was read anew up to `seq`: what was stored before it needs no event any more. */
  settleUpTo(roomId, seq) {
    for (const item of this.of(roomId)) if (item.stored && item.seq <= seq) this.items.delete(item.client_id);
  }

  async deliver(item) {
    const { socket, api } = this.sender;
    if (!socket?.online) return this.set(item, "waiting");
    this.set(item, "sending");
    const { client_id, content, room_id } = item;
    const fields = { room_id, content, client_id };
    if (item.mention.length) fields.mention = item.mention;
    if (item.thread_id) fields.thread_id = item.thread_id;
    const big = Socket.size("post", fields) > (socket.hello.limits?.frame_bytes || 65536);
    try {
      const stored = await (big ? api.post(room_id, item) : socket.command("post", fields));
      Object.assign(item, { id: stored.id, seq: stored.seq, stored: true });
      if (!this.sender.expects(room_id, item)) this.items.delete(client_id);
    } catch (error) {
      this.refused(item, error);
    }
    this.changed(room_id);
  }

  refused(item, error) {
    if (!this.items.has(item.client_id)) return;
    if (!(error instanceof ApiError)) {
      if (error.closeCode === 1009) this.set(item, "failed", "This message is too big for the hub.");
      else this.set(item, "waiting");
    } else if (AGAIN.has(error.code) && item.tries < TRIES) {
      item.tries += 1;
      setTimeout(() => this.items.has(item.client_id) && this.deliver(item), Math.random() * 1000 * 2 ** item.tries);
    } else this.set(item, "failed", explain(error));
  }

  retry(item) {
    item.tries = 0;
    this.deliver(item);
  }

  /** Connected again: everything unacknowledged goes out once more, in order. */
  async flush() {
    for (const item of this.items.values()) {
      if (item.state === "waiting" && !item.stored) await this.deliver(item);
    }
  }
}
