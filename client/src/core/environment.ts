// What the browser offers, gathered in one place: elsewhere (servers, tests) there is always a network, always a viewer and never a
// second tab.
import { forgivingStorage, type TextStorage } from "./outbox.js";
import type { TabDoors } from "./tabs.js";

export interface Environment {
  readonly storage: TextStorage;
  readonly tabs: TabDoors;
  online(): boolean;
  visible(): boolean;
  /** Calls back when one of the two may have changed, and before the page goes. Returns what ends that. */
  onChange(listener: (change: "network" | "visibility" | "leaving") => void): () => void;
  /** A random UUID. */
  id(): string;
}

export function browserEnvironment(scope: typeof globalThis = globalThis): Environment {
  const { navigator, document } = scope;
  return {
    storage: forgivingStorage(localStorageOf(scope)),
    // Newer Nodes have both, but no tabs.
    tabs: document
      ? { BroadcastChannel: scope.BroadcastChannel ?? null, locks: navigator?.locks ?? null }
      : { BroadcastChannel: null, locks: null },
    online: () => navigator?.onLine ?? true,
    visible: () => document?.visibilityState !== "hidden",
    onChange(listener) {
      const ended = new AbortController();
      const { signal } = ended;
      const listen = (target: EventTarget | undefined, type: string, change: Parameters<typeof listener>[0]) =>
        target?.addEventListener?.(type, () => listener(change), { signal });
      listen(scope, "online", "network");
      listen(scope, "offline", "network");
      listen(scope, "pagehide", "leaving");
      listen(document, "visibilitychange", "visibility");
      return () => ended.abort();
    },
    id: () => randomUuid(scope.crypto),
  };
}

/** Asking alone throws where the site may not store. */
function localStorageOf(scope: typeof globalThis): TextStorage | null {
  try {
    return scope.localStorage ?? null;
  } catch {
    return null;
  }
}

/** `randomUUID` exists on secure origins only; a page tried on a phone over plain http has none. */
function randomUuid(crypto: Crypto): string {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
