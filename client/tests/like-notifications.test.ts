// @vitest-environment happy-dom
// <like-notifications> in a document: bell, panel, toasts (B5), and texts that stay texts (B4).
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type AnyEvent, readEvent } from "../src/core/events.js";
import { LikeNotifications } from "../src/index.js";
import { settled } from "./fakes/clock.js";
import { author, FakeLikes } from "./fakes/likes.js";
import { uuid, type WireNotification } from "./fakes/server.js";

let likes: FakeLikes;
let element: LikeNotifications;
let number = 0;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  likes = new FakeLikes();
  const name = `like-notifications-${++number}`;
  customElements.define(name, class extends LikeNotifications {});
  element = document.createElement(name) as LikeNotifications;
  element.likes = likes;
  document.body.append(element);
});

afterEach(() => {
  document.body.replaceChildren();
  vi.useRealTimers();
});

function notification(n: number, part: Partial<WireNotification> = {}): WireNotification {
  return {
    id: uuid(n),
    type: "like",
    title: "New Like!",
    message: `u${n} liked your post`,
    data: { contentType: "post", contentId: uuid(500), likerCount: 1 },
    createdAt: new Date(Date.now() - 100_000 + n).toISOString(),
    isRead: false,
    ...part,
  };
}

const arrive = (n: number, part: Partial<WireNotification> = {}) =>
  likes.notify(readEvent("notification:new", notification(n, part)) as Exclude<AnyEvent, { kind: "likes" }>);
const find = (selector: string) => element.shadowRoot?.querySelector(selector) as HTMLElement;
const all = (selector: string) => [...(element.shadowRoot?.querySelectorAll(selector) ?? [])] as HTMLElement[];
const bell = () => find("[part=bell]");
const panel = () => find("[part=panel]");
const messages = () => all("[part=item-message]").map(({ textContent }) => textContent);

async function stored(count: number): Promise<void> {
  likes.server.notifications.set(
    author.id,
    Array.from({ length: count }, (_, n) => notification(n + 1)),
  );
  await likes.notifications.refresh();
}

describe("the bell", () => {
  it("tells how many are unread, in figures and in words, and rings for a new one", async () => {
    expect([find("[part=badge]").hidden, bell().getAttribute("aria-label")]).toEqual([true, "Notifications"]);
    arrive(1);
    expect([find("[part=badge]").hidden, find("[part=badge]").textContent]).toEqual([false, "1"]);
    expect(bell().getAttribute("aria-label")).toBe("Notifications, 1 unread");
    expect(bell().classList.contains("ring")).toBe(true);
  });

  it("opens the panel and closes it again, by click, Escape and a click elsewhere", () => {
    bell().click();
    expect([panel().hidden, bell().getAttribute("aria-expanded"), element.open]).toEqual([false, "true", true]);
    find("[part=title]").dispatchEvent(new KeyboardEvent("keydown", { key: "a", bubbles: true }));
    find("[part=title]").dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true }));
    expect([panel().hidden, bell().getAttribute("aria-expanded")]).toEqual([true, "false"]);
    bell().click();
    find("[part=title]").dispatchEvent(new Event("pointerdown", { bubbles: true, composed: true }));
    expect(element.open).toBe(true);
    document.body.dispatchEvent(new Event("pointerdown", { bubbles: true }));
    expect(element.open).toBe(false);
    bell().click();
    bell().click();
    expect(element.open).toBe(false);
  });
});

