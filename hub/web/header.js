// The bar above a room or session: its name, what it is about, what opens its drawer; the window's title.

import { byId, icon } from "./dom.js";
import { titleOf } from "./session.js";

const MANY = 99;

const nameIn = ({ info, session, id }) => (session ? titleOf(session) : info.name || id);

export function renderHeader(room) {
  const { info, session, members } = room;
  byId("room-name").textContent = nameIn(room);
  byId("room-about").textContent = session ? session.model : info.description || "";
  const button = byId("open-members");
  button.hidden = false;
  button.replaceChildren(...(session ? [icon("details")] : [icon("people"), String(members.size)]));
  button.setAttribute("aria-label", session ? "Session details" : `Members, ${members.size}`);
}

/** The title of the window: how much is unread anywhere, and what is open. */
export function renderTitle(unread, room) {
  const count = unread > MANY ? `(${MANY}+) ` : unread ? `(${unread}) ` : "";
  document.title = `${count}${room?.loaded ? `${nameIn(room)} · ` : ""}roomhub`;
}
