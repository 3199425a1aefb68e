// A pause or a resume is asked for without leaving the page: loading it again would take the run's stream away, so
// that whoever pressed the button would be the last to see what comes of it.

const IN_PLACE = new Set(["pause", "resume"]);
const PATIENCE_MS = 10_000;

// `show()` shows what the server has of the run now. Where the server does not agree, the form is sent as without a
// script, so that its own answer is seen.
export function askInPlace(page, show) {
  const asking = new WeakSet();
  const refused = new WeakSet();
  page.addEventListener("submit", async (event) => {
    const { target: form, submitter } = event;
    if (!submitter || !IN_PLACE.has(submitter.value) || !form.closest(".actions") || refused.has(form)) return;
    event.preventDefault();
    if (asking.has(form)) return; // the second of a double click
    asking.add(form);
    const isDone = await post(form, submitter);
    asking.delete(form);
    if (isDone) {
      await show();
      if (document.activeElement === document.body) page.querySelector(".actions").focus();
    } else {
      refused.add(form);
      form.requestSubmit(submitter);
    }
  });
}

async function post(form, submitter) {
  const body = new URLSearchParams(new FormData(form));
  body.append(submitter.name, submitter.value);
  const address = form.getAttribute("action"); // its property is the button of that name
  const signal = AbortSignal.timeout(PATIENCE_MS);
  try {
    const answer = await fetch(address, { method: "POST", body, redirect: "manual", signal });
    return answer.type === "opaqueredirect";
  } catch {
    return false;
  }
}