describe("the panel", () => {
  it("is friendly when empty, and lists newest first otherwise", async () => {
    expect(find("[part=empty]").hidden).toBe(false);
    await stored(3);
    expect([find("[part=empty]").hidden, messages()]).toEqual([
      true,
      ["u3 liked your post", "u2 liked your post", "u1 liked your post"],
    ]);
    expect(find("time").textContent).toBe("1 min. ago");
  });

  it("keeps rows, and the focus on them, while others come and go", async () => {
    await stored(2);
    const row = all("li")[1];
    arrive(3);
    expect(all("li")[2]).toBe(row);
    likes.notify({ kind: "removal", id: uuid(3) });
    expect(messages()).toEqual(["u2 liked your post", "u1 liked your post"]);
    expect(all("li")[1]).toBe(row);
  });

  it("marks the one that is selected and tells the page which content it is about", async () => {
    await stored(2);
    const opened: unknown[] = [];
    document.body.addEventListener("notification-open", (event) => opened.push((event as CustomEvent).detail));
    all("[part=item]")[0]?.click();
    await settled();
    expect(opened).toEqual([{ id: uuid(2), content: { type: "post", id: uuid(500) } }]);
    expect(all("[part=item-dot]").map(({ hidden }) => hidden)).toEqual([true, false]);
    expect(find("[part=badge]").textContent).toBe("1");
    all("[part=item]")[0]?.click();
    await settled();
    expect(opened).toHaveLength(2);
  });

  it("marks all, and offers it only where something is unread", async () => {
    await stored(2);
    find("[part=read-all]").click();
    await settled();
    expect([find("[part=badge]").hidden, find("[part=read-all]").hidden]).toEqual([true, true]);
  });

  it("shows more on demand", async () => {
    await stored(25);
    expect([messages().length, find("[part=more]").hidden]).toEqual([20, false]);
    find("[part=more]").click();
    await settled();
    expect([messages().length, find("[part=more]").hidden]).toEqual([25, true]);
  });

  it("says so when the list could not be loaded", async () => {
    likes.server.list = () => {
      throw new Error("no");
    };
    await likes.notifications.refresh();
    expect([find("[part=failure]").hidden, find("[part=empty]").hidden]).toEqual([false, true]);
  });
});

describe("a toast", () => {
  it("shows what has just happened for a while, three at most", () => {
    for (const n of [1, 2, 3, 4]) arrive(n);
    expect(all("[part=toast-open] span").map(({ textContent }) => textContent)).toEqual([
      "u2 liked your post",
      "u3 liked your post",
      "u4 liked your post",
    ]);
    vi.advanceTimersByTime(6000);
    expect(all("[part=toast]")).toHaveLength(0);
  });

  it("stays while somebody points at it or has it focused", () => {
    arrive(1);
    find("[part=toast]").dispatchEvent(new Event("pointerenter"));
    vi.advanceTimersByTime(20_000);
    expect(all("[part=toast]")).toHaveLength(1);
    find("[part=toast]").dispatchEvent(new Event("pointerleave"));
    vi.advanceTimersByTime(6000);
    expect(all("[part=toast]")).toHaveLength(0);
  });

  it("can be dismissed, or followed", () => {
    arrive(1);
    find("[part=toast-close]").click();
    expect(all("[part=toast]")).toHaveLength(0);
    arrive(2);
    let opened = 0;
    element.addEventListener("notification-open", () => {
      opened += 1;
    });
    find("[part=toast-open]").click();
    expect([opened, all("[part=toast]").length]).toEqual([1, 0]);
  });

  it("goes to the top layer where the browser has one", () => {
    const toasts = find("[part=toasts]");
    const calls: string[] = [];
    let open = false;
    Object.assign(toasts, {
      matches: () => open,
      showPopover: () => {
        open = true;
        calls.push("show");
      },
      hidePopover: () => calls.push("hide"),
    });
    arrive(1);
    arrive(2);
    expect(calls).toEqual(["show", "hide", "show"]);
  });

  it("is not shown while the panel is open, nor where the page wants quiet, nor after removal", () => {
    bell().click();
    arrive(1);
    bell().click();
    element.setAttribute("quiet", "");
    arrive(2);
    expect(all("[part=toast]")).toHaveLength(0);
    element.removeAttribute("quiet");
    arrive(3);
    expect(all("[part=toast]")).toHaveLength(1);
    element.remove();
    expect(all("[part=toast]")).toHaveLength(0);
  });
});

describe("a text from others", () => {
  it("is never markup, in the list or in a toast (B4)", () => {
    const message = `<img src=x onerror="globalThis.hacked = true"><script>globalThis.hacked = true</script>`;
    arrive(1, { message, title: "<b>bold</b>" });
    expect(messages()).toEqual([message]);
    expect(find("[part=toast-open] b").textContent).toBe("<b>bold</b>");
    expect(all("img, script, b b")).toHaveLength(0);
  });
});
