/**
 * The TypeScript tee-supplicant as it is, in front of clients that are killed while it serves them.
 * One TA has a file that is none, so that memory is lent for it; another one has no file at all.
 */
import type { Host } from '../../host/host.ts';
import type { ByteStore } from '../../host/store.ts';
import type { Scenario } from '../scenario.ts';
import { startClient, startKernelClient } from './clients.ts';
import { COUNTER_TA, TA_IMAGES, UNKNOWN_TA } from './tas.ts';

const BROKEN_TA = '0badf11e-0000-4000-8000-000000000000';
/** Bytes: more than a page. */
const FILE_SIZE = 5000;
/** Nanoseconds that each request may take longer. */
const DELAYS: readonly number[] = [0, 1_000_000];

function storeWithBrokenTa(host: Host): ByteStore {
  const store = host.memoryStore();
  store.createFile(`${BROKEN_TA}.ta`);
  store.write(`${BROKEN_TA}.ta`, 0, new Uint8Array(FILE_SIZE).fill(0x5a));
  return store;
}

export const BUILTIN_SUPPLICANT: Scenario = {
  name: 'builtin-supplicant',
  summary: 'clients that are killed while the TypeScript tee-supplicant serves them',
  boot: (host) => ({
    tas: TA_IMAGES,
    taStore: storeWithBrokenTa(host),
    config: { CFG_TEE_CORE_LOG_LEVEL: 1 },
  }),
  start(run) {
    const slowNs = run.oneOf(DELAYS, 'delay of the supplicant');
    const supplicant = run.supplicant({ faults: { slowNs } });
    const clients = [
      startClient(run, 'client', run.oneOf([COUNTER_TA, BROKEN_TA], 'TA of the client')),
      startClient(run, 'stranger', run.oneOf([UNKNOWN_TA, BROKEN_TA], 'TA of the stranger')),
    ];
    startKernelClient(run, run.oneOf([COUNTER_TA, BROKEN_TA, UNKNOWN_TA], 'TA of the kernel'));
    run.killSomebody([...clients, supplicant]);
    run.killSomebody([...clients, supplicant]);
    run.fillPool();
  },
};
