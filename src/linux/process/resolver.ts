/**
 * The C library's resolver in one step: what getaddrinfo() finds for a host, which is no system
 * call. Files and name servers are the outside's. Without a network numeric hosts are found still.
 */
import { numericAddress } from '../../host/net.ts';
import type { HostAddress } from '../../host/net.ts';
import type { Co } from '../../sched/task.ts';
import { WaitQueue } from '../../sched/wait.ts';
import type { Kernel } from './kernel.ts';

/** @param family 0 for either. @returns none when the name has no address. */
export function* resolveHost(
  kernel: Kernel,
  host: string,
  family: 0 | 4 | 6,
): Co<readonly HostAddress[]> {
  const { net } = kernel;
  if (net === undefined) return numeric(kernel, host, family);
  let found: readonly HostAddress[] | undefined;
  const queue = new WaitQueue(kernel.sched, 'getaddrinfo');
  net.resolve(host, family, (addresses) => {
    found = addresses;
    queue.wakeAll();
  });
  yield* queue.waitUntil(() => found !== undefined, 'interruptible');
  return found ?? [];
}

function numeric({ trace }: Kernel, host: string, family: 0 | 4 | 6): readonly HostAddress[] {
  const address = numericAddress(host);
  if (address === undefined) {
    trace.cause('client', {
      layer: 'getaddrinfo',
      code: 'EAI_NONAME',
      text: `no address of ${JSON.stringify(host)}: this box has no network, so no name server`,
      object: host,
      hint: 'use a numeric address, or boot the box with a network (`net`)',
    });
    return [];
  }
  return family === 0 || family === address.family ? [address] : [];
}
