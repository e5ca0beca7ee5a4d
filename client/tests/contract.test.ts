// What the validators accept is what the server sends: the types generated from its models fit them. The proof is that this compiles.
import type * as v from "valibot";
import { expect, it } from "vitest";
import type * as server from "../src/core/types.gen.js";
import type * as wire from "../src/core/wire.js";

/** The server's type, whose every value the shape takes in. */
type Takes<Shape extends v.GenericSchema, Sent> =
  Sent extends v.InferInput<Shape> ? true : "the server sends something else";

it("the shapes take what the server's models describe", () => {
  const proofs: [
    Takes<typeof wire.likeAnswerShape, server.LikeAnswer>,
    Takes<typeof wire.statusShape, server.LikeStatus>,
    Takes<typeof wire.likeEventShape, server.LikeEvent>,
    Takes<typeof wire.batchEventShape, server.LikesBatchedEvent>,
    Takes<typeof wire.notificationShape, server.NotificationEvent>,
    Takes<typeof wire.notificationShape, server.Notification>,
    Takes<typeof wire.notificationPageShape, server.Notifications>,
    Takes<typeof wire.removalShape, server.NotificationRemovedEvent>,
    Takes<typeof wire.readAnswerShape, server.Marked>,
    Takes<typeof wire.problemShape, server.Problem>,
    Takes<typeof wire.personShape, server.Author>,
  ] = [true, true, true, true, true, true, true, true, true, true, true];
  expect(proofs).not.toContain(false);
});
