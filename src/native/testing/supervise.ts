/** Supervisors of boxes for tests. */
import { readdirSync } from 'node:fs';
import { Box } from '../../box/box.ts';
import { nodeHost } from '../../host/node/host.ts';
import { NativeUnavailable } from '../libc.ts';
import type { ShmMode } from '../shm-mode.ts';
import { Supervisor } from '../supervisor.ts';

export async function supervise(shm?: ShmMode): Promise<Supervisor> {
  const host = nodeHost();
  const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0, mode: 0o660 };
  const box = new Box(host, { live: true, supplicant: 'none', nodeAccess: () => owner });
  return Supervisor.start(box.kernel, host, shm);
}

/** Why nothing can be supervised here; undefined when it can. */
export async function unavailable(): Promise<string | undefined> {
  try {
    await (await supervise()).close();
    return undefined;
  } catch (error) {
    if (error instanceof NativeUnavailable) return error.message;
    throw error;
  }
}

/** How many fds this process has. */
export const openFds = (): number => readdirSync('/proc/self/fd').length;
