// The smallest observable value: read it, set it, hear of changes. Every public store of this package is one of these.

export interface Readable<T> {
  get(): T;
  /** Calls back after every change, and returns what ends that. */
  subscribe(listener: (value: T) => void): () => void;
}

export interface Store<T> extends Readable<T> {
  set(value: T): void;
}

export function createStore<T>(initial: T): Store<T> {
  const listeners = createEmitter<T>();
  let value = initial;
  return {
    get: () => value,
    subscribe: listeners.subscribe,
    set(next) {
      if (Object.is(next, value)) return;
      value = next;
      listeners.emit(next);
    },
  };
}

export interface Emitter<T> {
  emit(value: T): void;
  subscribe(listener: (value: T) => void): () => void;
}

export function createEmitter<T>(): Emitter<T> {
  // Each subscription is an object of its own, so that the same function can subscribe twice and leave once.
  const subscriptions = new Set<{ listener: (value: T) => void }>();
  return {
    emit(value) {
      // A copy: a listener may unsubscribe itself or others while it is being told.
      for (const subscription of [...subscriptions]) subscription.listener(value);
    },
    subscribe(listener) {
      const subscription = { listener };
      subscriptions.add(subscription);
      return () => {
        subscriptions.delete(subscription);
      };
    },
  };
}
