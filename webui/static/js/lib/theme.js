// The button that changes between light and dark. A cookie remembers, so that the server sends
// the right page at once; the system's own choice is followed again when it is chosen.

const dark = matchMedia("(prefers-color-scheme: dark)");
const root = document.documentElement;

const shown = () => root.dataset.theme ?? (dark.matches ? "dark" : "light");

function choose(theme) {
  const asSystem = theme === (dark.matches ? "dark" : "light");
  if (asSystem) delete root.dataset.theme;
  else root.dataset.theme = theme;
  const age = asSystem ? 0 : 365 * 86400;
  // as the server names it: a cookie that no other host can set, where there is TLS
  const [prefix, secure] = location.protocol === "https:" ? ["__Host-", "; Secure"] : ["", ""];
  document.cookie = `${prefix}theme=${theme}; path=/; max-age=${age}; SameSite=Strict${secure}`;
  announce();
}

const announce = () => document.dispatchEvent(new Event("themechange"));

export function offerThemes() {
  const button = document.getElementById("theme");
  button.hidden = false;
  button.addEventListener("click", () => choose(shown() === "dark" ? "light" : "dark"));
  dark.addEventListener("change", announce);
}
