// Which rooms a client is in: what has been on the screen for a moment, not more than allowed, not all at once.
import { beforeEach, expect, it } from "vitest";
import { createRooms, type Rooms } from "../src/core/rooms.js";
import type { ContentKey } from "../src/index.js";
import { FakeClock } from "./fakes/clock.js";

let clock: FakeClock;
let rooms: Rooms;
let inside: Set<ContentKey>;
let joins: number[];
const key = (n: number): ContentKey => `post:${n}`;

beforeEach(() => {
  clock = new FakeClock(0);
  inside = new Set();
  joins = [];
  const doors = {
    join(room: ContentKey) {
      inside.add(room);
      joins.push(clock.now());
    },
    leave: (room: ContentKey) => void inside.delete(room),
  };
  rooms = createRooms(clock, doors, 10);
  rooms.setOpen(true);
});

it("joins what stays for half a second, and not what scrolls past (A15)", async () => {
  rooms.show(key(1));
  rooms.show(key(2));
  await clock.advance(499);
  rooms.hide(key(2));
  expect([...inside]).toEqual([]);
  await clock.advance(1);
  expect([...inside]).toEqual([key(1)]);
  await clock.advance(5000);
  expect([...inside]).toEqual([key(1)]);
});

it("leaves at once when the content leaves the screen (A15)", async () => {
  rooms.show(key(1));
  await clock.advance(500);
  rooms.hide(key(1));
  expect(inside.size).toBe(0);
});

it("never joins faster than its share of the plan's joins per second", async () => {
  for (let n = 0; n < 50; n++) rooms.show(key(n));
  await clock.advance(10_000);
  expect(inside.size).toBe(50);
  const gaps = joins.slice(1).map((at, index) => at - (joins[index] as number));
  expect(Math.min(...gaps)).toBeGreaterThanOrEqual(100);
});

it("stops at 99 rooms, and goes on with the next when one is left", async () => {
  for (let n = 0; n < 101; n++) rooms.show(key(n));
  await clock.advance(60_000);
  expect(inside.size).toBe(99);
  expect(inside.has(key(99))).toBe(false);
  rooms.hide(key(5));
  await clock.advance(1000);
  expect(inside.size).toBe(99);
  expect(inside.has(key(99))).toBe(true);
});

it("leaves all when closed and takes its time again when opened", async () => {
  rooms.show(key(1));
  await clock.advance(500);
  rooms.setOpen(false);
  expect(inside.size).toBe(0);
  await clock.advance(5000);
  expect(inside.size).toBe(0);
  rooms.setOpen(true);
  rooms.setOpen(true);
  await clock.advance(499);
  expect(inside.size).toBe(0);
  await clock.advance(1);
  expect([...inside]).toEqual([key(1)]);
});

it("leaves no timer behind when closed", () => {
  rooms.show(key(1));
  rooms.setOpen(false);
  expect(clock.pending).toBe(0);
});
