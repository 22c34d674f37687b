import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TEEC_ERROR_GENERIC, TEEC_ERROR_NOT_SUPPORTED, TEEC_SUCCESS } from '../../abi/gp.ts';
import { OPTEE_RPC_CMD_FS, OPTEE_RPC_CMD_LOAD_TA } from '../../abi/optee-rpc.ts';
import { OUTPUT, Supplicant, directory, param, uuidParam } from '../testing/supplicant.ts';
import { NOTHING_HELD } from '../testing/tee-box.ts';

const UUID = '8aaaf200-2450-11e4-abe2-0002a5d5c51b';
const FILE = Uint8Array.from({ length: 100 }, (_, n) => n);

/** A supplicant that has one TA. */
function withTa(options: ConstructorParameters<typeof Supplicant>[0]): Supplicant {
  const started = new Supplicant(options);
  started.box.kernel.mount('/lib/optee_armtz', directory({ [`${UUID}.ta`]: FILE }));
  return started.start();
}

const load = (started: Supplicant) =>
  started.ask(OPTEE_RPC_CMD_LOAD_TA, uuidParam(UUID), started.room(OUTPUT, 200));

describe('faults', () => {
  it('is slow', () => {
    const started = new Supplicant({ faults: { slowNs: 5e6 } }).start();
    const before = started.box.kernel.sched.nowNs();
    started.ask(99);
    assert.ok(started.box.kernel.sched.nowNs() - before >= 5e6);
  });

  it('dies at a request', async () => {
    const started = new Supplicant({ faults: { diesAtRequest: 2 } }).start();
    assert.equal(started.ask(99)?.ret, TEEC_ERROR_NOT_SUPPORTED);
    assert.equal(started.ask(99), undefined);
    assert.deepEqual(await started.program.exited(), { kind: 'killed', signal: 9 });
    assert.deepEqual(started.box.held(), NOTHING_HELD);
  });

  it('answers twice', () => {
    const started = new Supplicant({ faults: { answersTwice: true } }).start();
    started.ask(99);
    assert.equal(started.box.fake.answers.length, 2);
    started.ask(99);
    assert.equal(started.box.fake.answers.length, 4);
  });

  it('never answers, and goes on receiving', () => {
    const started = new Supplicant({ faults: { neverAnswers: true } }).start();
    assert.equal(started.ask(99), undefined);
    assert.equal(started.ask(99), undefined);
    assert.equal(started.box.fake.requests.length, 0);
  });

  it('lends less than was asked for', () => {
    const started = new Supplicant({ faults: { liesAboutSizeBytes: -4096 } }).start();
    assert.equal(started.alloc(8192).size, 4096);
  });

  it('lies about the size of a file', () => {
    const started = withTa({ faults: { liesAboutSizeBytes: 1 } });
    const answer = started.ask(OPTEE_RPC_CMD_LOAD_TA, uuidParam(UUID), param(OUTPUT));
    assert.equal(answer?.params[1]?.size, 101);
  });

  it('is for the commands that it is for', () => {
    const faults = { only: [OPTEE_RPC_CMD_FS], neverAnswers: true };
    const started = new Supplicant({ faults }).start();
    assert.equal(started.ask(OPTEE_RPC_CMD_FS), undefined);
    assert.equal(started.ask(99)?.ret, TEEC_ERROR_NOT_SUPPORTED);
  });

  it('drops one answer', () => {
    const started = new Supplicant({ faults: { dropsAnswer: 2 } }).start();
    assert.equal(started.result(99), TEEC_ERROR_NOT_SUPPORTED);
    assert.equal(started.result(99), undefined);
    assert.equal(started.result(99), TEEC_ERROR_NOT_SUPPORTED);
  });

  it('answers with another result', () => {
    const faults = { only: [OPTEE_RPC_CMD_LOAD_TA], answersWith: TEEC_ERROR_GENERIC };
    const started = withTa({ faults });
    assert.equal(load(started)?.ret, TEEC_ERROR_GENERIC);
    assert.deepEqual(started.bytes(100), FILE);
  });

  it('corrupts what it returns', () => {
    const faults = { only: [OPTEE_RPC_CMD_LOAD_TA], corruptsByte: 3 };
    const started = withTa({ faults });
    assert.equal(load(started)?.ret, TEEC_SUCCESS);
    assert.deepEqual([...started.bytes(5)], [0, 1, 2, 0xfc, 4]);
    const beyond = withTa({ faults: { ...faults, corruptsByte: 100 } });
    load(beyond);
    assert.deepEqual(beyond.bytes(100), FILE);
  });

  it('lies about a size, and never below 0', () => {
    for (const [liesAboutSizeBytes, size] of [
      [-1, 99],
      [-1000, 0],
    ] as const) {
      const started = withTa({ faults: { only: [OPTEE_RPC_CMD_LOAD_TA], liesAboutSizeBytes } });
      assert.equal(load(started)?.params[1]?.size, size);
    }
  });
});
