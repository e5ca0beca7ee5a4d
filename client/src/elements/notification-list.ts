// The rows of the notification panel: one per notification, kept while it lives so that focus and scroll stay where they are.
import type { Notification } from "../core/types.js";
import { part, template } from "./base.js";
import { timeAgo } from "./numbers.js";

const rowMarkup = template(`
  <li><button part="item" type="button">
    <span part="item-message"></span>
    <time part="item-time"></time>
    <span part="item-dot" role="img" aria-label="unread"></span>
  </button></li>
`);

export interface NotificationList {
  show(items: readonly Notification[], now: number, language: string): void;
  refreshTimes(now: number): void;
}

interface Row {
  readonly element: HTMLElement;
  item: Notification;
}

export function createNotificationList(list: HTMLElement, select: (item: Notification) => void): NotificationList {
  const rows = new Map<string, Row>();
  let language = "en";

  function rowFor(item: Notification): Row {
    const found = rows.get(item.id);
    if (found) return found;
    const element = rowMarkup().firstElementChild as HTMLElement;
    const row = { element, item };
    part(element, "item").addEventListener("click", () => select(row.item));
    rows.set(item.id, row);
    return row;
  }

  function fill(row: Row, now: number): void {
    const { element, item } = row;
    part(element, "item-message").textContent = item.message;
    const time = part<HTMLTimeElement>(element, "item-time");
    time.dateTime = item.createdAt;
    time.textContent = timeAgo(Date.parse(item.createdAt), now, language);
    part(element, "item-dot").hidden = item.isRead;
    element.toggleAttribute("data-unread", !item.isRead);
  }

  function dropOthers(items: readonly Notification[]): void {
    const ids = new Set(items.map(({ id }) => id));
    for (const [id, { element }] of rows) {
      if (ids.has(id)) continue;
      element.remove();
      rows.delete(id);
    }
  }

  return {
    show(items, now, newLanguage) {
      language = newLanguage;
      dropOthers(items);
      items.forEach((item, index) => {
        const row = rowFor(item);
        row.item = item;
        fill(row, now);
        // Moving a row would take the focus off it, so only what is out of place moves.
        if (list.children[index] !== row.element) list.insertBefore(row.element, list.children[index] ?? null);
      });
    },
    refreshTimes(now) {
      for (const row of rows.values()) fill(row, now);
    },
  };
}
