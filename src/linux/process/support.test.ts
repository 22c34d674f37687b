import assert from 'node:assert/strict';
import { it } from 'node:test';
import { PROCESS_SUPPORT } from './support.ts';
import { Syscalls } from './syscalls.ts';

/** Methods that are another spelling of a system call. */
const SHORTHANDS = ['open', 'dup2', 'stat', 'access'];
const METHOD_OF: Readonly<Record<string, string>> = { futex: 'futexWait' };

const methodOf = (name: string): string =>
  METHOD_OF[name] ?? name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());

it('the support table names what there is, and nothing else', () => {
  const present = PROCESS_SUPPORT.filter(({ status }) => status !== 'absent');
  const declared = present.map(({ name }) => methodOf(name));
  const methods = Object.getOwnPropertyNames(Syscalls.prototype).filter(
    (name) => name !== 'constructor' && !SHORTHANDS.includes(name),
  );
  assert.deepEqual(declared.toSorted(), methods.toSorted());
  for (const { status, note, name } of PROCESS_SUPPORT) {
    assert.equal(note === undefined, status === 'supported', name);
  }
});
