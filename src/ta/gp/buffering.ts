/**
 * The collecting of whole blocks that ciphers and authenticated encryption share.
 *
 * Upstream counterpart: optee_os lib/libutee/tee_api_operations.c (tee_buffer_update).
 */
import { TeeDigests } from './digest.ts';
import type { Operation } from './operation.ts';

/** A syscall that turns bytes into as many others. */
export type Step = (
  state: number,
  source: Uint8Array,
  out: Uint8Array,
  size: { size: number },
) => number;

export class TeeBuffering extends TeeDigests {
  /**
   * Whole blocks go to the core, the rest waits in the operation's buffer. `out` has room for what
   * `Operation.updateLength` says. @returns bytes written
   */
  protected feed(
    api: string,
    op: Operation,
    step: Step,
    source: Uint8Array,
    out: Uint8Array,
  ): number {
    if (source.length === 0) return 0;
    if (!op.collects) return this.#step(api, op, step, source, out);
    const from = op.bufferOffs > 0 ? fillUp(op, source) : 0;
    if (op.bufferOffs % op.row.blockSize !== 0) return 0;
    return this.#feedBlocks(api, op, step, source.subarray(from), out);
  }

  /** Before the end: what is not collected goes to the core with the end itself. */
  protected feedBeforeEnd(
    api: string,
    op: Operation,
    step: Step,
    source: Uint8Array,
    out: Uint8Array,
  ): number {
    return op.collects ? this.feed(api, op, step, source, out) : 0;
  }

  /** The buffer is empty, or full up to a whole number of blocks. */
  #feedBlocks(api: string, op: Operation, step: Step, source: Uint8Array, out: Uint8Array): number {
    const due = op.updateLength(source.length);
    const kept = Math.min(op.bufferOffs, due);
    let done = kept === 0 ? 0 : this.#step(api, op, step, op.buffer.subarray(0, kept), out);
    if (kept > 0) op.buffer.copyWithin(0, kept, op.bufferOffs);
    op.bufferOffs -= kept;
    const direct = due - kept;
    if (direct > 0) {
      done += this.#step(api, op, step, source.subarray(0, direct), out.subarray(done));
    }
    op.buffer.set(source.subarray(direct), op.bufferOffs);
    op.bufferOffs += source.length - direct;
    return done;
  }

  #step(api: string, op: Operation, step: Step, source: Uint8Array, out: Uint8Array): number {
    const size = { size: out.length };
    this.allow(api, step(op.core.state, source, out, size));
    return size.size;
  }
}

/** Completes the block that waits, or brings a second one beside it. @returns bytes taken */
function fillUp(op: Operation, source: Uint8Array): number {
  const { blockSize } = op.row;
  const goal = op.bufferOffs < blockSize ? blockSize : op.buffer.length;
  const taken = Math.min(source.length, goal - op.bufferOffs);
  op.buffer.set(source.subarray(0, taken), op.bufferOffs);
  op.bufferOffs += taken;
  return taken;
}
