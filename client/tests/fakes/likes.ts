// A client for element tests: real contents and notifications, played answers, and a screen that tests scroll.
import { createContents } from "../../src/core/contents.js";
import type { AnyEvent } from "../../src/core/events.js";
import { createNotifications, type NotificationsInside } from "../../src/core/notifications.js";
import { createEmitter, createStore } from "../../src/core/store.js";
import { fitting, type NotificationPage, notificationPageShape } from "../../src/core/wire.js";
import type { ConnectionState, ContentKey, ContentRef, Likes } from "../../src/index.js";
import { FakeDeps } from "./content-deps.js";
import { FakeServer, type FakeUser } from "./server.js";

export const author: FakeUser = {
  id: "00000000-0000-4000-8000-000000000001",
  email: "",
  username: "author",
  password: "",
};

export class FakeLikes implements Likes {
  readonly deps = new FakeDeps();
  readonly server = new FakeServer([author], []);
  readonly watched = new Set<ContentKey>();
  readonly notifications: NotificationsInside;
  readonly connection = { ...createStore<ConnectionState>("live"), setRealtime: () => undefined };
  readonly user = createStore<string | null | undefined>(author.id);
  readonly events = createEmitter<never>();
  private readonly contents = createContents(this.deps);

  constructor() {
    this.contents.watching.subscribe(({ key, onScreen }) => {
      if (onScreen) this.watched.add(key);
      else this.watched.delete(key);
    });
    const page = (cursor: string | null, max: number) =>
      fitting(notificationPageShape, this.server.list(author.id, cursor, max));
    const api = {
      getNotifications: async (cursor: string | null, max: number) => page(cursor, max) as NotificationPage,
      markNotificationsRead: async (ids: readonly string[] | null) =>
        this.server.markRead(author.id, ids).unread_count as number,
    };
    const muteContent = async () => undefined;
    this.notifications = createNotifications({ ...api, muteContent }, () => undefined);
  }

  content = (ref: ContentRef) => this.contents.open(ref);
  load = async () => undefined;
  close = () => undefined;

  /** What the server tells of a content. */
  tell({ type, id }: ContentRef, total: number, version: number, liked = false): void {
    const status = {
      content_type: type,
      content_id: id,
      liked,
      intent: liked ? version : 0,
      total_likes: total,
      version,
    };
    this.contents.applyStatuses([{ ...status, viewers: 1, viewer_names: null }]);
  }

  notify(event: Exclude<AnyEvent, { kind: "likes" }>): void {
    this.notifications.apply(event, false);
  }
}

/** Stands in for the browser's observer: an element is on the screen when the test says so. */
export class FakeScreen {
  private readonly targets = new Map<Element, (entries: { target: Element; isIntersecting: boolean }[]) => void>();

  install(): void {
    const { targets } = this;
    Object.assign(globalThis, {
      IntersectionObserver: class {
        constructor(private readonly callback: (entries: { target: Element; isIntersecting: boolean }[]) => void) {}
        observe(target: Element): void {
          targets.set(target, this.callback);
        }
        unobserve(target: Element): void {
          targets.delete(target);
        }
      },
    });
  }

  scroll(target: Element, isIntersecting: boolean): void {
    this.targets.get(target)?.([{ target, isIntersecting }]);
  }

  observes(target: Element): boolean {
    return this.targets.has(target);
  }
}
