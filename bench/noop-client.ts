/** A box whose one TA does nothing, and a TypeScript client in a session with it. */
import { TEEC_LOGIN_PUBLIC, TEEC_SUCCESS } from '../src/abi/gp.ts';
import { boot, taImageOf } from '../src/index.ts';
import type { Box, BoxOptions, TeeClient } from '../src/index.ts';
import type { ProcessOptions } from '../src/linux/process/user-process.ts';
import type { TeecContext, TeecOperation, TeecSession } from '../src/userland/libteec/teec.ts';
import * as ta from './floor/ta.ts';
import { now } from './samples.ts';

export const NOOP_IMAGE = taImageOf(ta, 'bench/floor/ta.ts');

export class NoopClient {
  readonly client: TeeClient;
  readonly context: TeecContext;
  readonly session: TeecSession;

  /** @throws Error for a box that refuses a context or a session. */
  constructor(box: Box, options: Partial<ProcessOptions> = {}) {
    this.client = box.client(options);
    this.context = this.openContext();
    const open = now(
      this.client.TEEC_OpenSession(this.context, ta.BENCH_TA_UUID, TEEC_LOGIN_PUBLIC),
    );
    check('TEEC_OpenSession', open.result);
    this.session = open.session;
  }

  openContext(): TeecContext {
    const { result, context } = now(this.client.TEEC_InitializeContext());
    check('TEEC_InitializeContext', result);
    return context;
  }

  /** One round trip to the TA. */
  invoke(operation: TeecOperation | null = null): void {
    const reply = now(this.client.TEEC_InvokeCommand(this.session, 0, operation));
    if (reply.result !== TEEC_SUCCESS) check('TEEC_InvokeCommand', reply.result);
  }
}

export const bootNoop = (options: BoxOptions = {}): Box => boot({ tas: [NOOP_IMAGE], ...options });

/** @throws Error for anything but TEEC_SUCCESS. */
export function check(call: string, result: number): void {
  if (result !== TEEC_SUCCESS) throw new Error(`${call}: 0x${result.toString(16)}`);
}
