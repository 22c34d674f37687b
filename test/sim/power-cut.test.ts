/** The search for power cuts: what a disk may hold after one, what is judged, and what is found. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TEE_STORAGE_PRIVATE_REE } from '../../src/abi/gp.ts';
import { PROFILES, withoutQuirks } from '../../src/index.ts';
import type { Profile } from '../../src/index.ts';
import { nodeHost } from '../../src/host/node/host.ts';
import { withOnly } from '../../src/sim/blame.ts';
import { cutName, cutText, cutsOf, diskAfter, parseCut } from '../../src/sim/power-cut/cuts.ts';
import { LoggedStore } from '../../src/sim/power-cut/logged-store.ts';
import { record, searchPowerCuts, tryCut } from '../../src/sim/power-cut/search.ts';
import type { PowerCutResult, Recording } from '../../src/sim/power-cut/search.ts';
import { stepsOf } from '../../src/sim/power-cut/steps.ts';

const UPSTREAM = PROFILES['linux-7.3'];
const FIXED = withoutQuirks(UPSTREAM);

const search = (profile: Profile, seed: number, steps: number): PowerCutResult =>
  searchPowerCuts(nodeHost(), { profile, storage: TEE_STORAGE_PRIVATE_REE, seed, steps });

const kindsOf = ({ findings }: PowerCutResult): string[] => findings.map(({ kind }) => kind);

/** A file that is made, filled with 1,536 bytes, synced, and changed. */
function written(): LoggedStore {
  const store = new LoggedStore();
  store.createFile('f');
  store.write('f', 0, new Uint8Array(1536).fill(1));
  store.sync('f');
  store.write('f', 0, Uint8Array.of(2));
  store.truncate('f', 512);
  return store;
}

describe('a disk after a power cut', () => {
  const { ops } = written();

  it('is cut before each step, within long writes, and without single steps since the last sync', () => {
    const names = [...cutsOf(ops)].map(cutName);
    const [torn, lost] = [
      ['1:torn1', '1:torn2'],
      ['2:lost0', '5:lost3'],
    ];
    assert.deepEqual(names, ['0', '1', ...torn, '2', lost[0], '3', '4', '5', lost[1]]);
  });

  it('holds what was done before the cut', () => {
    const sizes = [...cutsOf(ops)].map((cut) => diskAfter(ops, cut).stat('f')?.sizeBytes);
    assert.deepEqual(sizes, [undefined, 0, 512, 1024, 1536, undefined, 1536, 1536, 512, 512]);
    assert.deepEqual(diskAfter(ops, { step: 5, lost: 3 }).read('f', 0, 2), Uint8Array.of(1, 1));
    assert.deepEqual(diskAfter(ops, { step: 5 }).read('f', 0, 2), Uint8Array.of(2, 1));
  });

  it('is named, in a name that can be read back', () => {
    for (const cut of cutsOf(ops)) assert.deepEqual(parseCut(cutName(cut)), cut);
    assert.equal(parseCut('1:bent2'), undefined);
    assert.equal(cutText(ops, { step: 1, torn: 2 }), 'within "write f 0+1536"');
    assert.equal(cutText(ops, { step: 5 }), 'after the last step');
  });
});

describe('the changes of a run', () => {
  it('are those of the seed, and of every kind', () => {
    const text = (seed: number): string[] => stepsOf(seed, 200).map((step) => step.text);
    assert.deepEqual(text(3), text(3));
    assert.notDeepEqual(text(3), text(4));
    const kinds = new Set(text(3).map((line) => line.split(' ')[0]));
    assert.deepEqual([...kinds].sort(), [
      'create',
      'remove',
      'rename',
      'replace',
      'truncate',
      'write',
    ]);
  });
});

describe('what is left after a power cut', () => {
  const box = { profile: FIXED, storage: TEE_STORAGE_PRIVATE_REE };
  const recording = record(nodeHost(), { ...box, seed: 2, steps: 6 });
  const end = { step: recording.ops.length };

  /** The verdict when something more was done to the disk at the end. */
  function after(more: (store: LoggedStore) => void): string | undefined {
    const store = new LoggedStore();
    more(store);
    const ops = [...recording.ops, ...store.ops];
    return tryCut(nodeHost(), box, { ...recording, ops }, { step: ops.length })?.kind;
  }

  it('is what should be there', () => {
    assert.equal(tryCut(nodeHost(), box, recording, end), undefined);
    assert.equal(
      after(() => {}),
      undefined,
    );
  });

  it('is not a directory without objects', () => {
    const emptied = [...recording.ops, { kind: 'remove', path: 'dirf.db' } as const];
    const verdict = tryCut(
      nodeHost(),
      box,
      { ...recording, ops: emptied },
      { step: emptied.length },
    );
    assert.equal(verdict?.kind, 'an object is lost');
  });

  it('is not what the objects were a step before the last', () => {
    const steps = recording.steps.slice(0, -1);
    const { step } = recording.steps.at(-1)!;
    const wrong: Recording = {
      ...recording,
      steps: [...steps, { step: { ...step, after: new Map() }, end: 0 }],
    };
    assert.notEqual(tryCut(nodeHost(), box, wrong, end), undefined);
  });
});

describe('the search for power cuts', () => {
  it("finds the loss of a directory that was just made, OP-TEE's own bug", () => {
    const only = withOnly(FIXED, new Set());
    assert.deepEqual(kindsOf(search(only, 1, 2)), []);
    const buggy = withOnly(UPSTREAM, new Set(['quirkDirfileRemovedOnError']));
    const kind = 'objects cannot be listed: TEE_ERROR_CORRUPT_OBJECT (0xf0100001)';
    const { findings } = search(buggy, 1, 2);
    assert.equal(`${findings[0]?.kind}: ${findings[0]?.text}`, kind);
    assert.equal(findings.length, 1);
  });

  it('finds a file that is shorter than its head says', () => {
    const buggy = withOnly(UPSTREAM, new Set(['quirkTruncateBeforeCommit']));
    assert.deepEqual(kindsOf(search(buggy, 1, 12)), [
      'an object cannot be read: TEE_ERROR_CORRUPT_OBJECT (0xf0100001)',
    ]);
  });

  it('ends a run before a step that fails without a power cut', () => {
    const buggy = withOnly(UPSTREAM, new Set(['quirkTruncateKeepsHashes']));
    const { failed, findings } = search(buggy, 0, 14);
    assert.match(failed ?? '', /^write .* of alpha: TEE_ERROR_CORRUPT_OBJECT/);
    assert.ok(findings.length > 0);
  });

  for (const seed of [1, 2, 3]) {
    it(`finds nothing without upstream's bugs, seed ${seed}`, () => {
      const { reboots, findings } = search(FIXED, seed, 12);
      assert.deepEqual(findings, []);
      assert.ok(reboots > 100);
    });
  }
});
