import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { makeDirectories } from './make-directories.ts';

const directory = mkdtempSync(join(tmpdir(), 'teebox-directories-'));
after(() => rmSync(directory, { recursive: true }));

const at = (...names: readonly string[]): string => join(directory, ...names);

const refused = (path: string, message: RegExp): void =>
  assert.throws(
    () => makeDirectories(path, 0o700),
    (error) => error instanceof Error && message.test(error.message),
  );

describe('making directories', () => {
  it('makes those that are missing, with their mode', () => {
    makeDirectories(at('a', 'b', 'c'), 0o700);
    for (const names of [['a'], ['a', 'b'], ['a', 'b', 'c']]) {
      assert.equal(statSync(at(...names)).mode & 0o777, 0o700);
    }
    makeDirectories(at('a', 'b'), 0o755);
    assert.equal(statSync(at('a', 'b')).mode & 0o777, 0o700);
  });

  it('goes through links and dots', () => {
    makeDirectories(`${directory}/new/../beside/./`, 0o700);
    assert.ok(statSync(at('beside')).isDirectory());
    symlinkSync(at('beside'), at('link'));
    makeDirectories(at('link', 'below'), 0o700);
    assert.ok(existsSync(at('beside', 'below')));
  });

  it('says in one line what is in the way', () => {
    writeFileSync(at('file'), '');
    symlinkSync(at('nowhere'), at('dangling'));
    symlinkSync(at('loop'), at('loop'));
    refused(at('file'), /^\S+\/file is no directory$/);
    refused(at('file', 'below', 'it'), /^\S+\/file is no directory$/);
    refused(at('dangling'), /^\S+\/dangling is a symbolic link that leads nowhere$/);
    refused(at('dangling', 'below'), /^\S+\/dangling is a symbolic link that leads nowhere$/);
    refused(at('loop'), /^ELOOP: .*$/);
    refused('', /^ENOENT: .*$/);
  });

  it('ends where the parent is there and the child cannot be', { skip: noProcfs() }, () => {
    refused('/proc/teebox', /^ENOENT: .*$/);
    refused('/proc/teebox/below', /^ENOENT: .*$/);
  });
});

function noProcfs(): string | false {
  return existsSync('/proc/self') ? false : 'there is no /proc';
}
