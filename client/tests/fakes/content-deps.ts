// What a content needs from the rest of the client, played by a test: answers are held until the test lets them go.
import type { LikeCommand } from "../../src/core/api.js";
import { type LikesError, unreachable } from "../../src/core/errors.js";
import { createIntents } from "../../src/core/intents.js";
import type { TapDeps } from "../../src/core/taps.js";
import type { LikeAnswer } from "../../src/core/wire.js";
import { FakeClock, settled } from "./clock.js";

interface Request {
  readonly command: LikeCommand;
  readonly resolve: (answer: LikeAnswer) => void;
  readonly reject: (error: Error) => void;
}

export class FakeDeps implements TapDeps {
  readonly clock = new FakeClock();
  readonly intents = createIntents(this.clock);
  readonly requests: Request[] = [];
  readonly calls: string[] = [];
  user = true;
  isOffline = false;
  serverThere = true;

  signedIn = () => this.user;
  offline = () => this.isOffline;
  probe = async () => {
    this.calls.push("probe");
    return this.serverThere;
  };
  renewToken = async () => {
    this.calls.push("renew");
  };
  send = (command: LikeCommand) =>
    new Promise<LikeAnswer>((resolve, reject) => this.requests.push({ command, resolve, reject }));
  refresh: TapDeps["refresh"] = () => void this.calls.push("refresh");
  settled: TapDeps["settled"] = (_content, wish) => void this.calls.push(`settled ${wish.liked}`);
  park: TapDeps["park"] = (_content, wish) => void this.calls.push(`park ${wish.liked}`);
  dropped: TapDeps["dropped"] = (_content, wish, failure) =>
    void this.calls.push(`dropped ${wish.liked} ${failure?.code ?? "taken back"}`);

  get lastCommand(): LikeCommand | undefined {
    return this.requests.at(-1)?.command;
  }

  /** Answers the request under way as a server that did what it was told would. */
  async accept(total: number, version: number, part: Partial<LikeAnswer> = {}): Promise<void> {
    const { command, resolve } = this.requests.at(-1) as Request;
    const intent = command.intent ?? this.clock.now();
    resolve({ liked: command.liked, total_likes: total, version, intent, viewers: 0, ...part });
    await settled();
  }

  async fail(error: LikesError | "network"): Promise<void> {
    this.requests.at(-1)?.reject(error === "network" ? unreachable(new TypeError("fetch failed")) : error);
    await settled();
  }
}
