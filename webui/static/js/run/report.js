// The report of a run: its button opens the browser's own dialog to print.

const button = document.getElementById("print");
button.hidden = false;
button.addEventListener("click", () => print());
