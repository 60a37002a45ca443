/** Whether no control has the focus: it is on the page itself. */
export function isFocusOnPage(): boolean {
  const active = window.document.activeElement;
  return active === null || active === window.document.body || active.id === "main";
}
