// The way in: a single-use ticket in the printed link, or an API key typed by hand.

import { byId } from "./dom.js";

const KEY = "roomhub.key";

export function storedKey() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

export function storeKey(key) {
  try {
    if (key) localStorage.setItem(KEY, key);
    else localStorage.removeItem(KEY);
  } catch {
    // Storage may be blocked; the key then lives as long as the page.
  }
}

/** The ticket in the address, taken out of it at once so that it stays in no history. */
export function takeTicket() {
  const ticket = new URLSearchParams(location.hash.slice(1)).get("ticket");
  if (ticket) history.replaceState(null, "", location.pathname);
  return ticket;
}

export function showLogin(problem, onKey) {
  byId("chat").hidden = true;
  byId("login").hidden = false;
  byId("login-key").value = "";
  busy(false);
  complain(problem);
  byId("login-form").onsubmit = (event) => {
    event.preventDefault();
    const key = byId("login-key").value.trim();
    if (!key) return complain("Please paste an API key.");
    busy(true);
    complain(null);
    onKey(key);
  };
  byId("login-key").focus();
}

/** Shown while a ticket or a stored key is being checked. */
export function showSigningIn() {
  byId("chat").hidden = true;
  byId("login").hidden = false;
  complain(null);
  busy(true);
}

function complain(sentence) {
  byId("login-problem").textContent = sentence || "";
  byId("login-problem").hidden = !sentence;
}

function busy(is) {
  byId("login-key").disabled = is;
  byId("login-button").disabled = is;
  byId("login-button").textContent = is ? "Signing in…" : "Sign in";
}
