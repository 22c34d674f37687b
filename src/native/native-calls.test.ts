/** Which calls are the box's: by the path that they name, while who makes them is still there. */
import assert from 'node:assert/strict';
import { closeSync } from 'node:fs';
import { after, describe, it } from 'node:test';
import { AT_FDCWD } from '../abi/fcntl.ts';
import { Box } from '../box/box.ts';
import { nodeHost } from '../host/node/host.ts';
import { HOST_ARCHS } from './arch.ts';
import { Epoll } from './epoll.ts';
import { NativeCalls } from './native-calls.ts';
import { NativeFiles } from './native-files.ts';
import { NativeMemory } from './native-memory.ts';
import { NativeProcess, NativeThread } from './native-process.ts';
import { libcIfAny } from './testing/libc-if-any.ts';
import { VmAccess } from './vm-access.ts';

const libc = libcIfAny();

describe(
  'calls with a path',
  { skip: libc === undefined ? 'no koffi, or no Linux' : false },
  () => {
    const arch = HOST_ARCHS.get(process.arch)!;
    const { kernel } = new Box(nodeHost(), { supplicant: 'none' });
    const vm = new VmAccess(libc!, kernel.machine.bus.u8, arch.kcmp);
    const epoll = new Epoll(libc!, arch);
    const files = new NativeFiles(kernel, libc!, arch, epoll);
    const { pid } = process;
    const mm = new NativeMemory({ vm, kernel, pid, shmFiles: files.shmFiles });
    const calls = new NativeCalls(kernel, arch, files, vm, () => -1);
    const caller = new NativeProcess(
      pid,
      mm,
      files.table(pid, () => -1),
    );
    const thread = new NativeThread(kernel.sched, pid, caller);
    after(() => {
      mm.gone();
      files.close();
      closeSync(epoll.fd);
    });

    /** Whether the box serves a call of this process, asked by every call that takes a path. */
    function served(path: string, valid: () => boolean): ReadonlySet<boolean> {
      const bytes = Buffer.from(`${path}\0`);
      return new Set(
        [...arch.pathCalls].map(([nr, call]) => {
          const args = [0, 0, 0, 0, 0];
          if (call.dirfd >= 0) args[call.dirfd] = AT_FDCWD;
          args[call.path] = libc!.address(bytes);
          return calls.begin(thread, { nr, args, ints: args }, valid) !== undefined;
        }),
      );
    }

    it('are the box’s for its nodes, and the host’s for all else', () => {
      assert.deepEqual([...served('/dev/tee0', () => true)], [true]);
      assert.deepEqual([...served('/dev/null', () => true)], [false]);
    });

    it('are nobody’s when the caller was gone once the path had been read', () => {
      let asked = 0;
      const gone = (): boolean => {
        asked += 1;
        return false;
      };
      assert.deepEqual([...served('/dev/tee0', gone)], [false]);
      assert.equal(asked, arch.pathCalls.size);
    });
  },
);
