/** Every call of GUP in the kernel states its lifetime rule, beside the call. */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, it } from 'node:test';
import { pinSite } from '../mm/pin-site.ts';

const LINUX = fileURLToPath(new URL('../', import.meta.url));

interface Source {
  readonly path: string;
  readonly text: string;
}

/** The kernel without mm/, which GUP is part of, and without tests. */
const sources: readonly Source[] = readdirSync(LINUX, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts') && !/^mm\/|\.test\.ts$|\/testing\//.test(path))
  .map((path) => ({ path, text: withoutComments(readFileSync(LINUX + path, 'utf8')) }));

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/\/\/.*$/gm, '');
}

/** Calls of GUP that go past `pinUser`. */
const BARE = /\b(?:pin|get)UserPages(?:Fast|Unlocked|Remote)?\(|\bpinForDriver\(|\bmm\??\.pin\(/;
const CALL = /\b(?:pinUser|referenceUser)\(\s*[^,]+,\s*(\w+),/g;

/** What is wrong with the pins of a file. */
function faults({ path, text }: Source): string[] {
  const bare = BARE.exec(text);
  const found = bare === null ? [] : [`${path}: ${bare[0]} states no lifetime`];
  const known = new Set([...text.matchAll(/\bconst (\w+) = pinSite\(/g)].map(([, name]) => name));
  // A variable or a parameter stands for one of the file's own sites.
  const local = new Set(
    [...text.matchAll(/\b(\w+): PinSite\b|\bconst (\w+) =[^;]*\?[^;]*;/g)].map((m) => m[1] ?? m[2]),
  );
  for (const [, site] of text.matchAll(CALL)) {
    const stated = known.has(site) || (local.has(site) && known.size > 0);
    if (!stated) found.push(`${path}: ${site} is no pinSite() of this file`);
  }
  return found;
}

describe('call sites of GUP', () => {
  it('state their lifetime, each in its own file', () => {
    assert.deepEqual(sources.flatMap(faults), []);
  });

  it('are those of the debate, and registration with a TEE', () => {
    const files = sources.filter(({ text }) => new RegExp(CALL).test(text)).map(({ path }) => path);
    assert.deepEqual(files.toSorted(), [
      'pinners/direct-io.ts',
      'pinners/io-uring.ts',
      'pinners/ivtv-udma.ts',
      'pinners/process-vm.ts',
      'pinners/user-events.ts',
      'tee/pin-user.ts',
    ]);
  });

  it('are found when they state nothing', () => {
    const bad = [
      'const p = mm.pin(start, 1, { write: true });',
      'current.process.mm?.pin(at, 1, flags)',
      'pinUserPagesFast(mm, start, 1, FOLL_WRITE);',
      'getUserPages(mm, start, 1, 0);',
      "import { OTHER } from './other.ts'; pinUser(mm, OTHER, start, 1, switches);",
    ];
    for (const text of bad) assert.equal(faults({ path: 'x', text }).length, 1, text);
    const good = 'const SITE = pinSite({});\npinUser(\n  mm,\n  SITE,\n  start, 1, switches);';
    assert.deepEqual(faults({ path: 'x', text: good }), []);
  });

  it('give a reason, and do not call a short pin long', () => {
    const reasons = sources.flatMap(({ path, text }) =>
      [...text.matchAll(/\breason:\s*((?:'[^']*'|\s|\+)+)/g)].map(([, reason = '']) => ({
        path,
        reason,
      })),
    );
    assert.equal(reasons.length, 6);
    for (const { path, reason } of reasons) {
      assert.ok(/unpinned|pinned until/.test(reason), `${path}: ${reason}`);
    }
    const fields = { name: 'x', call: 'pin_user_pages_fast', foll: 0, reason: 'x' } as const;
    assert.throws(() => pinSite({ ...fields, lifetime: 'short', longterm: true }), /FOLL_LONGTERM/);
  });
});
