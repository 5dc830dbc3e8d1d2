// The rooms of the signed-in: which there are, what is new in each, and that it is read as one looks.

import { explain } from "./api.js";
import { byId } from "./dom.js";
import { nameOf } from "./people.js";
import { renderRooms } from "./sidebar.js";
import { Unread } from "./unread.js";

const AT_ONCE = 200;
const SPARE = 50;
const AGAIN_MS = 5000;
const SHOW_MS = 100;
const TELL_MS = 300;
const LATER = new Set(["RATE_LIMITED", "STORE_UNAVAILABLE", "OUTCOME_UNKNOWN"]);

export class Rooms {
  /** `chat` gives api, socket, view, me and the open room. */
  constructor(chat) {
    this.chat = chat;
    this.known = null;
    this.problem = null;
    this.unread = new Unread(chat.me);
    this.followed = new Set();
    this.toTell = new Map();
  }

  start(signal) {
    this.list();
    addEventListener("focus", () => this.look(), { signal });
    document.addEventListener("visibilitychange", () => this.look(), { signal });
  }

  close() {
    for (const timer of ["showing", "asking", "telling"]) clearTimeout(this[timer]);
  }

  // Which there are

  async list() {
    clearTimeout(this.asking);
    this.asking = 0;
    try {
      const rooms = (await this.chat.api.rooms()).filter((room) => room.kind !== "session");
      const first = !this.known;
      this.known = rooms;
      this.unread.load(rooms);
      if (first) this.openedBefore();
      this.problem = null;
    } catch (error) {
      this.problem = explain(error);
    }
    if (this.chat.closed) return;
    this.show();
    this.follow();
    this.look();
    if (!this.chat.room && !this.chat.placeInAddress()) this.chat.suggest();
  }

  /** Reads the list again, soon and once. */
  listSoon(after_ms = TELL_MS) {
    this.asking ||= setTimeout(() => this.list(), after_ms);
  }

  show() {
    clearTimeout(this.showing);
    this.showing = 0;
    if (this.chat.closed) return;
    const { known, problem, unread } = this;
    renderRooms({ rooms: known, problem, current: this.chat.room?.id, newIn: (id) => unread.of(id) }, () => this.list());
    this.chat.showTitle();
  }

  showSoon() {
    this.showing ||= setTimeout(() => this.show(), SHOW_MS);
  }

  // What is new in them

  /** A new connection follows nothing yet; what came since the last one is in the list. */
  greeted({ limits }) {
    const again = this.most !== undefined;
    this.most = (limits?.rooms ?? 0) - SPARE;
    this.followed.clear();
    this.tell();
    if (again) this.list();
    else this.follow();
  }

  /** Hears of every room from where the list saw it; the open one has a feed of its own. */
  follow() {
    const { socket, room } = this.chat;
    if (!socket.online) return;
    const wanted = this.unread.cursors().filter(({ room_id }) => !this.followed.has(room_id) && room_id !== room?.id);
    wanted.splice(Math.max(0, this.most - this.followed.size));
    while (wanted.length) this.subscribe(wanted.splice(0, AT_ONCE));
  }

  async subscribe(rooms) {
    for (const { room_id } of rooms) this.followed.add(room_id);
    try {
      const reply = await this.chat.socket.command("subscribe", { rooms });
      if (reply.rooms.some(({ recovered }) => recovered === false)) this.listSoon();
    } catch (error) {
      for (const { room_id } of rooms) this.followed.delete(room_id);
      if (!this.chat.closed && this.chat.socket.online) this.listSoon(AGAIN_MS);
    }
  }

  /** The open room is left: true when its events are to come still. Unless they do (`live`), it is
   * among those that `follow` asks for. */
  keeps(id, live) {
    const ours = this.unread.has(id);
    if (ours && live) this.followed.add(id);
    else this.followed.delete(id);
    return ours;
  }

  take(event) {
    if (event.type === "read") return this.after(this.readElsewhere(event.data || {}));
    if (event.type === "mention") return this.called(event.data || {});
    if (typeof event.seq === "number") this.after(this.unread.take(event));
    if (event.room_id === this.chat.room?.id) this.look();
  }

  after(change) {
    if (change === "ask") this.listSoon();
    if (change) this.showSoon();
  }

  readElsewhere({ room_id, thread_id, seq }) {
    return thread_id ? "ask" : this.unread.read(room_id, seq);
  }

  /** Said to those who do not see the badge that comes with the message itself. */
  called({ room_id, author }) {
    if (room_id === this.chat.room?.id) return;
    const room = this.known?.find(({ id }) => id === room_id);
    byId("announcer").textContent = `${nameOf(author)} mentioned you${room ? ` in ${room.name}` : ""}.`;
  }

  // That it is read

  /** A room is open: what is new in it stands below a line. */
  opened(room) {
    this.unread.catchUp(room);
    room.fresh.begin(this.unread.of(room.id), this.chat.me);
  }

  /** A room that was open before the list came: what is new in it is known only now. */
  openedBefore() {
    const { room, view } = this.chat;
    if (!room?.loaded || !this.unread.has(room.id)) return;
    this.opened(room);
    view.schedule();
  }

  /** Whether somebody sees the end of what is open. */
  looking() {
    const { room, view } = this.chat;
    return Boolean(room?.loaded && view.room === room && view.atEnd && !document.hidden && document.hasFocus());
  }

  /** What somebody looks at is read: here at once, and the hub is told. */
  look() {
    const { room } = this.chat;
    if (!this.looking()) return;
    room.fresh.seen = true;
    if (!this.unread.of(room.id).unread || !this.unread.sees(room.id, room.seq)) return;
    this.unread.read(room.id, room.seq);
    this.toTell.set(room.id, room.seq);
    if (!this.telling) this.tell();
    this.show();
  }

  /** Now and then at most. */
  tell() {
    for (const [room_id, seq] of this.toTell) {
      this.toTell.delete(room_id);
      this.chat.socket.command("read", { room_id, seq }).catch((error) => this.notTold(room_id, seq, error));
    }
    this.tellAfter(TELL_MS);
  }

  tellAfter(wait_ms) {
    clearTimeout(this.telling);
    this.telling = setTimeout(() => {
      this.telling = 0;
      if (this.toTell.size && this.chat.socket.online) this.tell();
    }, wait_ms);
  }

  /** Without a connection it is told at the next one, and when the hub could not take it now, after
   * a while. */
  notTold(room_id, seq, { code, retryAfter }) {
    if (code && !LATER.has(code)) return;
    if (!(this.toTell.get(room_id) > seq)) this.toTell.set(room_id, seq);
    if (code) this.tellAfter(retryAfter * 1000 || AGAIN_MS);
  }
}
