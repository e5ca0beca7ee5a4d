// Likes tapped offline, in one tab or several: kept, shown everywhere, sent once when the network is back (B3).
import { beforeEach, describe, expect, it } from "vitest";
import type { ContentLikes } from "../src/core/content.js";
import { type Contents, createContents } from "../src/core/contents.js";
import { LikesError } from "../src/core/errors.js";
import { createShared, type Shared } from "../src/core/offline.js";
import { createOutbox, forgivingStorage } from "../src/core/outbox.js";
import { createTabs } from "../src/core/tabs.js";
import { FakeBrowser } from "./fakes/browser.js";
import { FakeClock, settled } from "./fakes/clock.js";
import { FakeDeps } from "./fakes/content-deps.js";
import { FakeServer, uuid } from "./fakes/server.js";

const me = { id: uuid(1), email: "me@example.com", username: "me", password: "" };
const posts = [11, 12].map((n) => ({ type: "post" as const, id: uuid(n), authorId: uuid(2), text: "" }));
let browser: FakeBrowser;
let server: FakeServer;
let clock: FakeClock;

/** One tab: its own contents, sharing storage, messages and locks with the others. */
class Tab {
  readonly deps = new FakeDeps();
  readonly contents: Contents;
  readonly read: (readonly string[] | null)[] = [];
  readonly shared: Shared;
  answers = true;

  constructor(doors = browser.doors) {
    Object.assign(this.deps, { clock });
    this.deps.send = async ({ content, liked, intent }) => {
      if (!this.answers) throw new LikesError("unreachable", "no network");
      const command = { content_type: content.type, content_id: content.id, liked, intent: intent as number };
      return server.like(me.id, command) as unknown as Awaited<ReturnType<FakeDeps["send"]>>;
    };
    this.deps.park = (...wish) => this.shared.park(...wish);
    this.deps.settled = (...outcome) => this.shared.settled(...outcome);
    this.deps.dropped = (...outcome) => this.shared.dropped(...outcome);
    this.contents = createContents(this.deps);
    const offline = () => this.deps.isOffline;
    const onRead = (ids: readonly string[] | null) => void this.read.push(ids);
    this.shared = createShared(
      { clock, storage: browser.storage, doors, contents: this.contents, offline, onRead },
      me.id,
    );
  }

  post(index = 0): ContentLikes {
    const { type, id } = posts[index] as (typeof posts)[number];
    return this.contents.open({ type, id });
  }

  async back(): Promise<void> {
    this.deps.isOffline = false;
    await this.shared.flush();
    await settled();
  }
}

beforeEach(() => {
  browser = new FakeBrowser();
  clock = new FakeClock();
  server = new FakeServer([me], posts, clock.now);
});

const offlineTab = () => {
  const tab = new Tab();
  tab.deps.isOffline = true;
  return tab;
};
const showing = (tab: Tab, index = 0) => {
  const { liked, pending } = tab.post(index).get();
  return { liked, pending };
};

describe("a like tapped offline", () => {
  it("is sent once when the network is back", async () => {
    const tab = offlineTab();
    tab.post().like();
    await clock.advance(60_000);
    expect(server.commands).toHaveLength(0);
    await tab.back();
    await tab.shared.flush();
    expect(server.commands).toHaveLength(1);
    expect(showing(tab)).toEqual({ liked: true, pending: false });
    expect(browser.items.size).toBe(0);
  });

  it("keeps the intent of the tap, so that what was done since wins", async () => {
    const tab = offlineTab();
    tab.post().like();
    const tapped = clock.now();
    await clock.advance(60_000);
    await tab.back();
    expect(server.commands[0]).toMatchObject({ liked: true, intent: tapped });
  });

  it("is still there after the page was closed and opened again", async () => {
    offlineTab().post().like();
    await clock.advance(60_000);
    const reopened = new Tab();
    expect(showing(reopened)).toEqual({ liked: true, pending: true });
    await reopened.back();
    expect(server.commands).toHaveLength(1);
    expect(showing(reopened)).toEqual({ liked: true, pending: false });
  });

  it("is forgotten after half a day", async () => {
    offlineTab().post().like();
    await clock.advance(13 * 3_600_000);
    const reopened = new Tab();
    await reopened.back();
    expect(server.commands).toHaveLength(0);
    expect(showing(reopened)).toEqual({ liked: false, pending: false });
  });

  it("that the server refuses is taken back with the reason, in every tab", async () => {
    const tab = offlineTab();
    const other = offlineTab();
    tab.post().like();
    other.deps.isOffline = false;
    tab.deps.send = () => Promise.reject(new LikesError("content_not_found", "gone"));
    await tab.back();
    for (const each of [tab, other]) {
      expect(each.post().get()).toMatchObject({ liked: false, pending: false, failure: { code: "content_not_found" } });
    }
    expect(browser.items.size).toBe(0);
  });

  it("waits on when the network fails again in the middle", async () => {
    const tab = offlineTab();
    tab.post(0).like();
    tab.post(1).like();
    tab.deps.isOffline = false;
    tab.answers = false;
    tab.deps.probe = async () => {
      tab.deps.isOffline = true;
      return false;
    };
    await tab.shared.flush();
    expect([showing(tab, 0), showing(tab, 1)]).toEqual([
      { liked: true, pending: true },
      { liked: true, pending: true },
    ]);
    tab.answers = true;
    await tab.back();
    expect(server.commands).toHaveLength(2);
  });
});

