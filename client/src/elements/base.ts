// What both elements share: a shadow root with its styles, a life between connecting and disconnecting, and safe text.
import type { Likes } from "../core/likes.js";

/** Importing the package on a server must not fail where there is no HTMLElement. */
const Base = globalThis.HTMLElement ?? (class {} as typeof HTMLElement);

export abstract class LikesElement extends Base {
  /** The client that this element shows; `defineLikeElements` gives every element one. */
  likes: Likes | null = null;
  private stops: (() => void)[] = [];

  /** What is drawn once; afterwards only text and attributes change. */
  protected abstract draw(root: ShadowRoot): void;
  /** Subscribes; returns what ends each subscription. */
  protected abstract start(likes: Likes): (() => void)[];

  connectedCallback(): void {
    if (!this.shadowRoot) this.draw(this.attachShadow({ mode: "open" }));
    this.restart();
  }

  disconnectedCallback(): void {
    this.stop();
  }

  protected restart(): void {
    this.stop();
    if (this.likes && this.isConnected) this.stops = this.start(this.likes);
  }

  private stop(): void {
    for (const stop of this.stops.splice(0)) stop();
  }

  /** Tells the page; crosses shadow roots. */
  protected tell(type: string, detail: object): void {
    this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true }));
  }
}

/** Makes an element from our own markup. Never call it with a text from elsewhere: that goes through `textContent`. */
export function template(markup: string): () => DocumentFragment {
  let made: HTMLTemplateElement | null = null;
  return () => {
    made ??= Object.assign(document.createElement("template"), { innerHTML: markup });
    return made.content.cloneNode(true) as DocumentFragment;
  };
}

export function style(css: string): () => CSSStyleSheet {
  let made: CSSStyleSheet | null = null;
  return () => {
    if (!made) {
      made = new CSSStyleSheet();
      made.replaceSync(css);
    }
    return made;
  };
}

export function part<T extends HTMLElement>(root: ParentNode, name: string): T {
  return root.querySelector(`[part~="${name}"]`) as T;
}

export function calmMotion(): boolean {
  return globalThis.matchMedia?.("(prefers-reduced-motion: reduce)").matches ?? false;
}
