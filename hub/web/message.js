// One row of the log: avatar, name, text, reactions and its actions. The parts are kept and refilled,
// so a draft becomes its final message in place.

import { h, icon } from "./dom.js";
import { format } from "./format.js";
import { avatar, badge, helperBadge, nameOf } from "./people.js";
import { isHelper } from "./session.js";
import { clockNode, timeOfDay } from "./time.js";

export class Row {
  constructor(kind) {
    this.avatar = h("div", { class: "row-side" });
    this.head = h("div", { class: "row-head" });
    this.body = h("div", { class: "row-body" });
    this.foot = h("div", { class: "row-foot" });
    this.tools = h("div", { class: "row-tools" });
    this.node = h("article", { class: `row ${kind}` }, this.avatar, h("div", { class: "row-main" }, this.head, this.body, this.foot), this.tools);
    this.shown = null;
  }

  /** Refills every part but a text that did not change; focus inside the row survives. `same` names
   * all there is besides the text: while it stays, only the text is looked at and no button moves. */
  fill({ person, stamp, classes = "", text, people, extra = [], foot = [], tools = [], blank = null, same = null }) {
    if (same !== null && same === this.same) return this.fillBody(text, people, blank);
    this.same = same;
    const held = this.node.contains(document.activeElement) ? document.activeElement.dataset.act : null;
    this.node.className = `row ${classes}`;
    const quietTime = stamp ? h("span", { class: "row-clock", "aria-hidden": "true" }, timeOfDay(stamp)) : null;
    this.avatar.replaceChildren(avatar(person), ...(quietTime ? [quietTime] : []));
    this.head.replaceChildren(h("strong", { class: "row-name" }, nameOf(person)), ...[badge(person), stamp && clockNode(stamp), ...extra].filter(Boolean));
    this.fillBody(text, people, blank);
    this.foot.replaceChildren(...foot.filter(Boolean));
    this.tools.replaceChildren(...tools.filter(Boolean));
    if (held) this.node.querySelector(`[data-act="${CSS.escape(held)}"]`)?.focus();
  }

  fillBody(text, people, blank) {
    const shown = blank ? `blank:${blank.textContent}` : `text:${text}`;
    if (shown === this.shown) return;
    this.shown = shown;
    this.body.replaceChildren(...(blank ? [blank] : format(text, people)));
  }
}

function tool(act, name, label, onclick) {
  return h("button", { class: "tool", type: "button", "data-act": act, title: label, "aria-label": label, onclick }, icon(name));
}

/** Who reacted how; whoever may post adds or takes back their own by pressing it. */
function reactions(message, view) {
  const { room, me } = view;
  return Object.entries(message.reactions || {}).map(([emoji, ids]) => {
    const names = ids.map((id) => (id === me ? "You" : nameOf(room.person(id)))).join(", ");
    const mine = ids.includes(me);
    const parts = [emoji, h("b", {}, String(ids.length))];
    const about = { class: `reaction ${mine ? "mine" : ""}`, title: `${emoji} ${names}` };
    if (!view.canPost()) return h("span", about, ...parts);
    return h("button", { ...about, type: "button", "aria-pressed": String(mine), "aria-label": `${emoji} ${names}`, "data-act": `react:${emoji}`, onclick: () => view.actions.react(message, emoji) }, ...parts);
  });
}

/** Acts on a run, in words, beside what it is about. `act` keeps the focus when the row is refilled. */
export function runLink(act, words, label, onclick) {
  return h("button", { class: "link run-act", type: "button", "data-act": act, "aria-label": label, onclick }, words);
}

const stopLink = (id, person, view) => view.canPost() && runLink("stop", "Stop", `Stop ${nameOf(person)}`, () => view.actions.stop(id));

/** What is done with messages of a session: only its end can be had anew. */
function sessionTools(message, view) {
  const { actions, last, me } = view;
  return [
    message === last.asked && message.author.id === me && tool("edit", "pencil", "Edit and ask again", () => actions.rephrase(message)),
    message === last.reply && view.canAsk() && view.room.session.owner === me && tool("regenerate", "again", "Answer again", () => actions.regenerate(message)),
  ];
}