describe("two tabs", () => {
  it("both show a like tapped offline in one, and send it once", async () => {
    const [one, two] = [offlineTab(), offlineTab()];
    one.post().like();
    expect(showing(two)).toEqual({ liked: true, pending: true });
    await Promise.all([one.back(), two.back()]);
    expect(server.commands).toHaveLength(1);
    expect([showing(one), showing(two)]).toEqual([
      { liked: true, pending: false },
      { liked: true, pending: false },
    ]);
  });

  it("agree on the last wish when both tapped offline", async () => {
    const [one, two] = [offlineTab(), offlineTab()];
    one.post().like();
    await clock.advance(1000);
    two.post().unlike();
    await Promise.all([one.back(), two.back()]);
    expect(server.status(me.id, [{ content_type: "post", content_id: uuid(11) }])[0]).toMatchObject({ liked: false });
    expect([showing(one), showing(two)]).toEqual([
      { liked: false, pending: false },
      { liked: false, pending: false },
    ]);
  });

  it("agree on a like as soon as one has its answer", async () => {
    const [one, two] = [new Tab(), new Tab()];
    one.post().like();
    await settled();
    expect(two.post().get()).toMatchObject({ liked: true, total: 1, pending: false });
  });

  it("agree on what is read", () => {
    const [one, two] = [new Tab(), new Tab()];
    one.shared.read([uuid(5)]);
    one.shared.read(null);
    expect(two.read).toEqual([[uuid(5)], null]);
    expect(one.read).toEqual([]);
  });

  it("without messages between them still end agreed", async () => {
    const deaf = { ...browser.doors, BroadcastChannel: null };
    const [one, two] = [new Tab(deaf), new Tab(deaf)];
    for (const tab of [one, two]) tab.deps.isOffline = true;
    one.post().like();
    two.post().like();
    await one.back();
    await two.back();
    expect([showing(one), showing(two)]).toEqual([
      { liked: true, pending: false },
      { liked: true, pending: false },
    ]);
    expect(server.counted(`post:${uuid(11)}`).total_likes).toBe(1);
  });

  it("ignore messages that are not theirs or make no sense", () => {
    const tab = new Tab();
    for (const data of [null, "settled", { kind: "settled" }, { kind: "boo" }, { kind: "read", ids: ["not an id"] }]) {
      browser.post(`realtime-likes:${me.id}`, data);
    }
    browser.post(`realtime-likes:${uuid(2)}`, { kind: "read", ids: null });
    expect(tab.read).toEqual([]);
  });

  it("no longer hear each other once closed", () => {
    const [one, two] = [new Tab(), new Tab()];
    two.shared.close();
    one.shared.read(null);
    expect(two.read).toEqual([]);
  });
});

describe("the outbox", () => {
  const entry = { contentType: "post", contentId: uuid(11), liked: true, intent: 5, at: 1_800_000_000_000 } as const;

  it("keeps the newest wish of a content", () => {
    const outbox = createOutbox(browser.storage, clock, me.id);
    outbox.put(entry);
    outbox.put({ ...entry, liked: false, intent: 4 });
    expect(outbox.entries()).toEqual([entry]);
    outbox.put({ ...entry, liked: false, intent: 6 });
    expect(outbox.entries()).toMatchObject([{ liked: false, intent: 6 }]);
    outbox.remove(`post:${uuid(11)}`, 5);
    expect(outbox.entries()).toHaveLength(1);
    outbox.remove(`post:${uuid(11)}`, 6);
    expect(outbox.entries()).toEqual([]);
  });

  it("belongs to one person", () => {
    createOutbox(browser.storage, clock, me.id).put(entry);
    expect(createOutbox(browser.storage, clock, uuid(2)).entries()).toEqual([]);
  });

  it.each(["{not json", '"text"', '[{"liked":"yes"}]', "null"])(
    "survives what somebody else wrote there: %s",
    (text) => {
      browser.items.set(`realtime-likes:outbox:${me.id}`, text);
      const outbox = createOutbox(browser.storage, clock, me.id);
      expect(outbox.entries()).toEqual([]);
      outbox.put(entry);
      expect(outbox.entries()).toEqual([entry]);
    },
  );
});

describe("a storage that the browser refuses", () => {
  it("is replaced by memory", () => {
    const refusing = () => {
      throw new DOMException("no", "SecurityError");
    };
    for (const storage of [null, { getItem: refusing, setItem: refusing, removeItem: refusing }]) {
      const forgiving = forgivingStorage(storage);
      forgiving.setItem("a", "1");
      expect(forgiving.getItem("a")).toBe("1");
      forgiving.removeItem("a");
      expect(forgiving.getItem("a")).toBeNull();
    }
  });

  it("is used where it works", () => {
    const forgiving = forgivingStorage(browser.storage);
    forgiving.setItem("a", "1");
    expect(browser.items.get("a")).toBe("1");
    forgiving.removeItem("a");
    expect(browser.items.size).toBe(0);
  });
});

it("runs all the same where locks are refused, but not twice where the task itself fails", async () => {
  const refusing = { request: () => Promise.reject(new DOMException("sandboxed", "SecurityError")) };
  const working = { request: (_name: string, task: () => Promise<void>) => task() };
  let runs = 0;
  const failing = async () => {
    runs += 1;
    throw new Error("the task");
  };
  for (const locks of [refusing, working] as unknown as LockManager[]) {
    await expect(createTabs({ BroadcastChannel: null, locks }, me.id).alone("outbox", failing)).rejects.toThrow(
      "the task",
    );
  }
  expect(runs).toBe(2);
});

it("runs alone at once where there are no locks", async () => {
  const tabs = createTabs({ BroadcastChannel: null, locks: null }, me.id);
  let ran = false;
  await tabs.alone("outbox", async () => {
    ran = true;
  });
  tabs.tell({ kind: "read", ids: null });
  tabs.close();
  expect(ran).toBe(true);
});
