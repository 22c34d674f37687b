/**
 * What each function does with an operation (or another subject) in each of its states, as a table of
 * text: functions down, states across. A cell is `ok`, the result's name without TEE_ERROR_, or
 * `panic` with the code; a panic must name the clause of its function.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { TEE_ERROR, TEE_SUCCESS } from '../../abi/gp.ts';
import { codeName } from '../../abi/layout.ts';
import { authorityOf } from '../gp/clauses.ts';
import type { Tee } from '../gp/tee.ts';
import { TaPanic } from '../runtime.ts';
import { World, inTa } from './world.ts';

export interface StateTable<T> {
  /** How the subject gets into each state. */
  readonly states: Readonly<Record<string, (tee: Tee) => T>>;
  /** A call's name begins with its function's. */
  readonly calls: Readonly<Record<string, (tee: Tee, subject: T) => unknown>>;
  readonly expected: string;
}

const nameOf = (code: number): string =>
  code === 0 ? '0' : codeName(TEE_ERROR, code).replace('TEE_ERROR_', '').replace(/ .*/, '');

/** Deprecated functions are the newer ones underneath: same clause, other number. */
const clauseOf = (api: string): string => authorityOf(api).replace(/, function .*/, '');

/** A test for each row. */
export function checkStateTable<T>(title: string, table: StateTable<T>): void {
  const [head = [], ...rows] = parse(table.expected);
  describe(title, () => {
    test('the table is whole', () => {
      assert.deepEqual(head.slice(1), Object.keys(table.states));
      assert.deepEqual(
        rows.map(([call]) => call),
        Object.keys(table.calls),
      );
    });
    for (const [call = '', ...cells] of rows) {
      test(call, async () => {
        const outcomes: string[] = [];
        for (const state of head.slice(1)) outcomes.push(await outcomeOf(table, state, call));
        assert.deepEqual(
          Object.fromEntries(outcomes.map((outcome, i) => [head[i + 1], outcome])),
          Object.fromEntries(cells.map((cell, i) => [head[i + 1], cell])),
        );
      });
    }
  });
}

const parse = (text: string): string[][] =>
  text
    .trim()
    .split('\n')
    .map((line) => line.split('|').map((cell) => cell.trim()));

async function outcomeOf<T>(table: StateTable<T>, state: string, call: string): Promise<string> {
  const world = new World();
  let outcome = 'ok';
  let reached = false;
  try {
    await inTa(
      async (tee) => {
        const subject = table.states[state]!(tee);
        reached = true;
        const result = await table.calls[call]!(tee, subject);
        if (typeof result === 'number' && result !== TEE_SUCCESS) outcome = nameOf(result);
      },
      undefined,
      world,
    );
    return outcome;
  } catch (error) {
    if (!(error instanceof TaPanic) || !reached) throw error;
    const api = /^\w+/.exec(call)?.[0] ?? '';
    assert.match(world.trace.lastCause?.hint ?? '', new RegExp(`^${clauseOf(api)}\\b`));
    return `panic ${nameOf(error.code)}`;
  }
}
