// A button that was pressed says that it is at work until the answer is there, and is not pressed twice.

const WHOLE_TIME_MS = 60_000; // after so long it may be pressed again: an answer may never come

export function showBusy() {
  // after all others: who answers a press in the page has prevented the browser from sending it
  addEventListener("submit", (event) => {
    const { target: form, submitter } = event;
    const method = submitter?.formMethod || form.getAttribute("method"); // a button may have one of its own
    if (method === "dialog" || event.defaultPrevented) return;
    if (form.hasAttribute("aria-busy")) return event.preventDefault(); // the second of a double click
    const button = submitter ?? form.querySelector("[type=submit]");
    begin(form, button);
    setTimeout(() => end(form, button), WHOLE_TIME_MS);
  });
  // a page that is shown again as it was left
  addEventListener("pageshow", ({ persisted }) => {
    if (persisted) for (const form of document.querySelectorAll("form[aria-busy]")) end(form, form.querySelector("[data-busy]"));
  });
}

function begin(form, button) {
  form.setAttribute("aria-busy", "true");
  button?.setAttribute("data-busy", "");
}

function end(form, button) {
  form.removeAttribute("aria-busy");
  button?.removeAttribute("data-busy");
}
