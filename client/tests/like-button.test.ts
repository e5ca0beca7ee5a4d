// @vitest-environment happy-dom
// <like-button> in a document: what it shows, says and tells (B1, B5).
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { LikesError } from "../src/core/errors.js";
import { defineLikeElements, LikeButton } from "../src/index.js";
import { settled } from "./fakes/clock.js";
import { FakeLikes, FakeScreen } from "./fakes/likes.js";
import { uuid } from "./fakes/server.js";

const ref = { type: "post", id: uuid(100) } as const;
const screen = new FakeScreen();
screen.install();
let likes: FakeLikes;
let number = 0;

beforeEach(() => {
  likes = new FakeLikes();
  document.documentElement.lang = "en";
});

afterEach(() => {
  document.body.replaceChildren();
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** Each test has a client of its own, and a name can be defined once only. */
function render(attributes: Record<string, string> = { "content-type": "post", "content-id": ref.id }): LikeButton {
  const name = `like-button-${++number}`;
  customElements.define(name, class extends LikeButton {});
  const element = document.createElement(name) as LikeButton;
  element.likes = likes;
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  document.body.append(element);
  return element;
}

const find = (element: LikeButton, selector: string) => element.shadowRoot?.querySelector(selector) as HTMLElement;
const button = (element: LikeButton) => find(element, "button");
const count = (element: LikeButton) => find(element, "[part=count]").lastElementChild?.textContent;
const heard = (element: LikeButton) => find(element, "[role=status]").textContent;

describe("the heart", () => {
  it("is a toggle button with a fixed label, and its count as description", () => {
    const element = render();
    likes.tell(ref, 1234, 5);
    expect(button(element).getAttribute("aria-label")).toBe("Like");
    expect(button(element).getAttribute("aria-pressed")).toBe("false");
    expect([count(element), find(element, "#summary").textContent]).toEqual(["1.2K", "1,234 likes"]);
    likes.tell(ref, 1235, 6, true);
    expect(button(element).getAttribute("aria-pressed")).toBe("true");
    expect(button(element).getAttribute("aria-label")).toBe("Like");
  });

  it("counts one like in the singular", () => {
    const element = render();
    likes.tell(ref, 1, 5);
    expect(find(element, "#summary").textContent).toBe("1 like");
  });

  it("keeps the place of a count that nobody has told yet", () => {
    const element = render();
    const place = find(element, "[part=count]");
    expect([count(element), place.hasAttribute("data-unknown")]).toEqual(["", true]);
    likes.tell(ref, 0, 5);
    expect([count(element), place.hasAttribute("data-unknown")]).toEqual(["0", false]);
  });

  it("fills at the tap, shows that it is pending, and tells the page", async () => {
    const element = render();
    likes.tell(ref, 10, 5);
    const told: unknown[] = [];
    document.body.addEventListener("like-change", (event) => told.push((event as CustomEvent).detail), { once: true });
    button(element).click();
    expect([button(element).getAttribute("aria-pressed"), count(element)]).toEqual(["true", "11"]);
    expect(button(element).hasAttribute("data-pending")).toBe(true);
    expect(find(element, "[part=heart]").classList.contains("burst")).toBe(true);
    expect(told).toEqual([{ liked: true, total: 11, pending: true }]);
    await likes.deps.accept(11, 6);
    expect(button(element).hasAttribute("data-pending")).toBe(false);
  });

  it("rolls the count the way it went, and leaves no trace", () => {
    const animations: { onfinish?: () => void }[] = [];
    HTMLElement.prototype.animate = function animate() {
      const animation = {};
      animations.push(animation);
      return animation as Animation;
    };
    const element = render();
    likes.tell(ref, 10, 5);
    likes.tell(ref, 9, 6);
    likes.tell(ref, 12, 7);
    const place = find(element, "[part=count]");
    expect([count(element), place.querySelectorAll(".leaving").length]).toEqual(["12", 1]);
    for (const animation of animations) animation.onfinish?.();
    expect(place.children).toHaveLength(1);
    Reflect.deleteProperty(HTMLElement.prototype, "animate");
  });

  it("stays calm where motion is not wanted", () => {
    vi.spyOn(globalThis, "matchMedia").mockReturnValue({ matches: true } as MediaQueryList);
    const element = render();
    likes.tell(ref, 10, 5);
    button(element).click();
    expect(find(element, "[part=heart]").classList.contains("burst")).toBe(false);
    expect(count(element)).toBe("11");
  });

  it("shows that a tap waits for the network", () => {
    likes.deps.isOffline = true;
    const element = render();
    likes.tell(ref, 10, 5);
    button(element).click();
    expect(button(element).hasAttribute("data-waiting")).toBe(true);
  });
});

describe("a like that is taken back", () => {
  it("says why, to eyes and ears, and for a while only", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const element = render();
    likes.tell(ref, 10, 5);
    const told: unknown[] = [];
    document.body.addEventListener("like-error", (event) => told.push((event as CustomEvent).detail), { once: true });
    button(element).click();
    await likes.deps.fail(new LikesError("blocked", "internal words"));
    expect([button(element).getAttribute("aria-pressed"), count(element)]).toEqual(["false", "10"]);
    const message = find(element, "[part=message]");
    expect([message.hidden, message.textContent, heard(element)]).toEqual([
      false,
      "You cannot like this.",
      "You cannot like this.",
    ]);
    expect(told).toEqual([{ code: "blocked", message: "You cannot like this." }]);
    vi.advanceTimersByTime(5000);
    expect(message.hidden).toBe(true);
  });

  it("has words for what nobody foresaw", async () => {
    const element = render();
    button(element).click();
    await likes.deps.fail(new LikesError("constructor", "?"));
    expect(find(element, "[part=message]").textContent).toBe("That did not work. Your like was taken back.");
  });

  it("asks for a sign-in at every tap", () => {
    likes.deps.user = false;
    const element = render();
    let asked = 0;
    element.addEventListener("like-error", () => {
      asked += 1;
    });
    button(element).click();
    button(element).click();
    expect([asked, find(element, "[part=message]").textContent]).toEqual([2, "Sign in to like."]);
  });
});

describe("the live region", () => {
  it("speaks of others' likes only where the focus is, and rarely", () => {
    vi.useFakeTimers();
    const element = render();
    likes.tell(ref, 10, 5);
    likes.tell(ref, 11, 6);
    vi.advanceTimersByTime(10_000);
    expect(heard(element)).toBe("");
    vi.spyOn(element, "matches").mockReturnValue(true);
    likes.tell(ref, 12, 7);
    vi.advanceTimersByTime(1);
    expect(heard(element)).toBe("12 likes");
    likes.tell(ref, 13, 8);
    likes.tell(ref, 14, 9);
    vi.advanceTimersByTime(4000);
    expect(heard(element)).toBe("12 likes");
    vi.advanceTimersByTime(1000);
    expect(heard(element)).toBe("14 likes");
  });
});

describe("in the page", () => {
  it("being on the screen makes it live, leaving ends it", () => {
    const element = render();
    expect(likes.watched.size).toBe(0);
    screen.scroll(element, true);
    screen.scroll(element, true);
    expect([...likes.watched]).toEqual([`post:${ref.id}`]);
    screen.scroll(element, false);
    expect(likes.watched.size).toBe(0);
    screen.scroll(element, true);
    element.remove();
    expect([likes.watched.size, screen.observes(element)]).toEqual([0, false]);
  });

  it("removed and put back it shows what has happened since", () => {
    const element = render();
    likes.tell(ref, 10, 5);
    element.remove();
    likes.tell(ref, 20, 6);
    document.body.append(element);
    expect(count(element)).toBe("20");
  });

  it("shows another content when told to", () => {
    const other = { type: "video", id: uuid(101) } as const;
    const element = render();
    likes.tell(ref, 10, 5);
    likes.tell(other, 77, 5);
    element.setAttribute("content-type", "video");
    element.setAttribute("content-id", other.id.toUpperCase());
    element.setAttribute("label", "Like this video");
    expect([count(element), button(element).getAttribute("aria-label")]).toEqual(["77", "Like this video"]);
    likes.tell(ref, 11, 6);
    expect(count(element)).toBe("77");
  });

  it.each([{}, { "content-type": "poll", "content-id": ref.id }, { "content-type": "post" }])(
    "without a content it is disabled: %o",
    async (attributes) => {
      const element = render(attributes);
      button(element).click();
      await settled();
      expect([button(element).hasAttribute("disabled"), likes.deps.requests.length]).toEqual([true, 0]);
    },
  );

  it("the elements get their client when they are defined", () => {
    defineLikeElements(likes);
    document.body.innerHTML = `<like-button content-type="post" content-id="${ref.id}"></like-button>`;
    likes.tell(ref, 10, 5);
    expect(count(document.body.firstElementChild as LikeButton)).toBe("10");
    document.body.append(document.createElement("like-notifications"));
    expect(document.body.lastElementChild?.shadowRoot?.querySelector("[part=bell]")).not.toBeNull();
  });
});
