// The entry: finds a key, signs in, and hands over to the chat; a refused key leads back here.

import { Api, explain } from "./api.js";
import { Chat } from "./chat.js";
import { byId, icon } from "./dom.js";
import { showLogin, showSigningIn, storedKey, storeKey, takeTicket } from "./login.js";
import { keepFresh } from "./time.js";

let chat = null;
const api = new Api((sentence) => signOut(sentence));

function signOut(sentence = null) {
  chat?.close();
  chat = null;
  api.key = null;
  storeKey(null);
  showLogin(sentence, signIn);
}

async function signIn(key, typed = true) {
  api.key = key;
  let me;
  try {
    me = await api.me();
  } catch (error) {
    if (error.status === 401) signOut(typed ? "That key was not accepted. Please check it and try again." : "Your sign-in has ended. Please sign in again.");
    else retryLater(key, explain(error));
    return;
  }
  if (!me.scopes.includes("write")) return signOut("That key may only read. Sign in with one that may write, too.");
  storeKey(key);
  chat?.close();
  byId("login").hidden = true;
  byId("chat").hidden = false;
  chat = new Chat(api, me, signOut);
  chat.start();
}

/** The hub is away but the key may be good: keep it and offer the form. */
function retryLater(key, sentence) {
  showLogin(`${sentence} You can try again.`, signIn);
  byId("login-key").value = key;
}

async function redeem(ticket) {
  showSigningIn();
  try {
    const { key } = await api.login(ticket);
    await signIn(key);
  } catch (error) {
    const old = storedKey();
    if (old && error.status !== 0) return signIn(old, false);
    const used = error.status === 401 ? "This sign-in link was used before or has expired. Ask the hub for a new one." : explain(error);
    showLogin(used, signIn);
  }
}

function arrive() {
  const ticket = takeTicket();
  if (ticket) return redeem(ticket);
  if (chat) return chat.follow();
  const key = storedKey();
  if (!key) return showLogin(null, signIn);
  showSigningIn();
  return signIn(key, false);
}

const ICONS = { "new-room": "plus", "new-session": "plus", logout: "leave", "open-rooms": "menu", "close-members": "close", "news-close": "close" };
for (const [id, name] of Object.entries(ICONS)) byId(id).append(icon(name));
byId("logout").onclick = () => {
  history.replaceState(null, "", location.pathname);
  signOut("You are logged out.");
};
addEventListener("hashchange", arrive);
keepFresh();
arrive();
