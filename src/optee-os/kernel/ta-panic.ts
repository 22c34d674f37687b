/**
 * What is said of a TA that panicked or was aborted: the lines on the secure console, the event, and
 * the cause of the TEE_ERROR_TARGET_DEAD that its clients get.
 *
 * Upstream counterparts: optee_os core/kernel/scall.c, core/arch/arm/kernel/abort.c, ldelf/main.c.
 */
import type { TaEntry } from '../../ta/runtime.ts';
import type { TaPanic } from '../../ta/runtime.ts';
import { phrase } from '../../trace/phrase.ts';
import { BusFault } from '../../machine/bus.ts';
import type { Guest } from '../guest.ts';
import type { ThreadCtx } from './thread.ts';
import type { UserTaCtx } from './user-ta.ts';

/** Events that a panic report shows. */
const LAST_EVENTS = 8;

export function reportPanic(
  guest: Guest,
  thread: ThreadCtx,
  ctx: UserTaCtx,
  entry: TaEntry,
  error: TaPanic | BusFault,
): void {
  const { log, trace } = guest.nexus;
  const events = trace.latestOfTask(LAST_EVENTS).map(phrase);
  const aborted = error instanceof BusFault;
  const where = aborted ? '' : error.where;
  log.taMessage(thread, '');
  log.taMessage(
    thread,
    aborted
      ? `User mode data-abort at address 0x${error.address.toString(16)}`
      : `TA panicked with code 0x${ctx.panicCode.toString(16)}`,
  );
  log.ldelf(`Status of TA ${ctx.uuid}`);
  log.ldelf(` [0] ${ctx.uuid} @ ${ctx.image?.origin ?? ''}`);
  if (where !== '') {
    log.ldelf('Call stack:');
    log.ldelf(` ${where}`);
  }
  const sessions = guest.sessionsOf(ctx);
  const text = `${error.message}; in ${entry}; open sessions: ${sessions.join(', ') || 'none'}`;
  if (trace.calls) {
    trace.emit('ta', 'ta.panic', { uuid: ctx.uuid, code: ctx.panicCode, text, where });
  }
  trace.cause('ta', {
    layer: 'optee-os',
    code: 'TEE_ERROR_TARGET_DEAD',
    text: `the TA panicked with code 0x${ctx.panicCode.toString(16)}: ${text}`,
    object: where === '' ? ctx.uuid : `${ctx.uuid} at ${where}`,
    events,
  });
}
