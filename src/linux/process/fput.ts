/**
 * References to files that are given up where nothing may sleep (fput() in fs/file_table.c): what
 * was the last one is released a little later, on the way out of the system call.
 */
import type { VmFile } from '../mm/vma.ts';
import type { Co } from '../../sched/task.ts';
import type { File } from './file.ts';

export class DelayedFput {
  readonly #files: File[] = [];

  /** fput() */
  put(file: File): void {
    if (file.drop()) this.#files.push(file);
  }

  /** task_work_run(): the last one in is the first out. */
  *run(): Co<void> {
    while (this.#files.length > 0) {
      for (const file of this.#files.splice(0).reverse()) yield* file.release();
    }
  }

  /** What a mapping of the file holds (vm_file); takes over the reference. */
  forMapping(file: File): VmFile {
    return { open: () => void file.get(), close: () => this.put(file) };
  }
}
