/** How a spec is written: its cases get processes, and must leave nothing behind. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Caller } from './caller.ts';
import type { Cred, Need, TeeProcess, TeeTarget } from './target.ts';

/** What a case works with. Its processes end with it. */
export class Case {
  readonly target: TeeTarget;
  readonly #processes: TeeProcess[] = [];

  constructor(target: TeeTarget) {
    this.target = target;
  }

  /** A process of root's, or of somebody else's. */
  async caller(cred?: Cred): Promise<Caller> {
    return this.adopt(await this.target.process(cred));
  }

  /** A process that some other one has made. */
  async adopt(process: TeeProcess): Promise<Caller> {
    this.#processes.push(process);
    return Caller.of(process);
  }

  /** A process that has the client device open. */
  async client(cred?: Cred): Promise<{ readonly caller: Caller; readonly fd: number }> {
    return this.#opened(this.target.client, cred);
  }

  /** A process that has the privileged device open: a case with this must need it. */
  async supplicant(): Promise<{ readonly caller: Caller; readonly fd: number }> {
    return this.#opened(this.target.privileged!, undefined);
  }

  async end(): Promise<void> {
    for (const process of this.#processes.splice(0)) await process.exit();
  }

  async #opened(path: string, cred: Cred | undefined) {
    const caller = await this.caller(cred);
    const fd = await caller.process.open(path);
    assert.ok(fd >= 0, `open ${path}: ${fd}`);
    return { caller, fd };
  }
}

/** Longest that a case may take before it counts as hung, milliseconds. Emulators may need more. */
const HUNG_MS = Number(process.env['TEE_HUNG_MS'] ?? 10_000);

type Body = (c: Case) => Promise<void>;

/** The functions that a spec is made of. */
export interface Suite {
  /** A case that any target can run, or one with the needs named. */
  conforms(name: string, body: Body): void;
  conforms(name: string, needs: readonly Need[], body: Body): void;
}

export type Spec = (suite: Suite) => void;

/** Runs specs on a target. */
export function runSpecs(target: TeeTarget, specs: Readonly<Record<string, Spec>>): void {
  describe(target.name, () => {
    for (const [name, spec] of Object.entries(specs)) {
      describe(name, () => spec(suiteOf(target)));
    }
  });
}

function suiteOf(target: TeeTarget): Suite {
  return {
    conforms(name: string, second: readonly Need[] | Body, third?: Body): void {
      const needs = typeof second === 'function' ? [] : second;
      const body = typeof second === 'function' ? second : third!;
      const lacking = needs.map((need) => target.lacks(need)).find((why) => why !== undefined);
      it(name, { skip: lacking ?? false, timeout: HUNG_MS }, async ({ signal }) => {
        const c = new Case(target);
        // One that hangs must not keep what the next ones need.
        signal.addEventListener('abort', () => void c.end());
        try {
          await body(c);
        } finally {
          await c.end();
        }
        assert.deepEqual(await target.leftovers(), []);
      });
    },
  };
}
