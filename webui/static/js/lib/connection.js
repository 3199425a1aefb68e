// Says that the connection is lost, until it is restored. What is shown stays.

const notice = document.getElementById("connection");

export function lost() {
  notice.textContent = "Connection lost, trying again…";
  notice.hidden = false;
}

export function restored() {
  notice.hidden = true;
}
