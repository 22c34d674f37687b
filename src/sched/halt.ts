/** How a box ends before its time, and what its callers are told. */

/** Why a box stopped for good: a kernel BUG, a core panic, a deadlock, a bug of teebox. */
export interface Halt {
  readonly kind: 'kernel BUG' | 'core panic' | 'deadlock' | 'use after free' | 'internal error';
  readonly text: string;
  readonly error: Error;
}

/** Thrown at whoever calls into a box that has stopped. */
export class BoxHalted extends Error {
  readonly halt: Halt;
  constructor(halt: Halt) {
    super(`the box has stopped: ${halt.kind}: ${halt.text}`, { cause: halt.error });
    this.name = 'BoxHalted';
    this.halt = halt;
  }
}

/** An async body awaited a promise that no part of the box will ever settle. */
export class ForeignAwait extends Error {
  constructor(task: string) {
    super(
      `${task} awaits a promise that is not a teebox call: nothing in the box will settle it. ` +
        `Await only what the box's own functions return.`,
    );
    this.name = 'ForeignAwait';
  }
}
