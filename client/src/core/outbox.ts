// Likes tapped offline wait here, in localStorage where there is one, until the network is back; at most one wish per content.
import type { Clock } from "./clock.js";
import type { ContentKey } from "./types.js";
import { fitting, type OutboxEntry, outboxEntryShape } from "./wire.js";

export interface Outbox {
  entries(): OutboxEntry[];
  /** Keeps the newer of this wish and the one that waits for the same content. */
  put(entry: OutboxEntry): void;
  /** Forgets the wish of a content unless a newer one than `intent` has come meanwhile. */
  remove(key: ContentKey, intent: number): void;
}

/** The server forgets intents of unlikes after a day; a wish that waited longer than this is no longer one. */
const MAX_AGE_MS = 12 * 60 * 60 * 1000;

export type TextStorage = Pick<Storage, "getItem" | "setItem" | "removeItem">;

export function createOutbox(storage: TextStorage, clock: Clock, userId: string): Outbox {
  const name = `realtime-likes:outbox:${userId}`;
  const read = () => parse(storage.getItem(name)).filter((entry) => clock.now() - entry.at < MAX_AGE_MS);
  const write = (entries: OutboxEntry[]) => {
    if (entries.length === 0) storage.removeItem(name);
    else storage.setItem(name, JSON.stringify(entries));
  };
  return {
    entries: read,
    put(entry) {
      const others = read().filter((other) => entryKey(other) !== entryKey(entry));
      const waiting = read().find((other) => entryKey(other) === entryKey(entry));
      write([...others, waiting && waiting.intent > entry.intent ? waiting : entry]);
    },
    remove(key, intent) {
      const entries = read();
      const left = entries.filter((entry) => entryKey(entry) !== key || entry.intent > intent);
      if (left.length !== entries.length) write(left);
    },
  };
}

export const entryKey = (entry: OutboxEntry): ContentKey => `${entry.contentType}:${entry.contentId}`;

function parse(text: string | null): OutboxEntry[] {
  try {
    const entries: unknown = JSON.parse(text ?? "[]");
    if (!Array.isArray(entries)) return [];
    return entries.map((entry) => fitting(outboxEntryShape, entry)).filter((entry) => entry !== null);
  } catch {
    // Somebody else wrote there; what cannot be read cannot be sent.
    return [];
  }
}

/** A storage for where there is none, or where the browser refuses it (private windows, full disks). */
export function forgivingStorage(storage: TextStorage | null): TextStorage {
  const memory = new Map<string, string>();
  const attempt = <T>(action: (storage: TextStorage) => T): T | null => {
    try {
      return storage ? action(storage) : null;
    } catch {
      return null;
    }
  };
  return {
    getItem: (name) => attempt((real) => real.getItem(name)) ?? memory.get(name) ?? null,
    setItem(name, text) {
      const stored = attempt((real) => {
        real.setItem(name, text);
        return true;
      });
      if (stored) memory.delete(name);
      else memory.set(name, text);
    },
    removeItem(name) {
      memory.delete(name);
      attempt((real) => real.removeItem(name));
    },
  };
}
