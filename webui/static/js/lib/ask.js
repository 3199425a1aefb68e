// Asks the server. Where the login has ended meanwhile, the page leads to the login, and from there back.

const LOGGED_OUT = 401;

export async function ask(address, options) {
  const answer = await fetch(address, options);
  if (answer.status === LOGGED_OUT) leadToLogin();
  return answer;
}

function leadToLogin() {
  if (document.querySelector("header .outside")) return; // here already
  const back = new URLSearchParams({ next: location.pathname + location.search });
  location.replace(`/login?${back}`);
}
