/** What goes on when somebody is killed: together the scenarios reach every wait site of the TEE. */
import {
  TEEC_ERROR_COMMUNICATION,
  TEEC_ERROR_ITEM_NOT_FOUND,
  TEEC_ERROR_OUT_OF_MEMORY,
  TEEC_ERROR_SECURITY,
} from '../../src/abi/gp.ts';
import { MemoryStore } from '../../src/host/memory-store.ts';
import type { Ending } from './after.ts';
import { client, holding, increment, refused, sharing, threads, waiting } from './clients.ts';
import type { Stage } from './stage.ts';
import { MANY_UUID, MISSING_UUID, ONE_UUID } from './tas.ts';

export interface Scenario extends Ending {
  readonly name: string;
  start(stage: Stage): void;
}

const MS = 1_000_000;
const NAMES = ['one', 'two', 'three'] as const;
/** What a client is told whose TA cannot be had, also when its supplicant dies. */
const NOT_LOADED = [
  TEEC_ERROR_ITEM_NOT_FOUND,
  TEEC_ERROR_COMMUNICATION,
  TEEC_ERROR_OUT_OF_MEMORY,
  TEEC_ERROR_SECURITY,
];
/** Slots for messages in a page: one caller more needs another page. */
const MESSAGES_PER_PAGE = 10;

/** A directory with a file that is no TA. */
export function brokenTa(): MemoryStore {
  const store = new MemoryStore();
  store.createFile(`${MISSING_UUID}.ta`);
  store.write(`${MISSING_UUID}.ta`, 0, new Uint8Array(5000).fill(0x5a));
  return store;
}

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'more calls than secure threads, and than messages in a page',
    options: () => ({ config: { CFG_NUM_THREADS: 1 } }),
    start(stage) {
      for (let n = 0; n <= MESSAGES_PER_PAGE + 1; n++) {
        stage.client(`client ${n}`, client(MANY_UUID, waiting(1)));
      }
    },
  },
  {
    name: 'one instance for all, and more threads than CPUs',
    options: () => ({ config: { CFG_NUM_THREADS: 4 } }),
    start(stage) {
      for (const name of NAMES) stage.client(name, client(ONE_UUID, waiting(2), increment));
    },
  },
  {
    name: 'a TA that nobody has, and a supplicant that comes late',
    start(stage) {
      for (const name of NAMES) stage.client(name, refused(MISSING_UUID, NOT_LOADED));
      stage.later('init', function* () {
        stage.supplicant();
      });
    },
  },
  {
    name: 'a TA whose file is none',
    options: () => ({ taStore: brokenTa() }),
    start(stage) {
      stage.supplicant();
      for (const name of NAMES) stage.client(name, refused(MISSING_UUID, NOT_LOADED));
    },
  },
  {
    name: 'memory comes and goes, in one context and in others',
    start(stage) {
      stage.client('threads', threads(2, MANY_UUID, sharing(5000), increment));
      stage.client('other', client(MANY_UUID, sharing(1), sharing(9000)));
    },
  },
  {
    name: 'the driver goes while programs hold its devices',
    removes: true,
    start(stage) {
      for (const name of NAMES) stage.client(name, holding(3 * MS));
      stage.later('modprobe -r optee', () => stage.box.optee.remove());
    },
  },
];
