// The rooms on the left, who one is at the bottom, and the drawers of a narrow screen.

import { byId, h, icon } from "./dom.js";
import { avatar, nameOf } from "./people.js";

const narrow = matchMedia("(max-width: 820px)");

export function renderRooms({ rooms, problem, current, called }, retry) {
  const list = byId("rooms");
  const held = list.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  list.replaceChildren(...(rooms || []).map((room) => roomLink(room, room.id === current, called.has(room.id))));
  if (held) list.querySelector(`[href="${CSS.escape(held)}"]`)?.focus();
  byId("rooms-state").replaceChildren(...stateOf(rooms, problem, retry));
}

function roomLink(room, here, called) {
  const mark = called ? h("span", { class: "called", title: "You were mentioned", "aria-label": "You were mentioned" }, "@") : null;
  const link = h("a", { href: `#room=${encodeURIComponent(room.id)}`, class: room.archived_at ? "archived" : null, "aria-current": here ? "page" : null, title: room.description || null },
    icon(room.private === false ? "hash" : "lock"), h("span", { class: "room-label" }, room.name || room.id), mark);
  return h("li", {}, link);
}

function stateOf(rooms, problem, retry) {
  if (problem) return [h("p", { class: "problem" }, problem), h("button", { class: "ghost", type: "button", onclick: retry }, "Try again")];
  if (!rooms) return [0, 1, 2, 3].map((at) => h("div", { class: `bone bone-${at}`, "aria-hidden": "true" }));
  if (!rooms.length) return [h("p", { class: "faint" }, "You are in no room yet. Make the first one with +.")];
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
