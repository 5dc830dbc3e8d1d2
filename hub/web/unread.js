// How much of each room has not been read. The list of rooms says so as of each room's head; from there
// on the events of the rooms are counted, by seq, so that nothing counts twice. No DOM.

const NONE = { unread: 0, mentions: 0, read: null };

export class Unread {
  constructor(me) {
    this.me = me;
    this.rooms = new Map();
  }

  /** Takes the list of rooms; what is known to be newer than a room's line in it stays. */
  load(list) {
    const before = this.rooms;
    this.rooms = new Map(list.map((room) => [room.id, this.merged(before.get(room.id), room)]));
  }

  merged(known, { head, epoch, unread = 0, mentions = 0, read_seq = null }) {
    if (known && known.epoch === epoch && known.counted > head) return known;
    const later = known?.epoch === epoch ? known.later.filter(({ seq }) => seq > head) : [];
    const entry = { epoch, counted: head, head: Math.max(head, later.at(-1)?.seq ?? 0), unread, mentions, read: read_seq, later };
    if (known?.epoch === epoch && known.read > read_seq) passed(entry, known.read);
    return entry;
  }

  has(id) {
    return this.rooms.has(id);
  }

  /** `{unread, mentions, read}`; `read` is the seq up to which it was read, null when it never was. */
  of(id) {
    const entry = this.rooms.get(id);
    if (!entry) return NONE;
    const { unread, mentions, read, later } = entry;
    return { unread: unread + later.length, mentions: mentions + later.filter(({ mention }) => mention).length, read };
  }

  get total() {
    return [...this.rooms.keys()].reduce((sum, id) => sum + this.of(id).unread, 0);
  }

  /** From where on the events of each room are to come. */
  cursors() {
    return [...this.rooms].map(([room_id, { head, epoch }]) => ({ room_id, since: head, epoch }));
  }

  /** Whether everything that was counted is at or before this position. */
  sees(id, seq) {
    return seq >= this.rooms.get(id)?.counted;
  }

  /** Counts a durable event; true when the counts changed, "ask" when only the hub knows them now. */
  take({ room_id, seq, type, data }) {
    const entry = this.rooms.get(room_id);
    if (!entry || !(seq > entry.head)) return false;
    entry.head = seq;
    const message = data?.message || data;
    if (type === "message.deleted") return message.author?.id !== this.me && !(message.seq <= entry.read) && "ask";
    if (type !== "message.created" || message.author?.id === this.me) return false;
    entry.later.push({ seq, mention: (message.mention || []).some(({ id }) => id === this.me) });
    return true;
  }

  /** Counts what a room that was just read whole has beyond the events that came. */
  catchUp({ id, messages, seq }) {
    const entry = this.rooms.get(id);
    if (!entry) return;
    const sorted = [...messages.values()].filter(({ deleted_at }) => !deleted_at).sort((one, other) => one.seq - other.seq);
    for (const message of sorted) this.take({ room_id: id, seq: message.seq, type: "message.created", data: message });
    entry.head = Math.max(entry.head, seq);
  }

  /** Everything up to `seq` was read, here or elsewhere; answers as `take` does. */
  read(id, seq) {
    const entry = this.rooms.get(id);
    if (!entry || seq < entry.read || (seq === entry.read && !entry.unsure)) return false;
    return passed(entry, seq);
  }
}

function passed(entry, seq) {
  entry.read = seq;
  entry.later = entry.later.filter((one) => one.seq > seq);
  entry.unsure = seq < entry.counted && entry.unread > 0;
  if (entry.unsure) return "ask";
  if (seq >= entry.counted) Object.assign(entry, { unread: 0, mentions: 0 });
  return true;
}
