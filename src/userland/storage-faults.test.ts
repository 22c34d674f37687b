/** What a TA sees of a disk that is full, read-only or broken, below secure storage. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  TEE_DATA_FLAG_ACCESS_READ,
  TEE_DATA_FLAG_ACCESS_WRITE,
  TEE_ERROR_STORAGE_NO_SPACE,
  TEE_STORAGE_PRIVATE,
  TEE_SUCCESS,
} from '../abi/gp.ts';
import { OPTEE_RPC_CMD_FS } from '../abi/optee-rpc.ts';
import type { BoxOptions } from '../box/box.ts';
import { FaultyStore } from '../host/faulty-store.ts';
import { MemoryStore } from '../host/memory-store.ts';
import { ref } from '../ta/gp/types.ts';
import type { TEE_ObjectHandle } from '../ta/gp/types.ts';
import type { Tee } from '../ta/gp/tee.ts';
import { runInTa } from './testing/script-ta.ts';
import type { Script } from './testing/script-ta.ts';

const ID = new TextEncoder().encode('object');
const WRITE = TEE_DATA_FLAG_ACCESS_WRITE;
const READ = TEE_DATA_FLAG_ACCESS_READ;
const none = (): { value: TEE_ObjectHandle } => ref(0 as TEE_ObjectHandle);

async function create(tee: Tee, length: number): Promise<number> {
  const handle = none();
  const data = new Uint8Array(length);
  const result = await tee.TEE_CreatePersistentObject(
    TEE_STORAGE_PRIVATE,
    ID,
    WRITE,
    0 as TEE_ObjectHandle,
    data,
    handle,
  );
  if (result === TEE_SUCCESS) await tee.TEE_CloseObject(handle.value);
  return result;
}

async function open(tee: Tee, flags: number): Promise<readonly [number, TEE_ObjectHandle]> {
  const handle = none();
  const result = await tee.TEE_OpenPersistentObject(TEE_STORAGE_PRIVATE, ID, flags, handle);
  return [result, handle.value];
}

const inTa = (disk: FaultyStore, script: Script, options: BoxOptions = {}): Promise<void> =>
  runInTa(script, { options: { stateStore: disk, ...options } });

/** As libutee has it: a result that the specification does not allow is a panic. */
const panics = (disk: FaultyStore, script: Script): Promise<void> =>
  assert.rejects(inTa(disk, script), /0xffff3024 origin 3/);

const newDisk = (): FaultyStore => new FaultyStore(new MemoryStore());

describe('secure storage', () => {
  it('says that the disk is full, and goes on when there is room again', async () => {
    const disk = newDisk();
    await inTa(disk, async (tee) => {
      disk.capacityBytes = 8192;
      assert.equal(await create(tee, 40_000), TEE_ERROR_STORAGE_NO_SPACE);
      disk.capacityBytes = Infinity;
      assert.equal(await create(tee, 40_000), TEE_SUCCESS);
      const [result, handle] = await open(tee, WRITE);
      assert.equal(result, TEE_SUCCESS);
      disk.capacityBytes = disk.usedBytes;
      tee.TEE_SeekObjectData(handle, 39_000, 0);
      const more = await tee.TEE_WriteObjectData(handle, new Uint8Array(60_000));
      assert.equal(more, TEE_ERROR_STORAGE_NO_SPACE);
    });
  });

  it('can be read and not written in a read-only directory', async () => {
    const disk = newDisk();
    await inTa(disk, async (tee) => {
      assert.equal(await create(tee, 10), TEE_SUCCESS);
    });
    disk.readOnly = true;
    await inTa(disk, async (tee) => {
      const [result, handle] = await open(tee, READ);
      assert.equal(result, TEE_SUCCESS);
      const bytes = new Uint8Array(10);
      const count = ref(0);
      assert.equal(await tee.TEE_ReadObjectData(handle, bytes, count), TEE_SUCCESS);
      assert.equal(count.value, 10);
    });
    await panics(disk, async (tee) => {
      await create(tee, 10);
    });
  });

  it('fails when the disk does', async () => {
    const disk = newDisk();
    disk.refuses = (operation) => (operation === 'createFile' ? 'EIO' : undefined);
    await panics(disk, async (tee) => {
      await create(tee, 10);
    });
    disk.refuses = () => undefined;
    await inTa(disk, async (tee) => {
      assert.equal(await create(tee, 10), TEE_SUCCESS);
    });
  });

  it('fails when the supplicant answers so', async () => {
    const faults = { only: [OPTEE_RPC_CMD_FS], answersWith: TEE_ERROR_STORAGE_NO_SPACE };
    const script = async (tee: Tee): Promise<void> => {
      assert.equal(await create(tee, 10), TEE_ERROR_STORAGE_NO_SPACE);
    };
    await inTa(newDisk(), script, { supplicant: { faults } });
  });
});
