/** For tests and benchmarks: a directory of many objects, made at once instead of one by one. */
import { TEE_SUCCESS, TEE_TYPE_DATA } from '../../../abi/gp.ts';
import { DirfileEntry, TeeSvcStorageHead } from '../../../abi/tee-fs.ts';
import { MemoryStore } from '../../../host/memory-store.ts';
import type { Co } from '../../../sched/task.ts';
import { Dirent, DirfileFileh } from '../fs-dirfile.ts';
import { ReeFile } from '../ree-fs-file.ts';
import type { ReeFsCore } from '../ree-fs-file.ts';
import { teeUuid } from '../tee-fs.ts';
import { StorageWorld, now } from './storage-world.ts';

/** The id of the n-th object. */
export const manyId = (n: number): Uint8Array => new TextEncoder().encode(`object ${n}`);

/** Objects of one TA without data, the n-th in the n-th entry. */
export function manyObjects(uuid: string, count: number): MemoryStore {
  const store = new MemoryStore();
  const world = new StorageWorld({ store, heapBytes: 1 << 20 });
  const { core } = world.fs;
  core.rpc.thread = world.thread;
  const ta = teeUuid(uuid);
  const entries = new Uint8Array(count * DirfileEntry.byteLength);
  const entry = new Dirent();
  for (let n = 0; n < count; n++) {
    entry.oid.fill(0);
    entry.set(ta, manyId(n), now(emptyObject(core, ta, n)));
    entries.set(entry.bytes, n * DirfileEntry.byteLength);
    world.rpc.ops.length = 0;
  }
  now(committed(ReeFile.create(core, undefined, undefined), entries));
  return store;
}

function* emptyObject(core: ReeFsCore, ta: Uint8Array, number: number): Co<DirfileFileh> {
  const dfh = new DirfileFileh(number);
  const head = new Uint8Array(TeeSvcStorageHead.byteLength);
  TeeSvcStorageHead.objectType.set(new DataView(head.buffer), 0, TEE_TYPE_DATA);
  yield* committed(ReeFile.create(core, ta, dfh), head);
  return dfh;
}

/** A new file with its contents. */
function* committed(creating: Co<ReeFile | number>, contents: Uint8Array): Co<void> {
  const file = yield* creating;
  if (typeof file === 'number') throw new Error(`no file: 0x${file.toString(16)}`);
  yield* file.write(0, contents);
  if ((yield* file.sync()) !== TEE_SUCCESS) throw new Error('the file cannot be committed');
  yield* file.close();
}
