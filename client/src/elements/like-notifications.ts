// <like-notifications>: a bell with the unread count, a panel with what happened, and toasts for what just did. Selecting an entry marks it
// read and tells the page by `notification-open`.
import type { Likes } from "../core/likes.js";
import type { NotificationState } from "../core/notifications.js";
import type { Notification } from "../core/types.js";
import { LikesElement, part, style, template } from "./base.js";
import { likeNotificationsCss } from "./like-notifications.css.js";
import { createNotificationList, type NotificationList } from "./notification-list.js";
import { compactNumber, languageOf } from "./numbers.js";
import { createToasts, type Toasts } from "./toasts.js";

const markup = template(`
  <button part="bell" type="button" aria-haspopup="dialog" aria-expanded="false">
    <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M6 16.5V10a6 6 0 0 1 12 0v6.5l1.5 2h-15Z"/><path d="M10 21h4"/></svg>
    <span part="badge" hidden></span>
  </button>
  <div part="panel" role="dialog" aria-label="Notifications" tabindex="-1" hidden>
    <header>
      <h2 part="title">Notifications</h2>
      <button part="read-all" type="button">Mark all as read</button>
    </header>
    <ul part="list"></ul>
    <p part="empty">Nothing yet. When somebody likes what you posted, you read it here.</p>
    <p part="failure" hidden>Notifications could not be loaded.</p>
    <button part="more" type="button" hidden>Show more</button>
  </div>
  <div part="toasts" role="status" popover="manual"></div>
`);
const sheet = style(likeNotificationsCss);

export class LikeNotifications extends LikesElement {
  private list: NotificationList | null = null;
  private toasts: Toasts | null = null;
  private unread: number | null = null;

  protected override draw(root: ShadowRoot): void {
    root.adoptedStyleSheets = [sheet()];
    root.append(markup());
    this.list = createNotificationList(part(root, "list"), (item) => this.select(item));
    this.toasts = createToasts(part(root, "toasts"), (item) => this.select(item));
    part(root, "bell").addEventListener("click", () => this.toggle(!this.open));
    part(root, "read-all").addEventListener("click", () => void this.likes?.notifications.markRead());
    part(root, "more").addEventListener("click", () => void this.likes?.notifications.loadMore());
    root.addEventListener("keydown", (event) => {
      if ((event as KeyboardEvent).key === "Escape" && this.open) this.toggle(false);
    });
  }

  protected override start(likes: Likes): (() => void)[] {
    const ended = new AbortController();
    document.addEventListener("pointerdown", (event) => this.closeFrom(event), { signal: ended.signal });
    this.unread = null;
    this.show(likes.notifications.get());
    return [
      likes.notifications.subscribe((state) => this.show(state)),
      likes.notifications.arrivals.subscribe((item) => this.arrived(item)),
      () => ended.abort(),
      () => this.toasts?.clear(),
    ];
  }

  get open(): boolean {
    return !this.panel.hidden;
  }

  private get panel(): HTMLElement {
    return part(this.shadowRoot as ShadowRoot, "panel");
  }

  private toggle(open: boolean): void {
    const bell = part(this.shadowRoot as ShadowRoot, "bell");
    this.panel.hidden = !open;
    bell.setAttribute("aria-expanded", String(open));
    if (open) {
      this.list?.refreshTimes(Date.now());
      this.panel.focus();
    } else bell.focus();
  }

  private closeFrom(event: Event): void {
    if (!this.open || event.composedPath().includes(this)) return;
    this.panel.hidden = true;
    part(this.shadowRoot as ShadowRoot, "bell").setAttribute("aria-expanded", "false");
  }

  private select(item: Notification): void {
    if (!item.isRead) void this.likes?.notifications.markRead([item.id]);
    this.tell("notification-open", { id: item.id, content: item.content });
  }

  private arrived(item: Notification): void {
    if (!this.open && !this.hasAttribute("quiet")) this.toasts?.show(item);
  }

  private show(state: NotificationState): void {
    const root = this.shadowRoot as ShadowRoot;
    this.list?.show(state.items, Date.now(), languageOf(this));
    part(root, "empty").hidden = state.items.length > 0 || state.failure !== null;
    part(root, "failure").hidden = state.failure === null;
    part(root, "more").hidden = !state.hasMore;
    part(root, "read-all").hidden = state.unread === 0;
    this.showUnread(state.unread);
  }

  private showUnread(unread: number): void {
    const root = this.shadowRoot as ShadowRoot;
    const badge = part(root, "badge");
    badge.hidden = unread === 0;
    badge.textContent = compactNumber(unread, languageOf(this));
    part(root, "bell").setAttribute("aria-label", unread === 0 ? "Notifications" : `Notifications, ${unread} unread`);
    if (this.unread !== null && unread > this.unread) this.ring();
    this.unread = unread;
  }

  private ring(): void {
    const bell = part(this.shadowRoot as ShadowRoot, "bell");
    bell.classList.remove("ring");
    // Reading a size between the two restarts the animation.
    void bell.offsetWidth;
    bell.classList.add("ring");
  }
}
