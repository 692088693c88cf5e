type Methods<T> = {
  readonly [K in keyof T as T[K] extends (...args: never[]) => unknown ? K : never]?: T[K];
};

/** An object that does what `target` does, but for the methods given: they get it as it was. */
export function intercept<T extends object>(target: T, change: (original: T) => Methods<T>): T {
  const changed = change(target) as Record<PropertyKey, unknown>;
  return new Proxy(target, {
    get(original, property) {
      if (Object.hasOwn(changed, property)) return changed[property];
      // Methods with private fields need the object itself as `this`, not the proxy.
      const value: unknown = Reflect.get(original, property, original);
      return typeof value === 'function'
        ? (value as (...args: unknown[]) => unknown).bind(original)
        : value;
    },
  });
}
