/** Log lines beyond those of the example TAs: levels, lengths, dumps, plain text. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { TRACE_DEBUG, TRACE_FLOW, TRACE_INFO, TRACE_MIN } from '../../abi/trace-levels.ts';
import { World, inTa } from '../testing/world.ts';
import type { Tee } from './tee.ts';

async function linesOf(level: number, body: (tee: Tee) => unknown): Promise<string[]> {
  const world = new World();
  world.traceLevel = level;
  await inTa(body, undefined, world);
  return world.lines.map((line) => line.replace(/^(D\/TA: ) .*?:\d+ /, '$1'));
}

const every = (tee: Tee): void => {
  tee.EMSG('error');
  tee.IMSG('info');
  tee.DMSG('debug');
  tee.FMSG('flow');
  tee.DHEXDUMP(Uint8Array.of(1));
  tee.printf('plain');
};

describe('levels', () => {
  for (const [level, letters] of [
    [TRACE_MIN, ''],
    [TRACE_INFO, 'EIp'],
    [TRACE_DEBUG, 'EIDDp'],
    [TRACE_FLOW, 'EIDFDp'],
  ] as const) {
    test(`${level} shows ${letters || 'nothing'}`, async () => {
      const lines = await linesOf(level, every);
      assert.equal(lines.map((line) => line[0]).join(''), letters);
    });
  }
});

test('a dump has sixteen bytes a line, in two halves', async () => {
  const bytes = Uint8Array.from({ length: 18 }, (_, i) => 16 * i + i);
  assert.deepEqual(await linesOf(TRACE_DEBUG, (tee) => tee.DHEXDUMP(bytes)), [
    'D/TA: 0000000000000000  00 11 22 33 44 55 66 77  88 99 aa bb cc dd ee ff \n',
    'D/TA: 0000000000000010  10 21 \n',
  ]);
  assert.deepEqual(await linesOf(TRACE_DEBUG, (tee) => tee.DHEXDUMP(new Uint8Array(0))), []);
});

test('plain text has no prefix, says its length, and is cut where C cuts it', async () => {
  const lines = await linesOf(TRACE_INFO, (tee) => {
    assert.equal(tee.printf('a\n'), 2);
    assert.equal(tee.printf('b'.repeat(300)), 300);
  });
  assert.deepEqual(lines, ['a\n', 'b'.repeat(255)]);
});
