// Says that the server or its database is away, and since when, until it is back. What is shown stays.

import { clock } from "./format.js";
import { gettext } from "./words.js";

const notice = document.getElementById("connection");

let heardAt = Date.now(); // when what is shown was known to be true

export function lost() {
  say(gettext("Connection lost, trying again… No contact since %(time)s.", { time: clock(heardAt) }));
}

export function restored() {
  heardAt = Date.now();
  notice.hidden = true;
}

// What the server says where it has nothing else to say.
export function heartbeat({ database }) {
  if (database === "ok") restored();
  else say(gettext("The database does not answer. No news since %(time)s.", { time: clock(heardAt) }));
}

function say(text) {
  notice.textContent = text;
  notice.hidden = false;
}
