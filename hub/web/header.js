// The bar above a room or session: its name, what it is about, and what opens its drawer.

import { byId, icon } from "./dom.js";
import { titleOf } from "./session.js";

export function renderHeader({ info, session, id, members }) {
  const name = session ? titleOf(session) : info.name || id;
  byId("room-name").textContent = name;
  byId("room-about").textContent = session ? session.model : info.description || "";
  document.title = `${name} · roomhub`;
  const button = byId("open-members");
  button.hidden = false;
  button.replaceChildren(...(session ? [icon("details")] : [icon("people"), String(members.size)]));
  button.setAttribute("aria-label", session ? "Session details" : `Members, ${members.size}`);
}
