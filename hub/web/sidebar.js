// The rooms and sessions on the left, who one is at the bottom, and the drawers of a narrow screen.

import { byId, h, icon } from "./dom.js";
import { avatar, nameOf } from "./people.js";
import { addressOf, titleOf } from "./session.js";
import { timeNode } from "./time.js";

const narrow = matchMedia("(max-width: 820px)");
const MANY = 999;

/** `newIn(id)` is `{unread, mentions}` of a room. */
export function renderRooms({ rooms, problem, current, newIn }, retry) {
  fill("rooms", (rooms || []).map((room) => roomLink(room, room.id === current, newIn(room.id))));
  byId("rooms-state").replaceChildren(...stateOf(rooms, problem, retry, "You are in no room yet. Make the first one with +."));
  markOpener((rooms || []).filter((room) => room.id !== current).reduce((sum, room) => sum + newIn(room.id).unread, 0));
}

/** On a narrow screen the list is in a drawer: what opens it says that there is something new. */
function markOpener(elsewhere) {
  const opener = byId("open-rooms");
  opener.toggleAttribute("data-news", elsewhere > 0);
  opener.setAttribute("aria-label", elsewhere ? `Rooms, ${elsewhere} unread` : "Rooms");
}

/** The links of a list; the focus stays on the same one. */
function fill(id, links) {
  const list = byId(id);
  const held = list.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  list.replaceChildren(...links);
  if (held) list.querySelector(`[href="${CSS.escape(held)}"]`)?.focus();
}

/** One's own sessions, and for who helps: those that wait for a person, and those one answers. */
export function renderSessions({ own, waiting, answering, loaded, problem, current, older }, retry) {
  const lists = { sessions: own, waiting, answering };
  for (const [id, sessions] of Object.entries(lists)) fill(id, sessions.map((session) => sessionLink(session, session.id === current, id === "waiting")));
  byId("waiting-part").hidden = !waiting.length;
  byId("answering-part").hidden = !answering.length;
  byId("sessions-state").replaceChildren(...stateOf(loaded ? own : null, problem, retry, "A session is a talk with one model. Begin one with +."), ...(older ? [h("button", { class: "ghost", type: "button", onclick: older }, "Older sessions")] : []));
}

function sessionLink(session, here, queued) {
  const mark = queued ? timeNode(session.queue.since) : session.queue ? "waiting" : session.handler ? "person" : null;
  const link = h("a", { href: addressOf(session.id), class: session.status === "closed" ? "archived" : null, "aria-current": here ? "page" : null, title: session.queue?.message || session.model },
    icon("bubble"), h("span", { class: "room-label" }, titleOf(session)), mark && h("span", { class: "room-mark" }, mark));
  return h("li", {}, link);
}

function roomLink(room, here, { unread, mentions }) {
  const kind = [room.archived_at && "archived", unread && "unread"].filter(Boolean).join(" ");
  const link = h("a", { href: addressOf(room.id), class: kind || null, "aria-current": here ? "page" : null, title: room.description || null },
    icon(room.private === false ? "hash" : "lock"), h("span", { class: "room-label" }, room.name || room.id), unread > 0 && newsMark(unread, mentions));
  return h("li", {}, link);
}

/** How many messages are unread, and an @ when one is among them that speaks to the reader. */
function newsMark(unread, mentions) {
  const words = `${unread} unread${mentions ? `, you were mentioned ${mentions === 1 ? "once" : `${mentions} times`}` : ""}`;
  return h("span", { class: "news", title: words },
    h("span", { class: "unseen" }, words), mentions > 0 && h("span", { class: "called", "aria-hidden": "true" }, "@"), h("span", { class: "count", "aria-hidden": "true" }, unread > MANY ? `${MANY}+` : String(unread)));
}

function stateOf(rooms, problem, retry, empty) {
  if (problem) return [h("p", { class: "problem" }, problem), h("button", { class: "ghost", type: "button", onclick: retry }, "Try again")];
  if (!rooms) return [0, 1, 2, 3].map((at) => h("div", { class: `bone bone-${at}`, "aria-hidden": "true" }));
  if (!rooms.length) return [h("p", { class: "faint" }, empty)];
  return [];
}

export function renderMe({ participant, role }) {
  const about = [`@${participant.handle || participant.id}`, role === "tenant_admin" && "admin"].filter(Boolean).join(" · ");
  byId("me").replaceChildren(avatar(participant), h("div", {}, h("strong", {}, nameOf(participant)), h("span", { class: "faint" }, about)));
}

const PANELS = { rooms: { panel: "sidebar", opener: "open-rooms" }, members: { panel: "members", opener: "open-members" } };

/** Opens "rooms" or "members", or closes with null; the rest is inert only where a drawer covers it. */
export function drawer(which) {
  const chat = byId("chat");
  const before = chat.dataset.drawer;
  const inside = before && byId(PANELS[before].panel).contains(document.activeElement);
  if (which) chat.dataset.drawer = which;
  else delete chat.dataset.drawer;
  for (const [name, { panel, opener }] of Object.entries(PANELS)) {
    byId(opener).setAttribute("aria-expanded", String(name === which));
    byId(panel).inert = narrow.matches && name !== which;
  }
  byId("members").inert = which !== "members";
  byId("room").inert = narrow.matches && Boolean(which);
  if (which && narrow.matches) byId(PANELS[which].panel).querySelector("a, button:not([hidden])")?.focus();
  if (!which && before && (inside || narrow.matches)) byId(PANELS[before].opener).focus();
}

export const openDrawer = () => byId("chat").dataset.drawer;

export const isNarrow = () => narrow.matches;

narrow.addEventListener("change", () => drawer(null));
