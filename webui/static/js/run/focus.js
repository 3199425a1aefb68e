// Where a reader is after a button of the run: at its actions, and not at the top of the new page.

const KEPT = "trainyard-acted";

export function keepFocus(page) {
  const group = () => page.querySelector(".actions");
  page.addEventListener("submit", ({ target, defaultPrevented }) => {
    if (defaultPrevented || !(group().contains(target) || target.closest("dialog"))) return;
    try {
      sessionStorage.setItem(KEPT, location.pathname);
    } catch {
      // then the focus is where the browser leaves it
    }
  });
  try {
    if (sessionStorage.getItem(KEPT) !== location.pathname) return;
    sessionStorage.removeItem(KEPT);
    group().focus();
  } catch {
    // as above
  }
}
