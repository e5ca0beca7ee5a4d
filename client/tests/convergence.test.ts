// Any interleaving of taps, answers, events, failures and repeats ends in the server's state, and nothing flickers on the way (B2).
import fc from "fast-check";
import { expect, it } from "vitest";
import { type Content, createContent } from "../src/core/content.js";
import { LikesError } from "../src/core/errors.js";
import { readEvent } from "../src/core/events.js";
import { mergeCount, mergeOwn, shown, unknownLike } from "../src/core/like-model.js";
import type { LikesEvent } from "../src/index.js";
import { settled } from "./fakes/clock.js";
import { FakeDeps } from "./fakes/content-deps.js";
import { FakeServer, type Sent, uuid } from "./fakes/server.js";

const author = { id: uuid(1), email: "author@example.com", username: "author", password: "" };
const me = { id: uuid(2), email: "me@example.com", username: "me", password: "" };
const others = [3, 4, 5].map((n) => ({ id: uuid(n), email: `u${n}@example.com`, username: `u${n}`, password: "" }));
const post = { type: "post", id: uuid(100), authorId: author.id, text: "hello" } as const;
const ref = { type: post.type, id: post.id } as const;
const wire = { content_type: post.type, content_id: post.id };

type Step =
  | { do: "tap"; liked: boolean }
  | { do: "other"; who: number; liked: boolean }
  /** The server handles our request, and the answer arrives at once, is lost, or the request never arrives. */
  | { do: "answer"; fate: "arrives" | "answer lost" | "request lost" | "refused" }
  | { do: "event"; which: number; twice: boolean }
  | { do: "wait"; ms: number }
  | { do: "sync" };

const calm: fc.Arbitrary<Step>[] = [
  fc.record({ do: fc.constant("tap"), liked: fc.boolean() }),
  fc.record({ do: fc.constant("answer"), fate: fc.constant("arrives") }),
  fc.record({ do: fc.constant("event"), which: fc.nat(20), twice: fc.boolean() }),
  fc.record({ do: fc.constant("wait"), ms: fc.integer({ min: 1, max: 1500 }) }),
  fc.record({ do: fc.constant("sync") }),
] as fc.Arbitrary<Step>[];
const stormy = [
  ...calm,
  fc.record({ do: fc.constant("other"), who: fc.nat(2), liked: fc.boolean() }),
  fc.record({ do: fc.constant("answer"), fate: fc.constantFrom("answer lost", "request lost", "refused") }),
] as fc.Arbitrary<Step>[];

class World {
  readonly deps = new FakeDeps();
  readonly server = new FakeServer([author, me, ...others], [post], this.deps.clock.now);
  readonly content: Content = createContent(ref, this.deps);
  readonly emitted: [boolean, number | null][] = [];
  private undelivered: Sent[] = [];
  private answered = 0;

  constructor() {
    this.server.startWith(post, 10);
    this.server.onSend = (sent) => {
      if (sent.topic.startsWith("content:")) this.undelivered.push(sent);
    };
    this.sync();
    this.content.subscribe(({ liked, total }) => this.emitted.push([liked, total]));
  }

  async take(step: Step): Promise<void> {
    if (step.do === "tap") step.liked ? this.content.like() : this.content.unlike();
    else if (step.do === "other") this.server.like(others[step.who]?.id as string, { ...wire, liked: step.liked });
    else if (step.do === "answer") await this.answer(step.fate);
    else if (step.do === "event") this.deliver(step.which, step.twice);
    else if (step.do === "wait") await this.deps.clock.advance(step.ms);
    else this.sync();
  }

  /** Everything under way ends well, every event arrives, and one heartbeat comes. */
  async calmDown(): Promise<void> {
    for (let round = 0; round < 10; round++) {
      await this.answer("arrives");
      await this.deps.clock.advance(1500);
    }
    while (this.undelivered.length > 0) this.deliver(0, false);
    this.sync();
  }

  get truth(): { liked: boolean; total_likes: number } {
    return this.server.status(me.id, [wire])[0] as { liked: boolean; total_likes: number };
  }

  private sync(): void {
    const status = this.server.status(me.id, [wire])[0] as Parameters<Content["applyStatus"]>[0];
    this.content.applyStatus({ ...status, intent: status.intent ?? 0, viewer_names: null });
  }

  private deliver(which: number, twice: boolean): void {
    const [sent] = this.undelivered.splice(which % Math.max(1, this.undelivered.length), 1);
    if (!sent) return;
    for (let time = 0; time < (twice ? 2 : 1); time++) {
      this.content.applyEvent(readEvent(sent.event, sent.payload) as LikesEvent);
    }
  }

  private async answer(fate: string): Promise<void> {
    const request = this.deps.requests[this.answered];
    if (!request) return;
    this.answered += 1;
    const { liked, intent } = request.command;
    if (fate === "refused") request.reject(new LikesError("blocked", "no"));
    else if (fate === "request lost") request.reject(new LikesError("unreachable", "?"));
    else {
      const answer = this.server.like(me.id, { ...wire, liked, intent: intent as number });
      if (fate === "arrives") request.resolve(answer as unknown as Parameters<typeof request.resolve>[0]);
      else request.reject(new LikesError("unreachable", "?"));
    }
    await settled();
  }
}

it("ends in the server's state after any storm", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(...stormy), { maxLength: 40 }), async (steps) => {
      const world = new World();
      for (const step of steps) await world.take(step);
      await world.calmDown();
      const { liked, total_likes } = world.truth;
      expect(world.content.get()).toMatchObject({ liked, total: total_likes, pending: false, waitingFor: null });
    }),
    { numRuns: 150 },
  );
});

it("ends in what the person wished last when nothing was refused or lost", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(...calm), { maxLength: 40 }), async (steps) => {
      const world = new World();
      for (const step of steps) await world.take(step);
      await world.calmDown();
      const wish = steps.findLast((step) => step.do === "tap");
      expect(world.truth.liked).toBe(wish?.liked ?? false);
      expect(world.content.get().liked).toBe(world.truth.liked);
    }),
    { numRuns: 150 },
  );
});

it("never shows a count that does not fit its heart while only this person taps", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(...calm), { maxLength: 40 }), async (steps) => {
      const world = new World();
      for (const step of steps) await world.take(step);
      await world.calmDown();
      for (const [liked, total] of world.emitted) expect(total).toBe(10 + Number(liked));
    }),
    { numRuns: 150 },
  );
});

it("merges facts in any order, repeated or not, to the same state", () => {
  // One total per version and one own state per intent, as the server gives them.
  const facts = fc.uniqueArray(fc.record({ at: fc.nat(1000), total: fc.nat(50), liked: fc.boolean() }), {
    selector: ({ at }) => at,
    minLength: 1,
    maxLength: 8,
  });
  const shuffled = facts.chain((list) =>
    fc.tuple(fc.constant(list), fc.shuffledSubarray([...list, ...list], { minLength: list.length * 2 })),
  );
  const merge = (list: { at: number; total: number; liked: boolean }[]) =>
    list.reduce((model, { at, total, liked }) => mergeOwn(mergeCount(model, total, at), liked, at + 1), unknownLike);
  fc.assert(
    fc.property(shuffled, ([list, order]) => {
      expect(merge(order)).toEqual(merge(list));
      const newest = list.reduce((a, b) => (b.at > a.at ? b : a));
      expect(shown(merge(order))).toEqual({ liked: newest.liked, total: newest.total });
    }),
  );
});
