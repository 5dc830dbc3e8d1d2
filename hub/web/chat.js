// The signed-in app: the open room or session, and how the lists, the socket, the outbox and the view
// meet.

import { explain } from "./api.js";
import { Composer } from "./composer.js";
import { askAddMembers, askDelete, askEdit, askNewRoom } from "./dialogs.js";
import { byId, h, toast } from "./dom.js";
import { mentionsIn } from "./format.js";
import { renderHeader, renderTitle } from "./header.js";
import { showLink } from "./link.js";
import { LogView } from "./log.js";
import { renderMembers } from "./members.js";
import { Outbox } from "./outbox.js";
import { nameOf } from "./people.js";
import { whyNot } from "./rights.js";
import { Room } from "./room.js";
import { Rooms } from "./rooms.js";
import { addressOf, isSession } from "./session.js";
import { Sessions } from "./sessions.js";
import { drawer, isNarrow, openDrawer, renderMe } from "./sidebar.js";
import { Socket } from "./socket.js";
import { Feed } from "./feed.js";

export class Chat {
  constructor(api, me, signOut) {
    Object.assign(this, { api, signOut });
    this.who = me.participant || me;
    this.role = me.role;
    this.me = this.who.id;
    this.participants = null;
    this.outbox = new Outbox(this, (roomId) => roomId === this.room?.id && this.view.schedule());
    this.view = new LogView(this.actions(), this.outbox, this.me);
    this.feed = new Feed(this);
    this.rooms = new Rooms(this);
    this.sessions = new Sessions(this);
    this.socket = new Socket(api.key, {
      onHello: (hello) => this.greeted(hello),
      onEvent: (event) => this.arrived(event),
      onState: (state, detail) => showLink(state, detail, { connect: () => this.socket.open(), login: (sentence) => this.signOut(sentence) }),
      onStop: (code, sentence) => code === 4401 && this.signOut(sentence),
      onExpired: () => this.api.me().catch(() => {}),
    });
  }

  actions() {
    return {
      send: (text, thread) => this.send(text, thread),
      reply: (message) => this.view.write(message.thread_id || message.id),
      react: (message, emoji) => this.react(message, emoji),
      edit: (message) => askEdit({ content: message.content, save: (text) => this.api.edit(message, text) }),
      remove: (message) => askDelete({ remove: () => this.api.remove(message) }),
      retry: (item) => this.outbox.retry(item),
      takeBack: (item) => this.takeBack(item),
      older: () => this.feed.older(),
      openThread: (root) => this.feed.thread(root.id),
      threadAgain: (root) => this.feed.threadAgain(root.id),
      typing: (thread_id) => this.tellTyping(thread_id),
      looked: () => this.rooms.look(),
      stop: (run) => this.actOnRun(run, "cancel"),
      again: (run) => this.actOnRun(run, "retry"),
      rephrase: (message) => askEdit({ content: message.content, action: "Ask again", hint: "Its answer goes, and it is answered anew.", save: (text) => this.sessions.rephrase(message, text) }),
      regenerate: (message) => this.sessions.regenerate(message),
    };
  }

  start() {
    renderMe({ participant: this.who, role: this.role });
    drawer(null);
    this.wire();
    this.clearStage();
    this.sessions.start();
    this.rooms.start(this.listening.signal);
    this.listParticipants();
    this.socket.open();
    this.typingTimer = setInterval(() => this.showTyping(), 1000);
    this.follow();
  }

  wire() {
    this.listening = new AbortController();
    const { signal } = this.listening;
    byId("new-room").onclick = () => this.newRoom();
    byId("open-rooms").onclick = () => drawer("rooms");
    byId("open-members").onclick = () => drawer(openDrawer() === "members" ? null : "members");
    byId("close-members").onclick = () => drawer(null);
    byId("scrim").onclick = () => drawer(null);
    byId("add-member").onclick = () => this.addMembers();
    byId("sidebar").onclick = (event) => {
      if (event.target.closest("a") && isNarrow()) drawer(null);
    };
    addEventListener("keydown", (event) => event.key === "Escape" && !event.defaultPrevented && openDrawer() && !byId("dialog").open && drawer(null), { signal });
  }