function tools(message, view) {
  if (view.room.session) return sessionTools(message, view);
  const { actions } = view;
  const own = message.author?.id === view.me;
  return [
    tool("reply", "reply", "Reply in thread", () => actions.reply(message)),
    tool("thumb", "thumb", "React with a thumbs up", () => actions.react(message, "👍")),
    own && tool("edit", "pencil", "Edit message", () => actions.edit(message)),
    (own || view.canManage()) && tool("delete", "bin", "Delete message", () => actions.remove(message)),
  ];
}

/** A stored message. */
export function fillMessage(row, message, view, grouped) {
  const { people, actions } = view;
  const gone = Boolean(message.deleted_at);
  const cut = { failed: "not finished", cancelled: "stopped" }[message.status];
  row.node.dataset.id = message.id;
  row.fill({
    person: view.room.person(message.author) && { ...view.room.person(message.author), ...message.author },
    stamp: message.created_at,
    classes: `message ${grouped ? "grouped" : ""} ${gone ? "gone" : ""} ${message.replaced ? "replaced" : ""}`,
    text: message.content,
    people,
    blank: gone ? h("p", { class: "tombstone" }, "This message was deleted.") : null,
    extra: [
      isHelper(view.room, message.author) && helperBadge(message.author, message.author.id === view.me),
      !gone && message.edited_at && h("span", { class: "faint", title: new Date(message.edited_at).toLocaleString() }, "edited"),
      cut && h("span", { class: "faint" }, cut),
      cut && !gone && message.run_id && view.canAsk() && runLink("again", "Try again", `Let ${nameOf(message.author)} try again`, () => actions.again(message.run_id)),
    ],
    foot: gone ? [] : reactions(message, view),
    tools: gone || !view.canPost() ? [] : tools(message, view),
  });
}

/** A reply that is being written. */
export function fillDraft(row, draft, view) {
  const person = view.room.person(draft.participant);
  row.node.setAttribute("aria-busy", "true");
  row.fill({
    person,
    classes: "message streaming",
    text: draft.text,
    people: view.people,
    blank: draft.text ? null : dots("is writing"),
    extra: [h("span", { class: "writing" }, draft.status || "writing…"), stopLink(draft.run_id, person, view)],
    same: `draft:${draft.run_id}:${draft.status}:${view.canPost()}`,
  });
}

function dots(text) {
  const three = h("span", { class: "dots", "aria-hidden": "true" }, h("i"), h("i"), h("i"));
  return h("p", { class: "thinking" }, three, text);
}

const waits = { queued: "is thinking…", running: "is thinking…", waiting: "is waiting…" };

/** A run that has no text yet. */
export function fillThinking(row, run, view) {
  const doing = run.status || (run.state === "waiting" && run.reason) || "";
  const person = view.room.person(run.participant);
  row.fill({
    person,
    classes: "message thinking-row",
    blank: dots(`${nameOf(person)} ${waits[run.state] || waits.running}${doing ? ` ${doing}` : ""}`),
    extra: [stopLink(run.id, person, view)],
  });
}

/** A message of mine that the hub has not confirmed. */
export function fillPending(row, item, view, grouped) {
  const { actions } = view;
  const failed = item.state === "failed";
  const words = { sending: "sending…", waiting: "waiting for the connection…", failed: "not sent" };
  const problem = failed && h("p", { class: "refused", role: "alert" }, item.problem, " ",
    h("button", { class: "link", type: "button", onclick: () => actions.retry(item) }, "Try again"), " · ",
    h("button", { class: "link", type: "button", onclick: () => actions.takeBack(item) }, "Edit"));
  row.fill({
    person: view.room.person(view.me),
    stamp: item.at,
    classes: `message pending ${item.state} ${grouped ? "grouped" : ""}`,
    text: item.content,
    people: view.people,
    foot: [problem],
    tools: [h("span", { class: "faint" }, words[item.state])],
  });
}
