// What is typed into the form of a new run, kept for as long as the tab is open: for a reload, a step back, a
// server that does not answer. It remembers by which token it was sent, so that a form that was sent and got
// no answer makes no second run.

const KEY = "trainyard.draft";
const OF_THE_PAGE = new Set(["csrf_token", "submission_token", "from"]);

export function find() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY));
  } catch {
    return null; // a browser that keeps nothing
  }
}

function store(draft) {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(draft));
  } catch {
    // then it is not kept
  }
}

export function valuesOf(form) {
  return [...new FormData(form)].filter(([name]) => !OF_THE_PAGE.has(name));
}

// Where the form is filled as it was before something was typed.
export const here = () => location.origin + location.pathname + location.search;

export function keep(form, isSent = false) {
  const token = form.elements.submission_token.value;
  store({ address: here(), values: valuesOf(form), token, isSent, isDone: false });
}

// On the page of a run: where the form has led here, who goes back to it asks for another one.
export function finish() {
  const draft = find();
  if (draft?.isSent && document.referrer === draft.address) store({ ...draft, token: null, isDone: true });
}
