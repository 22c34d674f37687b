/** A line on a terminal that is written over itself, and the end that SIGINT asks for. */
export class Progress {
  readonly #onInterrupt = (): void => {
    this.#interrupted = true;
  };
  #interrupted = false;
  #shown = false;

  constructor() {
    process.once('SIGINT', this.#onInterrupt);
  }

  /** @returns whether whoever makes progress should stop */
  show(line: () => string): 'stop' | undefined {
    if (process.stderr.isTTY) {
      process.stderr.write(`\r\x1b[K${line()}`);
      this.#shown = true;
    }
    return this.#interrupted ? 'stop' : undefined;
  }

  end(): void {
    process.off('SIGINT', this.#onInterrupt);
    if (this.#shown) process.stderr.write('\r\x1b[K');
  }
}
