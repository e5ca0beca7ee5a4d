// Toasts: what has just happened, for a few seconds, three at most. The container is a polite live region, so they are also heard.
import { systemClock } from "../core/clock.js";
import type { Notification } from "../core/types.js";
import { part, template } from "./base.js";

const markup = template(`
  <div part="toast">
    <button part="toast-open" type="button"><b></b><span></span></button>
    <button part="toast-close" type="button" aria-label="Dismiss">×</button>
  </div>
`);

const SHOWN_MS = 6000;
const MAX_TOASTS = 3;

export interface Toasts {
  show(item: Notification): void;
  clear(): void;
}

export function createToasts(container: HTMLElement, select: (item: Notification) => void): Toasts {
  function show(item: Notification): void {
    const toast = markup().firstElementChild as HTMLElement;
    const open = part(toast, "toast-open");
    (open.querySelector("b") as HTMLElement).textContent = item.title;
    (open.querySelector("span") as HTMLElement).textContent = item.message;
    const close = vanishing(toast);
    open.addEventListener("click", () => {
      close();
      select(item);
    });
    part(toast, "toast-close").addEventListener("click", close);
    container.append(toast);
    surface(container);
    while (container.children.length > MAX_TOASTS) container.firstElementChild?.remove();
  }

  return { show, clear: () => container.replaceChildren() };
}

/** To the top layer, and above whatever went there meanwhile: elsewhere a transformed or blurred ancestor would catch a fixed box. */
function surface(container: HTMLElement): void {
  if (!container.showPopover || !container.isConnected) return;
  if (container.matches(":popover-open")) container.hidePopover();
  container.showPopover();
}

/** Removes the toast after its time, but not while somebody points at it or has it focused. */
function vanishing(toast: HTMLElement): () => void {
  const close = () => toast.remove();
  let cancel = systemClock.after(SHOWN_MS, close);
  const hold = () => cancel();
  const release = () => {
    cancel();
    cancel = systemClock.after(SHOWN_MS, close);
  };
  toast.addEventListener("pointerenter", hold);
  toast.addEventListener("focusin", hold);
  toast.addEventListener("pointerleave", release);
  toast.addEventListener("focusout", release);
  return () => {
    cancel();
    close();
  };
}