  close() {
    this.closed = true;
    this.socket.close();
    this.listening?.abort();
    this.rooms.close();
    this.sessions.close();
    clearInterval(this.typingTimer);
    byId("dialog").close();
    this.room = null;
    this.view.close();
    renderTitle(0, null);
  }

  // Places

  async listParticipants() {
    const found = await this.api.participants().catch(() => null);
    this.participants = found && found.filter((one) => !one.id.startsWith("persona_model-"));
    if (!this.closed) this.showHeader();
  }

  /** Without a place in the address: the first room or session, or a word on how to begin. */
  suggest() {
    const { rooms, sessions } = this;
    if (!rooms.known || !sessions.state.loaded) return;
    const first = rooms.known[0] || sessions.own()[0];
    if (first && !isNarrow()) {
      history.replaceState(null, "", addressOf(first.id));
      this.follow();
    } else if (first) this.stage("Choose a place", "Your rooms and sessions are in the list.", ["Show the list", () => drawer("rooms")]);
    else this.stage("Nothing here yet", "A room is a place for people and AI participants, a session a talk with one model.", ["New room", () => this.newRoom()], ["New session", () => sessions.create()]);
  }

  placeInAddress() {
    const place = new URLSearchParams(location.hash.slice(1));
    return place.get("room") || place.get("session");
  }

  follow() {
    const id = this.placeInAddress();
    if (id && id !== this.room?.id) this.open(id);
    else if (!id && !this.room) this.suggest();
  }

  async open(id) {
    this.feed.leave();
    this.room = new Room(id);
    this.clearStage();
    this.rooms.show();
    this.rooms.follow();
    this.sessions.show();
    this.stage(null, "Opening…");
    const room = this.room;
    try {
      room.load(await this.api.room(id));
    } catch (error) {
      if (room === this.room) this.openFailed(id, error);
      return;
    }
    if (room !== this.room) return;
    this.stage(null, null);
    this.rooms.opened(room);
    this.showHeader();
    this.showComposer();
    this.view.show(room);
    this.rooms.look();
    this.feed.follow();
  }

  openFailed(id, error) {
    if (error.status === 401) return;
    const missing = error.status === 404;
    const what = isSession(id) ? "session" : "room";
    this.stage(missing ? `There is no such ${what}` : `The ${what} did not open`, missing ? "It does not exist, or you are not in it." : explain(error), missing ? null : ["Try again", () => this.open(id)]);
  }

  /** Leaves what is open for the first room there is. */
  leave() {
    this.feed.leave();
    this.room = null;
    this.rooms.follow();
    this.clearStage();
    history.replaceState(null, "", location.pathname);
    drawer(null);
    this.suggest();
  }

  newRoom() {
    askNewRoom({
      participants: this.participants,
      me: this.me,
      create: async (body, key) => {
        const room = await this.api.createRoom(body, key);
        await this.rooms.list();
        location.hash = addressOf(room.id);
        if (isNarrow()) drawer(null);
      },
    });
  }

  addMembers() {
    const { room } = this;
    askAddMembers({
      participants: this.participants,
      room,
      add: async (person) => {
        const member = await this.api.addMember(room.id, person);
        if (member?.id) room.members.set(member.id, member);
        this.showHeader();
      },
    });
  }

  // What is on the stage

  clearStage() {
    this.composer = null;
    this.view.show(new Room(null));
    for (const id of ["composer", "typing", "room-name", "room-about"]) byId(id).replaceChildren();
    byId("open-members").hidden = true;
    byId("strip").hidden = true;
    this.showTitle();
  }

  showTitle() {
    renderTitle(this.rooms.unread.total, this.room);
  }

  /** A word in the middle of an empty log; nothing with null. */
  stage(title, text, ...actions) {
    const parts = [title && h("h2", {}, title), text && h("p", {}, text), ...actions.map((action) => action && h("button", { class: "primary", type: "button", onclick: action[1] }, action[0]))];
    byId("log-state").replaceChildren(...parts.filter(Boolean));
  }

