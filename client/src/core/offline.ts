// Likes tapped offline: parked in the outbox, shown in every tab, and sent by one tab, once, when the network is back (B3).

import type { Clock } from "./clock.js";
import type { Contents } from "./contents.js";
import type { Wish } from "./like-model.js";
import { createOutbox, entryKey, type Outbox, type TextStorage } from "./outbox.js";
import { createTabs, type TabDoors } from "./tabs.js";
import { type ContentRef, type Failure, keyOf } from "./types.js";
import type { LikeAnswer, OutboxEntry, TabMessage } from "./wire.js";

/** What one signed-in person shares among the tabs of one browser. */
export interface Shared {
  park(content: ContentRef, wish: Wish): void;
  settled(content: ContentRef, wish: Wish, answer: LikeAnswer): void;
  dropped(content: ContentRef, wish: Wish, failure: Failure | null): void;
  read(ids: readonly string[] | null): void;
  /** Sends what waits, unless another tab already does. */
  flush(): Promise<void>;
  close(): void;
}

export interface SharedDeps {
  readonly clock: Clock;
  readonly storage: TextStorage;
  readonly doors: TabDoors;
  readonly contents: Contents;
  offline(): boolean;
  onRead(ids: readonly string[] | null): void;
}

export function createShared(deps: SharedDeps, userId: string): Shared {
  const outbox = createOutbox(deps.storage, deps.clock, userId);
  const tabs = createTabs(deps.doors, userId);
  tabs.heard.subscribe((message) => hear(deps, message));
  for (const entry of outbox.entries()) deps.contents.find(refOfEntry(entry)).waitsElsewhere(entry);
  return {
    park(content, wish) {
      const { liked, intent, at } = wish;
      outbox.put({ ...wireRef(content), liked, intent, at });
      tabs.tell({ kind: "waiting", ...wireRef(content), liked, intent, at });
    },
    settled(content, wish, answer) {
      outbox.remove(keyOf(content), wish.intent);
      const { liked, intent, total_likes: total, version } = answer;
      tabs.tell({ kind: "settled", ...wireRef(content), liked, intent: Math.max(intent, wish.intent), total, version });
    },
    dropped(content, wish, failure) {
      outbox.remove(keyOf(content), wish.intent);
      const { code, message } = failure ?? { code: null, message: "" };
      tabs.tell({ kind: "dropped", ...wireRef(content), intent: wish.intent, code, message });
    },
    read: (ids) => tabs.tell({ kind: "read", ids: ids && [...ids] }),
    flush: () => tabs.alone("outbox", () => flush(deps, outbox)),
    close: tabs.close,
  };
}

async function flush(deps: SharedDeps, outbox: Outbox): Promise<void> {
  for (const entry of outbox.entries()) {
    if (deps.offline()) return;
    await deps.contents.find(refOfEntry(entry)).resume(entry);
  }
  // Shown as waiting here, yet in no outbox any more: another tab has sent it and its message was missed. Sending again is harmless.
  const waiting = new Set(outbox.entries().map(entryKey));
  for (const content of deps.contents.all()) {
    const wish = content.stranded;
    if (wish && !waiting.has(keyOf(content.ref)) && !deps.offline()) await content.resume(wish);
  }
}

function hear({ contents, onRead }: SharedDeps, message: TabMessage): void {
  if (message.kind === "read") return onRead(message.ids);
  const content = contents.find(refOfEntry(message));
  if (message.kind === "waiting") return content.waitsElsewhere(message);
  if (message.kind === "settled") {
    return content.settledElsewhere(message.liked, message.intent, message.total, message.version);
  }
  const { code, message: text, intent } = message;
  content.droppedElsewhere(intent, code === null ? null : { code, message: text });
}

const wireRef = (content: ContentRef) => ({ contentType: content.type, contentId: content.id });
const refOfEntry = (entry: Pick<OutboxEntry, "contentType" | "contentId">): ContentRef => ({
  type: entry.contentType,
  id: entry.contentId,
});
