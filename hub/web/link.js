// Whether the page is connected, said in the bar; and what to do when it is not for good.

import { byId, h } from "./dom.js";

const WORDS = { connecting: "Connecting…", reconnecting: "Reconnecting…", online: "Live" };

/** `acts`: connect() and login(sentence), offered when the socket has stopped. */
export function showLink(state, detail, acts) {
  const stopped = state === "stopped";
  const node = byId("link-state");
  node.dataset.state = state;
  node.title = stopped ? detail : WORDS[state];
  node.replaceChildren(h("i", { "aria-hidden": "true" }), h("span", {}, stopped ? "Disconnected" : WORDS[state]));
  byId("stopped")?.remove();
  if (stopped) byId("room").querySelector(".bar").after(stoppedLine(detail, acts));
}

function stoppedLine(sentence, { connect, login }) {
  const again = h("button", { class: "link", type: "button", onclick: connect }, "Connect again");
  const sign = h("button", { class: "link", type: "button", onclick: () => login(sentence) }, "Sign in again");
  return h("div", { id: "stopped", class: "stopped", role: "alert" }, sentence, " ", again, " · ", sign);
}
