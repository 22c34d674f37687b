/** The thread that starts programs, where it cannot. */
import assert from 'node:assert/strict';
import { closeSync, readSync } from 'node:fs';
import { it } from 'node:test';
import { O_CLOEXEC } from '../abi/fcntl.ts';
import { HOST_ARCHS } from './arch.ts';
import { loadLibc } from './libc.ts';
import { Spawner } from './spawner.ts';
import { unavailable } from './testing/supervise.ts';

const skip = (await unavailable()) ?? false;

it('tells that the thread that starts programs has failed', { skip }, async () => {
  const libc = loadLibc();
  const wakeFd = libc.syscall(HOST_ARCHS.get(process.arch)!.eventfd2, 0, O_CLOEXEC);
  const spawner = await Spawner.start(libc, wakeFd);
  // It has told that it is ready, and can wake nobody from now on.
  readSync(wakeFd, new Uint8Array(8));
  closeSync(wakeFd);
  const failure = new Promise<Error>((resolve) => spawner.onFailure(resolve));
  const request = { argv: [''], cwd: '/', env: {}, stdio: [0, 1, 2] } as const;
  const refused = assert.rejects(
    spawner.spawn(request, () => {}),
    /empty/,
  );
  // The worker alone keeps no process alive.
  const alive = setInterval(() => {}, 1000);
  assert.match((await failure).message, /EBADF/);
  clearInterval(alive);
  await spawner.close();
  await refused;
});
