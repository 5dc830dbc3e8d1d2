// The panel of a room's members, and how each of them is called.

import { byId, h } from "./dom.js";
import { avatar, badge, isAi, nameOf } from "./people.js";

const ENGAGEMENT = { mention: "answers when mentioned", thread: "follows its threads", always: "answers everything", off: "does not answer" };
const RANK = { owner: 0, admin: 1, member: 2, guest: 3, observer: 4 };

export function renderMembers(room, me) {
  const members = [...room.members.values()].sort((one, other) => (RANK[one.role] ?? 5) - (RANK[other.role] ?? 5) || nameOf(one).localeCompare(nameOf(other)));
  const people = members.filter((member) => !isAi(member));
  const ai = members.filter(isAi);
  byId("member-list").replaceChildren(...section("People", people, room, me), ...section("AI participants", ai, room, me));
}

function section(title, members, room, me) {
  if (!members.length) return [];
  return [h("li", { class: "member-title" }, `${title} · ${members.length}`), ...members.map((member) => line(member, room.here.has(member.id), me))];
}

function line(member, here, me) {
  const role = member.role && member.role !== "member" ? member.role : null;
  const about = isAi(member) ? ENGAGEMENT[member.engagement] : null;
  const detail = [`@${member.handle || member.id}`, role, about, here && "online"].filter(Boolean).join(" · ");
  return h("li", { class: `member ${here ? "here" : ""}` }, avatar(member), h("div", { class: "member-who" }, h("span", { class: "member-name" }, h("strong", {}, nameOf(member)), badge(member), member.id === me && h("span", { class: "faint" }, "you")), h("span", { class: "faint" }, detail)));
}
