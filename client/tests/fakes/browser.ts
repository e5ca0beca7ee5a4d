// Several tabs of one browser: one storage, one set of locks, messages to every tab but the sender.
import type { TextStorage } from "../../src/core/outbox.js";
import type { TabDoors } from "../../src/core/tabs.js";

export class FakeBrowser {
  readonly items = new Map<string, string>();
  private readonly channels = new Map<string, Set<FakeChannel>>();
  private readonly queues = new Map<string, Promise<unknown>>();

  readonly storage: TextStorage = {
    getItem: (name) => this.items.get(name) ?? null,
    setItem: (name, text) => void this.items.set(name, text),
    removeItem: (name) => void this.items.delete(name),
  };

  readonly doors: TabDoors = {
    BroadcastChannel: this.channelClass() as unknown as typeof BroadcastChannel,
    locks: {
      request: (name: string, task: () => Promise<unknown>) => this.inLine(name, task),
    } as unknown as LockManager,
  };

  /** What any other script of the origin could post. */
  post(name: string, data: unknown): void {
    for (const channel of this.channels.get(name) ?? []) channel.onmessage?.({ data });
  }

  private inLine(name: string, task: () => Promise<unknown>): Promise<unknown> {
    const turn = (this.queues.get(name) ?? Promise.resolve()).then(task);
    this.queues.set(
      name,
      turn.catch(() => undefined),
    );
    return turn;
  }

  private channelClass() {
    const { channels } = this;
    return class extends FakeChannel {
      constructor(name: string) {
        const peers = channels.get(name) ?? new Set();
        channels.set(name, peers);
        super(peers);
      }
    };
  }
}

class FakeChannel {
  onmessage: ((event: { data: unknown }) => void) | null = null;

  constructor(private readonly peers: Set<FakeChannel>) {
    peers.add(this);
  }

  postMessage(data: unknown): void {
    for (const peer of this.peers) if (peer !== this) peer.onmessage?.({ data: structuredClone(data) });
  }

  close(): void {
    this.peers.delete(this);
  }
}
