// A button that asks first, by a page, has its dialog where there is a script: `data-dialog` names it.

export function offerDialogs() {
  document.addEventListener("submit", (event) => {
    const dialog = document.getElementById(event.target.dataset.dialog ?? "");
    if (!dialog) return;
    event.preventDefault();
    dialog.showModal();
  });
}