  showHeader() {
    const { room } = this;
    if (!room?.loaded) return;
    renderHeader(room);
    this.showTitle();
    byId("add-member").hidden = room.session || !this.participants || !["owner", "admin"].includes(room.members.get(this.me)?.role);
    renderMembers(room, this.me);
    this.sessions.showOpen();
  }

  /** Keeps the composer and its text while one may post; says why when one may not. */
  showComposer() {
    const { room } = this;
    const why = whyNot(room, this.me);
    if (!why && this.composer) return;
    this.composer = why ? null : this.makeComposer(room);
    byId("composer").replaceChildren(why ? h("p", { class: "no-post" }, why) : this.composer.node);
    if (this.composer && !isNarrow() && !byId("dialog").open) this.composer.input.focus({ preventScroll: true });
  }

  makeComposer(room) {
    const label = room.session ? "Message" : `Message ${room.info.name || "the room"}`;
    return new Composer({ label, plain: Boolean(room.session), room, me: this.me, onSend: (text) => this.send(text, null), onTyping: () => this.tellTyping(null) });
  }

  showTyping() {
    const names = this.room?.loaded ? this.room.typingNow(this.me).map(nameOf) : [];
    const text = names.length === 0 ? "" : names.length === 1 ? `${names[0]} is typing…` : names.length === 2 ? `${names[0]} and ${names[1]} are typing…` : "Several people are typing…";
    if (byId("typing").textContent !== text) byId("typing").textContent = text;
  }

  // Live

  greeted(hello) {
    this.feed.follow();
    this.rooms.greeted(hello);
    this.outbox.flush();
    this.sessions.list();
  }

  arrived(event) {
    const ours = event.room_id === this.room?.id;
    if (event.type === "room.removed" && (ours || event.data?.room_id === this.room?.id)) this.removed();
    if (["room.added", "room.removed", "room.updated", "room.archived"].includes(event.type)) this.rooms.listSoon();
    if (event.type === "queue") this.sessions.queued(event.data);
    if (ours) this.feed.take(event);
    this.rooms.take(event);
  }

  removed() {
    this.room.gone = true;
    this.room.members.delete(this.me);
    this.showHeader();
    this.showComposer();
    this.view.schedule();
  }

  /** Called by the feed after durable events changed the room. */
  changed(effect) {
    if (effect?.message) this.messageCame(effect.message);
    this.view.schedule();
  }

  messageCame(message) {
    this.outbox.settle(message);
    this.showTyping();
    if (message.author?.id === this.me) return;
    this.room.fresh.arrived(message, this.rooms.looking());
    this.view.noteUnread();
    byId("announcer").textContent = `${nameOf(message.author)}: ${message.content.slice(0, 300)}`;
  }

  /** Whether the event of a stored message is still to come: only in the open room, and once. */
  expects(roomId, item) {
    return roomId === this.room?.id && !this.room.messages.has(item.id);
  }

  // Acts

  send(text, thread_id) {
    const { room } = this;
    if (!room?.loaded || !text.trim()) return false;
    const mention = room.session ? [] : mentionsIn(text, (handle) => room.byHandle(handle));
    if (thread_id === null) this.view.atEnd = true;
    room.fresh.clear();
    this.outbox.add(room.id, { content: text, mention, thread_id });
    this.view.render();
    return true;
  }

  takeBack(item) {
    this.outbox.remove(item);
    if (item.thread_id) this.view.write(item.thread_id);
    if (!this.composer) return;
    this.composer.text = [this.composer.text, item.content].filter((text) => text.trim()).join("\n");
    this.composer.input.focus();
  }

  /** Stops a run or tries it again; what comes of it arrives as events. */
  actOnRun(id, act) {
    this.api.actOnRun(id, act).catch((error) => this.closed || error.status === 401 || toast(explain(error), "error"));
  }

  /** Adds one's reaction or takes it back; it shows when it comes as an event. */
  react(message, emoji) {
    const mine = message.reactions?.[emoji]?.includes(this.me);
    this.api.react(message, emoji, !mine).catch((error) => this.closed || error.status === 401 || toast(explain(error), "error"));
  }

  tellTyping(thread_id) {
    const fields = { room_id: this.room.id };
    if (thread_id) fields.thread_id = thread_id;
    this.socket.command("typing", fields).catch(() => {});
  }
}
