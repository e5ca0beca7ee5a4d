// The pill that tells how news arrives, and the switch that cuts Realtime to show that nothing breaks.
import type { ConnectionState, Likes } from "../src/index.js";

const words: Record<ConnectionState, [string, string]> = {
  live: ["Live", "Changes arrive as they happen."],
  polling: ["Polling", "Realtime is away; counts are refreshed every few seconds."],
  offline: ["Offline", "Nothing answers. Your likes are kept and sent when the network is back."],
};

/** Joining takes a moment after the page has opened; until then "polling" would be a false alarm. */
const PATIENCE_MS = 4000;

export function startConnectionPill(pill: HTMLElement, toggle: HTMLInputElement, likes: Likes): void {
  const text = pill.querySelector("span") as HTMLElement;
  let patient = true;
  const show = () => {
    const state = likes.connection.get();
    if (state !== "polling" || !toggle.checked) patient = false;
    if (patient) return;
    pill.dataset.state = state;
    [text.textContent, pill.title] = words[state];
  };
  likes.connection.subscribe(show);
  setTimeout(() => {
    patient = false;
    show();
  }, PATIENCE_MS);
  toggle.addEventListener("change", () => {
    likes.connection.setRealtime(toggle.checked);
    show();
  });
  show();
}
