// Tells when an element is on the screen; one observer serves all.

type Enter = () => () => void;

const watched = new WeakMap<Element, (visible: boolean) => void>();
let observer: IntersectionObserver | null = null;

/** Calls `enter` when the element comes onto the screen, and what that returned when it leaves. */
export function watchVisibility(element: Element, enter: Enter): () => void {
  let leave: (() => void) | null = null;
  const set = (visible: boolean) => {
    if (visible) leave ??= enter();
    else {
      leave?.();
      leave = null;
    }
  };
  observer ??= new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) watched.get(target)?.(isIntersecting);
  });
  watched.set(element, set);
  observer.observe(element);
  return () => {
    observer?.unobserve(element);
    watched.delete(element);
    set(false);
  };
}
