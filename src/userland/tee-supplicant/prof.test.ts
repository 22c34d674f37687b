import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TEEC_ERROR_BAD_PARAMETERS, TEEC_ERROR_GENERIC, TEEC_SUCCESS } from '../../abi/gp.ts';
import { OPTEE_RPC_CMD_FTRACE, OPTEE_RPC_CMD_GPROF } from '../../abi/optee-rpc.ts';
import { parseUuid, swapUuid } from '../../abi/uuid.ts';
import { MemoryStore } from '../../host/memory-store.ts';
import { StoreError } from '../../host/store.ts';
import { INPUT, Supplicant, VALUE, VALUE_IN, param, value } from '../testing/supplicant.ts';
import type { Answer } from '../testing/supplicant.ts';
import { NOTHING_HELD } from '../testing/tee-box.ts';

const UUID = '8aaaf200-2450-11e4-abe2-0002a5d5c51b';
/** As a TEEC_UUID lies in memory. */
const STRUCT = swapUuid(parseUuid(UUID));

class Prof extends Supplicant {
  readonly store: MemoryStore;

  constructor(store = new MemoryStore()) {
    super();
    this.store = store;
    this.box.kernel.vfs.umount('/tmp');
    this.box.kernel.mount('/tmp', store);
    this.start();
  }

  dump(id: number, text: string, func: number = OPTEE_RPC_CMD_GPROF): Answer {
    const answer = this.ask(
      func,
      value(VALUE, id),
      this.memref(INPUT, STRUCT, 'uuid'),
      this.memref(INPUT, text),
    );
    assert.ok(answer);
    return answer;
  }

  file(name: string): string | undefined {
    const bytes = this.store.read(name, 0, 100);
    return bytes === undefined ? undefined : new TextDecoder().decode(bytes);
  }
}

describe('profiles', () => {
  it('are written in pieces to a file that no one else has', async () => {
    const prof = new Prof();
    const first = prof.dump(0, 'one');
    assert.deepEqual([first.ret, first.params[0]!.a], [TEEC_SUCCESS, 1]);
    const second = prof.dump(1, ' two');
    assert.deepEqual([second.ret, second.params[0]!.a], [TEEC_SUCCESS, 1]);
    assert.equal(prof.file(`gmon-${UUID}.out`), 'one two');
    assert.equal(prof.dump(0, 'again').params[0]!.a, 2);
    assert.equal(prof.dump(2, '!').params[0]!.a, 2);
    assert.equal(prof.file(`gmon-${UUID}.1.out`), 'again!');
    assert.equal(prof.program.process.files.size, 3, 'the device and two buffers');
    assert.deepEqual(await prof.held(), NOTHING_HELD);
  });

  it('of function calls have a file of their own', () => {
    const prof = new Prof();
    assert.equal(prof.dump(0, 'calls', OPTEE_RPC_CMD_FTRACE).ret, TEEC_SUCCESS);
    assert.deepEqual(prof.store.list(''), [`ftrace-${UUID}.out`]);
  });

  it('go nowhere when there are a hundred, or the file is not there', () => {
    const prof = new Prof();
    for (let id = 1; id <= 100; id++) assert.equal(prof.dump(0, 'x').params[0]!.a, id);
    assert.equal(prof.dump(0, 'x').ret, TEEC_ERROR_GENERIC);
    assert.equal(prof.dump(100, 'y').ret, TEEC_SUCCESS);
    assert.equal(prof.file(`gmon-${UUID}.99.out`), 'xy');
    const empty = new Prof();
    assert.equal(empty.dump(1, 'x').ret, TEEC_ERROR_GENERIC);
  });

  it('that cannot be written are an error', () => {
    const prof = new Prof(
      new (class extends MemoryStore {
        override write(path: string): boolean {
          throw new StoreError('ENOSPC', path);
        }
      })(),
    );
    assert.equal(prof.dump(0, 'x').ret, TEEC_ERROR_GENERIC);
    assert.equal(prof.program.process.files.size, 3);
  });

  it('have ids from 0 to 100', () => {
    const prof = new Prof();
    for (const id of [-1, 101]) assert.equal(prof.dump(id, 'x').ret, TEEC_ERROR_BAD_PARAMETERS);
  });

  it('take three parameters', () => {
    const prof = new Prof();
    const uuid = () => prof.memref(INPUT, STRUCT, 'uuid');
    const data = () => prof.memref(INPUT, 'x');
    for (const params of [
      [value(VALUE, 0), uuid()],
      [value(VALUE_IN, 0), uuid(), data()],
      [value(VALUE, 0), param(INPUT), data()],
      [value(VALUE, 0), uuid(), param(INPUT)],
      [value(VALUE, 0), prof.memref(INPUT, STRUCT.subarray(1), 'uuid'), data()],
      [value(VALUE, 0), uuid(), data(), param(0)],
    ]) {
      assert.equal(prof.result(OPTEE_RPC_CMD_GPROF, ...params), TEEC_ERROR_BAD_PARAMETERS);
    }
  });
});
