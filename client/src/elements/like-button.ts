// <like-button content-type="post" content-id="…">: a heart with a live count. Taps show at once; what the server refuses is taken back
// with its reason. Being on the screen is what makes it live.

import { systemClock } from "../core/clock.js";
import type { ContentLikes } from "../core/content.js";
import type { Likes } from "../core/likes.js";
import type { ContentRef, ContentState, Failure } from "../core/types.js";
import { type Announcer, createAnnouncer } from "./announcer.js";
import { calmMotion, LikesElement, part, style, template } from "./base.js";
import { reasonFor } from "./failures.js";
import { likeButtonCss } from "./like-button.css.js";
import { compactNumber, fullNumber, languageOf } from "./numbers.js";
import { watchVisibility } from "./visibility.js";

const markup = template(`
  <button part="button" type="button" aria-pressed="false" aria-describedby="summary">
    <span part="heart" aria-hidden="true">
      <svg viewBox="0 0 24 24"><path d="M12 20.7 4.3 13a5.1 5.1 0 0 1 7.2-7.2l.5.5.5-.5a5.1 5.1 0 0 1 7.2 7.2Z"/></svg>
      <i></i>
    </span>
    <span part="count" aria-hidden="true"><b></b></span>
  </button>
  <span part="message" hidden></span>
  <span id="summary" class="hidden"></span>
  <span class="hidden" role="status"></span>
`);
const sheet = style(likeButtonCss);

/** How long the reason of a rollback stays readable. */
const MESSAGE_MS = 5000;

export class LikeButton extends LikesElement {
  static readonly observedAttributes = ["content-type", "content-id", "label"];
  private content: ContentLikes | null = null;
  private previous: ContentState | null = null;
  private announcer: Announcer | null = null;
  private hideMessage: () => void = () => undefined;

  attributeChangedCallback(): void {
    if (this.shadowRoot) this.restart();
  }

  protected override draw(root: ShadowRoot): void {
    root.adoptedStyleSheets = [sheet()];
    root.append(markup());
    this.announcer = createAnnouncer(root.querySelector("[role=status]") as HTMLElement, systemClock);
    part(root, "button").addEventListener("click", () => this.content?.toggle());
  }

  protected override start(likes: Likes): (() => void)[] {
    this.previous = null;
    const ref = this.readRef();
    this.content = ref && likes.content(ref);
    this.button.setAttribute("aria-label", this.getAttribute("label") ?? "Like");
    this.button.toggleAttribute("disabled", !this.content);
    if (!this.content) return [];
    const { content } = this;
    this.show(content.get());
    return [
      content.subscribe((state) => this.show(state)),
      watchVisibility(this, () => content.watch()),
      () => this.hideMessage(),
      () => this.announcer?.stop(),
    ];
  }

  private readRef(): ContentRef | null {
    const type = this.getAttribute("content-type");
    const id = this.getAttribute("content-id");
    return (type === "post" || type === "video") && id ? { type, id: id.toLowerCase() } : null;
  }

  private get button(): HTMLElement {
    return part(this.shadowRoot as ShadowRoot, "button");
  }

  private show(state: ContentState): void {
    const { previous: before, button } = this;
    this.previous = state;
    button.setAttribute("aria-pressed", String(state.liked));
    button.toggleAttribute("data-pending", state.pending);
    button.toggleAttribute("data-waiting", state.waitingFor !== null);
    this.showCount(state.total, before?.total ?? null);
    if (!before) return;
    if (state.liked && !before.liked && state.pending) this.burst();
    if (state.failure && state.failure !== before.failure) this.showFailure(state.failure);
    if (state.liked !== before.liked || state.total !== before.total) {
      this.tell("like-change", { liked: state.liked, total: state.total, pending: state.pending });
    }
  }

  private showCount(total: number | null, before: number | null): void {
    const language = languageOf(this);
    const count = part(this.shadowRoot as ShadowRoot, "count");
    count.toggleAttribute("data-unknown", total === null);
    const text = total === null ? "" : compactNumber(total, language);
    const shown = count.lastElementChild as HTMLElement;
    if (shown.textContent === text) return;
    if (total !== null && before !== null) roll(count, shown, text, total > before);
    else shown.textContent = text;
    this.describe(total, language);
  }

  private describe(total: number | null, language: string): void {
    const summary = this.shadowRoot?.getElementById("summary") as HTMLElement;
    const text = total === null ? "" : `${fullNumber(total, language)} ${total === 1 ? "like" : "likes"}`;
    const changed = summary.textContent !== "" && summary.textContent !== text;
    summary.textContent = text;
    // A page of hearts that all speak is noise: only the one with the focus does.
    if (changed && this.matches(":focus-within")) this.announcer?.mention(text);
  }

  private burst(): void {
    if (calmMotion()) return;
    const heart = part(this.shadowRoot as ShadowRoot, "heart");
    heart.classList.remove("burst");
    // Reading a size between the two restarts the animation.
    void heart.offsetWidth;
    heart.classList.add("burst");
  }

  private showFailure(failure: Failure): void {
    const reason = reasonFor(failure);
    const message = part(this.shadowRoot as ShadowRoot, "message");
    message.textContent = reason;
    message.hidden = false;
    this.hideMessage();
    this.hideMessage = systemClock.after(MESSAGE_MS, () => {
      message.hidden = true;
    });
    this.announcer?.say(reason);
    this.tell("like-error", { code: failure.code, message: reason });
  }
}

/** The old number leaves the way the count went, the new one follows. */
function roll(count: HTMLElement, shown: HTMLElement, text: string, up: boolean): void {
  if (calmMotion() || !shown.animate) {
    shown.textContent = text;
    return;
  }
  const leaving = shown.cloneNode(true) as HTMLElement;
  leaving.classList.add("leaving");
  shown.textContent = text;
  for (const old of count.querySelectorAll(".leaving")) old.remove();
  count.prepend(leaving);
  const [from, to] = up ? ["70%", "-70%"] : ["-70%", "70%"];
  const timing = { duration: 220, easing: "cubic-bezier(.2,.8,.3,1)" };
  shown.animate([{ transform: `translateY(${from})`, opacity: 0 }, {}], timing);
  leaving.animate([{}, { transform: `translateY(${to})`, opacity: 0 }], timing).onfinish = () => leaving.remove();
}
