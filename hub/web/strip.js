// The line under a session's bar: who answers here, and what lies nearest.

import { byId, h } from "./dom.js";
import { whoAnswers } from "./session.js";

/** Hidden for a room. Its words are a status, so that a change of who answers is read out. */
export function renderStrip(room, me, acts) {
  const strip = byId("strip");
  strip.hidden = !room.session;
  const words = room.session ? whoAnswers(room, me) : "";
  strip.classList.toggle("human", Boolean(room.session?.handler));
  if (byId("strip-words").textContent !== words) byId("strip-words").textContent = words;
  refill(byId("strip-acts"), acts, (act) => h("button", { class: "strip-act", type: "button", "data-act": act.act, onclick: act.run }, act.words));
}

/** Puts buttons anew only when there are others; the focus stays on the same act. */
export function refill(place, acts, make) {
  const state = acts.map(({ act, words }) => `${act}:${words}`).join();
  if (place.dataset.state === state) return;
  place.dataset.state = state;
  const held = place.contains(document.activeElement) ? document.activeElement.dataset.act : null;
  place.replaceChildren(...acts.map(make));
  if (held) (place.querySelector(`[data-act="${CSS.escape(held)}"]`) || place.querySelector("button"))?.focus();
}
