// The few lines of DOM that the page needs. Text only ever goes in as text.

export function byId<T extends HTMLElement>(id: string): T {
  const element = document.getElementById(id);
  if (!element) throw new Error(`The page has no element #${id}.`);
  return element as T;
}

export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className: string,
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

/** A colour that always belongs to the same id. */
export function hueOf(id: string): number {
  let hash = 0;
  for (const char of id) hash = Math.imul(hash ^ char.charCodeAt(0), 0x01000193);
  return (hash >>> 0) % 360;
}

export function avatar(id: string, name: string, className = "avatar"): HTMLElement {
  const element = make("span", className, (name[0] ?? "?").toUpperCase());
  element.style.setProperty("--hue", String(hueOf(id)));
  element.setAttribute("aria-hidden", "true");
  return element;
}
