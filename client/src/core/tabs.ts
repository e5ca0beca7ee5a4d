// Tabs of one browser and one user tell each other what was settled, and agree by a lock on who sends what waited offline.
import { createEmitter, type Emitter } from "./store.js";
import { fitting, type TabMessage, tabMessageShape } from "./wire.js";

export interface Tabs {
  tell(message: TabMessage): void;
  readonly heard: Pick<Emitter<TabMessage>, "subscribe">;
  /** Runs the task while no other tab of this user runs one of the same name. */
  alone(name: string, task: () => Promise<void>): Promise<void>;
  close(): void;
}

export interface TabDoors {
  readonly BroadcastChannel: typeof BroadcastChannel | null;
  readonly locks: LockManager | null;
}

/** Without the doors (old browsers, servers) a tab is alone: sending twice is harmless, since the intent is the same. */
export function createTabs(doors: TabDoors, userId: string): Tabs {
  const heard = createEmitter<TabMessage>();
  const name = `realtime-likes:${userId}`;
  const channel = doors.BroadcastChannel ? new doors.BroadcastChannel(name) : null;
  if (channel) {
    channel.onmessage = ({ data }) => {
      const message = fitting(tabMessageShape, data);
      if (message) heard.emit(message);
    };
  }
  return {
    tell: (message) => channel?.postMessage(message),
    heard,
    alone: (task, run) => alone(doors.locks, `${name}:${task}`, run),
    close: () => channel?.close(),
  };
}

async function alone(locks: LockManager | null, name: string, run: () => Promise<void>): Promise<void> {
  let started = false;
  const start = () => {
    started = true;
    return run();
  };
  try {
    await (locks ? locks.request(name, start) : start());
  } catch (error) {
    if (started) throw error;
    // Sandboxed pages have locks that refuse.
    await run();
  }
}
