/** What needs no kernel of the host; path_flags.c has the rest. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { E2BIG, EINVAL } from '../abi/errno.ts';
import {
  O_CLOEXEC,
  O_CREAT,
  O_DIRECT,
  O_DIRECTORY,
  O_LARGEFILE,
  O_NOFOLLOW,
  O_PATH,
  O_RDWR,
} from '../abi/fcntl.ts';
import { OpenHow as OpenHowLayout, RESOLVE_BENEATH } from '../abi/openat2.ts';
import { PAGE_SIZE } from '../machine/address.ts';
import { HOST_ARCHS } from './arch.ts';
import { checkOpen, openHow, readOpenHow } from './path-checks.ts';

const X86_64 = HOST_ARCHS.get('x64')!;
const ARM64 = HOST_ARCHS.get('arm64')!;

/** Memory that starts at 0. */
const memory = (bytes: Uint8Array) => ({
  read(at: number, out: Uint8Array): boolean {
    if (at + out.length > bytes.length) return false;
    out.set(bytes.subarray(at, at + out.length));
    return true;
  },
});

function how(flags: bigint, mode = 0n, resolve = 0n): Uint8Array {
  const bytes = new Uint8Array(2 * PAGE_SIZE);
  const view = new DataView(bytes.buffer);
  OpenHowLayout.flags.set(view, 0, flags);
  OpenHowLayout.mode.set(view, 0, mode);
  OpenHowLayout.resolve.set(view, 0, resolve);
  return bytes;
}

describe('how a file is to be opened', () => {
  it('is said by a struct of any size from the first to a page', () => {
    const mm = memory(how(BigInt(O_RDWR | O_CREAT), 0o600n, BigInt(RESOLVE_BENEATH)));
    const expected = { flags: O_RDWR | O_CREAT, mode: 0o600, resolve: RESOLVE_BENEATH };
    for (const size of [24, 25, PAGE_SIZE]) {
      assert.deepEqual(readOpenHow(X86_64, mm, 0, size), expected);
    }
    assert.equal(readOpenHow(X86_64, mm, 0, 23), -EINVAL);
    assert.equal(readOpenHow(X86_64, mm, 0, PAGE_SIZE + 1), -E2BIG);
    assert.equal(readOpenHow(X86_64, mm, 0, 2 ** 64), -E2BIG);
  });

  it('has no bits above the 32nd', () => {
    for (const wide of [how(1n << 32n), how(0n, 1n << 63n), how(0n, 0n, 1n << 40n)]) {
      assert.equal(readOpenHow(X86_64, memory(wide), 0, 24), -EINVAL);
    }
  });

  it("is said with the architecture's numbers", () => {
    const generic = { O_DIRECTORY, O_NOFOLLOW, O_DIRECT, O_LARGEFILE };
    for (const [name, flag] of Object.entries(generic)) {
      const own = ARM64.openFlags[name as keyof typeof generic] ?? 0;
      assert.equal(openHow(X86_64, O_RDWR | flag, 0).flags, O_RDWR | flag, name);
      assert.equal(openHow(ARM64, O_RDWR | own, 0).flags, O_RDWR | flag, name);
      const read = readOpenHow(ARM64, memory(how(BigInt(own | O_CLOEXEC))), 0, 24);
      assert.deepEqual(read, { flags: flag | O_CLOEXEC, mode: 0, resolve: 0 }, name);
    }
  });

  it('is of open(2) whatever of it makes sense', () => {
    const known = openHow(X86_64, O_PATH | O_RDWR | O_CREAT | O_NOFOLLOW | (1 << 30), 0o17777);
    assert.deepEqual(known, { flags: O_PATH | O_NOFOLLOW, mode: 0, resolve: 0 });
    const made = openHow(X86_64, O_RDWR | O_CREAT, 0o17777);
    assert.deepEqual(made, { flags: O_RDWR | O_CREAT, mode: 0o7777, resolve: 0 });
    assert.equal(checkOpen(made), 0);
    assert.equal(checkOpen({ ...made, mode: 0o17777 }), -EINVAL);
    assert.equal(checkOpen({ ...made, flags: O_CREAT | O_DIRECTORY }), -EINVAL);
  });
});
