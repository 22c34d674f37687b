/**
 * Handles: small numbers for objects, the lowest free one first.
 * Upstream counterpart: tee-supplicant/src/handle.c.
 */
export class HandleDb<T> {
  readonly #objects: (T | undefined)[] = [];

  /** handle_get() */
  get(object: T): number {
    const free = this.#objects.indexOf(undefined);
    const handle = free < 0 ? this.#objects.length : free;
    this.#objects[handle] = object;
    return handle;
  }

  /** handle_lookup() */
  lookup(handle: number): T | undefined {
    return this.#objects[handle];
  }

  /** handle_put(): the object, whose handle is free then. */
  put(handle: number): T | undefined {
    const object = this.#objects[handle];
    if (object !== undefined) this.#objects[handle] = undefined;
    return object;
  }

  /** handle_foreach_put() */
  putAll(): readonly T[] {
    return this.#objects.splice(0).filter((object) => object !== undefined);
  }
}
