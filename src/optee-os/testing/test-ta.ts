/** For tests: TAs whose entry points are coroutines over the bare system calls. */
import { TEE_ERROR_NOT_SUPPORTED, TEE_SUCCESS } from '../../abi/gp.ts';
import type { Co } from '../../sched/task.ts';
import type {
  TaEntry,
  TaEnvironment,
  TaImage,
  TaInstance,
  TaParams,
  TaSyscalls,
} from '../../ta/runtime.ts';

/** What an entry point gets. */
export interface TestCall {
  readonly tee: TaSyscalls;
  readonly environment: TaEnvironment;
  readonly session: number;
  readonly command: number;
  readonly params: TaParams | undefined;
}

export type TestEntry = (call: TestCall) => Co<number>;

export interface TestTa {
  readonly uuid: string;
  readonly flags?: number;
  readonly stackSize?: number;
  readonly create?: TestEntry;
  readonly destroy?: TestEntry;
  readonly open?: TestEntry;
  readonly close?: TestEntry;
  /** By command. */
  readonly commands?: Readonly<Record<number, TestEntry>>;
  /** Every entry, in order. */
  readonly seen?: string[];
  readonly instantiate?: (environment: TaEnvironment) => void;
}

export function* success(): Co<number> {
  return TEE_SUCCESS;
}

export function testTa(ta: TestTa): TaImage {
  return {
    head: {
      uuid: ta.uuid,
      flags: ta.flags ?? 0,
      stackSize: ta.stackSize ?? 4096,
      dataSize: 4096,
      version: '1.0',
      description: 'test',
      properties: new Map(),
    },
    origin: 'test-ta.ts:1',
    instantiate(environment: TaEnvironment): TaInstance {
      ta.instantiate?.(environment);
      return new TestInstance(ta, environment);
    },
  };
}

class TestInstance implements TaInstance {
  readonly #ta: TestTa;
  readonly #environment: TaEnvironment;

  constructor(ta: TestTa, environment: TaEnvironment) {
    this.#ta = ta;
    this.#environment = environment;
  }

  enter(
    entry: TaEntry,
    session: number,
    command: number,
    params: TaParams | undefined,
  ): Co<number> {
    const ta = this.#ta;
    ta.seen?.push(entry);
    const entries: Readonly<Record<TaEntry, TestEntry>> = {
      TA_CreateEntryPoint: ta.create ?? success,
      TA_DestroyEntryPoint: ta.destroy ?? success,
      TA_OpenSessionEntryPoint: ta.open ?? success,
      TA_CloseSessionEntryPoint: ta.close ?? success,
      TA_InvokeCommandEntryPoint: ta.commands?.[command] ?? unknown,
    };
    const environment = this.#environment;
    const tee = environment.syscalls;
    return entries[entry]({ tee, environment, session, command, params });
  }

  destroy(): void {
    this.#ta.seen?.push('gone');
  }
}

function* unknown(): Co<number> {
  return TEE_ERROR_NOT_SUPPORTED;
}
