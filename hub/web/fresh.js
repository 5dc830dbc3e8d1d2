// What is new in the open room: messages of others that its reader had not seen when they came to it, or
// looked again. Where it begins stays marked while one reads. No DOM.

export class Fresh {
  /** `count` messages are new, none of them `seen` yet; `met` once the reader came upon the first. */
  constructor(room) {
    this.room = room;
    this.clear();
  }

  clear() {
    Object.assign(this, { after: Infinity, joined: null, count: 0, seen: true, met: true });
  }

  /** The reader comes: `unread` messages of others lie beyond `read`, or came since the reader joined. */
  begin({ unread, read }, me) {
    this.clear();
    this.me = me;
    const { joined_at: joined } = this.room.members.get(me) || {};
    if (unread && (read !== null || joined)) Object.assign(this, { after: read, joined, count: unread, seen: false, met: false });
  }

  /** A message of somebody else came, while the reader was `looking` or not. */
  arrived(message, looking) {
    if (looking) return;
    if (this.seen) Object.assign(this, { after: message.seq - 1, count: 0, seen: false, met: false });
    this.count += 1;
  }

  has(message) {
    return message.author?.id !== this.me && !message.deleted_at && this.covers(message);
  }

  covers({ seq, created_at }) {
    return this.after === null ? Date.parse(created_at) >= Date.parse(this.joined) : seq > this.after;
  }

  /** Whether all of it has been loaded, so that its beginning is there. */
  get whole() {
    const { more, messages, oldest } = this.room;
    return !more || [...messages.values()].some((message) => message.seq === oldest && !this.covers(message));
  }
}
