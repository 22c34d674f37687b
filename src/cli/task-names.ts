/** The names of a box's tasks, remembered for those that have ended when their events are printed. */
import type { Box } from '../box/box.ts';

export class TaskNames {
  readonly #box: Box;
  readonly #names = new Map<number, string>();

  /** Listens to the trace from now on. */
  constructor(box: Box) {
    this.#box = box;
    box.trace.addSink((event) => void this.of(event.task));
  }

  readonly of = (id: number): string => {
    if (!this.#names.has(id)) {
      for (const task of this.#box.sched.tasks) this.#names.set(task.id, task.name);
    }
    return this.#names.get(id) ?? `task ${id}`;
  };
}
