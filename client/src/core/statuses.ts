// Asks for the present state of contents outside the heartbeat: a feed page before it is shown, or one that nobody knows for sure.
import type { LikesApi } from "./api.js";
import { type Clock, createTimer } from "./clock.js";
import type { Contents } from "./contents.js";
import type { Readable } from "./store.js";
import { type ContentKey, type ContentRef, keyOf } from "./types.js";

export interface StatusLoader {
  load(refs: readonly ContentRef[]): Promise<void>;
  /** Shortly, together with others that are asked for at the same time. */
  refresh(ref: ContentRef): void;
}

export interface StatusDeps {
  readonly api: Pick<LikesApi, "getStatus">;
  readonly clock: Clock;
  readonly contents: Contents;
  readonly user: Readable<string | null | undefined>;
}

/** The server takes 100 contents a call. */
const PAGE = 100;
const GATHER_MS = 50;

export function createStatusLoader({ api, clock, contents, user }: StatusDeps): StatusLoader {
  const timer = createTimer(clock);
  const wanted = new Map<ContentKey, ContentRef>();

  async function load(refs: readonly ContentRef[]): Promise<void> {
    for (let start = 0; start < refs.length; start += PAGE) {
      const asker = user.get();
      const statuses = await api.getStatus(refs.slice(start, start + PAGE));
      // Somebody else may have signed in meanwhile; these hearts are not theirs.
      if (asker === user.get()) contents.applyStatuses(statuses);
    }
  }

  function loadWanted(): void {
    const refs = [...wanted.values()];
    wanted.clear();
    // The next heartbeat heals what this one could not.
    void load(refs).catch(() => undefined);
  }

  return {
    load,
    refresh(ref) {
      wanted.set(keyOf(ref), ref);
      if (!timer.armed) timer.set(GATHER_MS, loadWanted);
    },
  };
}
