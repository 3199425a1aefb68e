// Says that the server is not heard, and takes it back. What is shown stays.

const notice = document.getElementById("connection");

export function lost() {
  notice.textContent = "Connection lost, trying again…";
  notice.hidden = false;
}

export function heard() {
  notice.hidden = true;
}
