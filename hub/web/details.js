// The drawer of a session: what it is, and all that can be done with it.

import { byId, h } from "./dom.js";
import { nameOf } from "./people.js";
import { modelIn } from "./session.js";
import { refill } from "./strip.js";
import { timeNode } from "./time.js";

/** Shows the drawer as that of a session, or leaves it to the members of a room. */
export function renderDetails(room, acts) {
  const { session } = room;
  byId("members").setAttribute("aria-label", session ? "Session" : "Members");
  byId("members-title").textContent = session ? "Session" : "Members";
  byId("close-members").setAttribute("aria-label", session ? "Close session details" : "Close members");
  byId("member-list").hidden = Boolean(session);
  byId("details").hidden = !session;
  if (!session) return;
  byId("details-facts").replaceChildren(...facts(room));
  refill(byId("details-acts"), acts, (act) => h("button", { class: act.danger ? "act danger" : "act", type: "button", "data-act": act.act, onclick: act.run }, act.words));
}

function facts(room) {
  const { session } = room;
  return [
    ...fact("Model", session.model),
    ...fact("User", nameOf(room.person(session.owner))),
    ...fact("Answered by", session.handler ? nameOf(room.person(session.handler)) : modelIn(room)),
    ...fact("Begun", timeNode(session.created_at)),
    ...(session.system_prompt ? fact("Instructions", session.system_prompt) : []),
  ];
}

const fact = (name, value) => [h("dt", {}, name), h("dd", {}, value)];
