// The dialogs: make a room, add members to one, change a message.

import { explain } from "./api.js";
import { byId, h, uuid } from "./dom.js";
import { avatar, badge, nameOf } from "./people.js";

/** A searchable list of participants with boxes to tick; `chosen()` gives those ticked. */
export function picker(participants) {
  const boxes = new Map();
  const rows = participants.map((person) => {
    const box = h("input", { type: "checkbox", value: person.id });
    boxes.set(box, person);
    const row = h("label", { class: "pick" }, box, avatar(person, "small"), h("span", { class: "pick-name" }, nameOf(person)), badge(person), h("span", { class: "faint" }, `@${person.handle || person.id}`));
    return { row, words: `${nameOf(person)} ${person.handle} ${person.id}`.toLowerCase() };
  });
  const none = h("p", { class: "faint pad", hidden: rows.length > 0 }, "Nobody found.");
  const search = h("input", { type: "search", placeholder: "Find somebody", "aria-label": "Find somebody", autocomplete: "off" });
  search.addEventListener("input", () => {
    const wanted = search.value.trim().toLowerCase();
    for (const { row, words } of rows) row.hidden = !words.includes(wanted);
    none.hidden = rows.some(({ row }) => !row.hidden);
  });
  const node = h("div", { class: "picker" }, search, h("div", { class: "picks" }, ...rows.map(({ row }) => row), none));
  return { node, chosen: () => [...boxes].filter(([box]) => box.checked).map(([, { type, id }]) => ({ type, id })) };
}

/** Closes the dialog; the browser gives the focus back to what opened it, and what is gone by then
 * has a neighbour. The browser tells of the end a frame later: a key may come before. */
function closer(dialog, opener) {
  const place = opener?.parentElement;
  dialog.onclose = () => {
    const lost = document.activeElement === document.body || dialog.contains(document.activeElement);
    if (lost && !opener?.isConnected) (place?.querySelector("button") || byId("composer").querySelector("textarea"))?.focus();
  };
  return () => {
    dialog.close();
    dialog.onclose();
  };
}

/** Shows a form in the one dialog; `submit()` resolves to close it, or throws what went wrong. */
export function ask({ title, fields, action, submit }) {
  const dialog = byId("dialog");
  const close = closer(dialog, document.activeElement);
  const problem = h("p", { class: "problem", role: "alert", hidden: true });
  const send = h("button", { class: "primary", type: "submit" }, action);
  const cancel = h("button", { class: "ghost", type: "button", onclick: close }, "Cancel");
  const form = h("form", {}, h("h2", { id: "dialog-title" }, title), ...fields, problem, h("div", { class: "dialog-actions" }, cancel, send));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    send.disabled = true;
    problem.hidden = true;
    try {
      await submit();
      close();
    } catch (error) {
      problem.textContent = explain(error);
      problem.hidden = false;
    }
    send.disabled = false;
  });
  dialog.setAttribute("aria-labelledby", "dialog-title");
  dialog.replaceChildren(form);
  dialog.showModal();
}

/** `create(body, key)` makes the room; `participants` is null where they may not be listed. */
export function askNewRoom({ participants, me, create }) {
  const name = h("input", { id: "room-field-name", required: true, maxlength: "200", autocomplete: "off", placeholder: "Design review", autofocus: true });
  const about = h("textarea", { id: "room-field-about", rows: "2", maxlength: "2000", placeholder: "What is it for? (optional)" });
  const open = h("input", { type: "checkbox" });
  const people = participants && picker(participants.filter((person) => person.id !== me));
  const key = uuid();
  const submit = () => {
    const body = { name: name.value.trim(), private: !open.checked };
    if (about.value.trim()) body.description = about.value.trim();
    if (people?.chosen().length) body.initial_members = people.chosen();
    return create(body, `${key}-${JSON.stringify(body).length}`);
  };
  const fields = [
    h("label", { for: "room-field-name" }, "Name"), name,
    h("label", { for: "room-field-about" }, "Description"), about,
    h("label", { class: "check" }, open, "Everybody on this hub may read it"),
    ...(people ? [h("p", { class: "label" }, "Members"), people.node] : []),
  ];
  ask({ title: "New room", fields, action: "Make room", submit });
}

/** `add(person)` adds one; those who are members already are not offered. */
export function askAddMembers({ participants, room, add }) {
  const people = picker(participants.filter((person) => !room.members.has(person.id)));
  const submit = async () => {
    for (const person of people.chosen()) await add(person);
  };
  ask({ title: `Add to ${room.info.name}`, fields: [people.node], action: "Add", submit });
}

/** `save(text)` gives a message another text; `action` and a `hint` say what comes of it. */
export function askEdit({ content, save, action = "Save", hint = null }) {
  const text = h("textarea", { id: "edit-field", rows: "5", required: true, autofocus: true, value: content });
  const fields = [h("label", { for: "edit-field" }, "Message"), text, ...(hint ? [h("p", { class: "faint" }, hint)] : [])];
  ask({ title: "Edit message", fields, action, submit: () => save(text.value.trim()) });
}

/** `remove()` erases a message's text for everybody. */
export function askDelete({ remove }) {
  const fields = [h("p", {}, "Its text is erased for everybody. That it was there can still be seen.")];
  ask({ title: "Delete this message?", fields, action: "Delete", submit: remove });
}
