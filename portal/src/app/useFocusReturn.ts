import { useEffect } from "react";

/** What appears above the page and goes away again. */
const ABOVE = "[role=dialog], [role=menu], [data-portal]";

/**
 * Give the focus back when the dialog, menu or button that has it goes away: to the element that had it before a dialog,
 * or else to the content of the page. Otherwise it would be at the top of the document, and a person without a mouse lost.
 */
export function useFocusReturn(): void {
  useEffect(() => {
    let beforeDialog: HTMLElement | null = null;
    let current: { element: Element; isAbove: boolean } | null = null;
    const onFocus = ({ target }: FocusEvent) => {
      if (!(target instanceof HTMLElement)) return;
      const isAbove = target.closest(ABOVE) !== null;
      current = { element: target, isAbove };
      if (!isAbove) beforeDialog = target;
    };
    const observer = new MutationObserver(() => {
      if (!current || current.element.isConnected || document.activeElement !== document.body) return;
      const { element, isAbove } = current;
      current = null;
      // A pressed button that made way for another one, as that of a training; other elements have pages that care for them.
      if (!isAbove && !element.matches("button, a")) return;
      const known = isAbove && beforeDialog?.isConnected ? beforeDialog : document.getElementById("main");
      known?.focus({ preventScroll: true });
    });
    document.addEventListener("focusin", onFocus);
    observer.observe(document.body, { childList: true, subtree: true });
    return () => {
      document.removeEventListener("focusin", onFocus);
      observer.disconnect();
    };
  }, []);
}
