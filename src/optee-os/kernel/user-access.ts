/**
 * The room for bounce buffers: where the core keeps copies of a TA's data while a system call runs.
 * All that one call holds at a time lies in one page of the TA's.
 *
 * Upstream counterparts: optee_os core/kernel/user_access.c (bb_alloc), core/kernel/ldelf_loader.c.
 * Left out: the copies. Nothing but the calls themselves can change a TypeScript TA's buffers.
 */
import type { Trace } from '../../trace/trace.ts';

/** Bytes. Source: ldelf_loader.c. */
export const BOUNCE_BUFFER_SIZE = 4096;
/** BB_ALIGNMENT on a 64-bit core. */
const BB_ALIGNMENT = 16;

/**
 * Whether bounce buffers of these lengths (bytes) fit beside each other. Where they do not, system
 * calls answer TEE_ERROR_OUT_OF_MEMORY; the cause is traced.
 */
export function fitsBounceBuffer(trace: Trace, ...lengths: readonly number[]): boolean {
  let offset = 0;
  for (const length of lengths) {
    const end = offset + length;
    if (end > BOUNCE_BUFFER_SIZE) return refuse(trace, length, BOUNCE_BUFFER_SIZE - offset);
    offset = Math.ceil(end / BB_ALIGNMENT) * BB_ALIGNMENT;
  }
  return true;
}

function refuse(trace: Trace, requested: number, left: number): false {
  trace.cause('secure', {
    layer: 'optee-os',
    code: 'TEE_ERROR_OUT_OF_MEMORY',
    text: 'a buffer of the TA is larger than what a system call can copy',
    object: 'bounce buffer',
    requested,
    available: Math.max(0, left),
    limit: `BOUNCE_BUFFER_SIZE=${BOUNCE_BUFFER_SIZE}`,
    hint: 'pass the data in pieces',
  });
  return false;
}
