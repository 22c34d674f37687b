import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  TEEC_ERROR_BAD_PARAMETERS,
  TEEC_ERROR_BUSY,
  TEEC_ERROR_GENERIC,
  TEEC_ERROR_ITEM_NOT_FOUND,
  TEEC_ERROR_NOT_SUPPORTED,
  TEEC_SUCCESS,
} from '../../abi/gp.ts';
import { OPTEE_RPC_CMD_SUPP_PLUGIN } from '../../abi/optee-rpc.ts';
import type { TeeParam } from '../../linux/tee/tee-drv.ts';
import {
  INOUT,
  INPUT,
  Supplicant,
  VALUE,
  VALUE_IN,
  param,
  uuidWords,
  value,
} from '../testing/supplicant.ts';
import { NOTHING_HELD } from '../testing/tee-box.ts';
import type { SupplicantPlugin } from './plugin.ts';

const UUID = '96bcf744-4f72-4866-bf1d-8634fd9c65e5';

/** Turns letters into capitals, and says what it was called with. */
function capitals(calls: number[][] = []): SupplicantPlugin {
  return {
    name: 'capitals',
    uuid: UUID,
    invoke(cmd, subCmd, data, inLength) {
      calls.push([cmd, subCmd, inLength]);
      data.forEach((byte, n) => (data[n] = byte & ~0x20));
      return { result: TEEC_SUCCESS, outLength: data.length };
    },
  };
}

const plugin = (invoke: SupplicantPlugin['invoke'], rest: Partial<SupplicantPlugin> = {}) => ({
  name: 'test',
  uuid: UUID,
  invoke,
  ...rest,
});

/** The parameters of an invocation: command 5, sub-command 6. */
function params(data: TeeParam, uuid = UUID, command = 0): TeeParam[] {
  const [one, two, three, four] = uuidWords(uuid);
  return [
    value(VALUE_IN, command, one, two),
    value(VALUE_IN, three, four, 5),
    value(VALUE, 6),
    data,
  ];
}

const ask = (started: Supplicant, ...given: TeeParam[]) =>
  started.ask(OPTEE_RPC_CMD_SUPP_PLUGIN, ...given);

describe('plugins', () => {
  it('get their command and data, and return data', async () => {
    const calls: number[][] = [];
    const started = new Supplicant({ plugins: [capitals(calls)] }).start();
    const answer = ask(started, ...params(started.memref(INOUT, 'text')));
    assert.equal(answer?.ret, TEEC_SUCCESS);
    assert.equal(answer.params[2]?.b, 4);
    assert.equal(started.text(4), 'TEXT');
    assert.deepEqual(calls, [[5, 6, 4]]);
    assert.deepEqual(await started.held(), NOTHING_HELD);
  });

  it('get data that lies in several pages', () => {
    const started = new Supplicant({ plugins: [capitals()] }).start();
    ask(started, ...params(started.memref(INOUT, 'a'.repeat(6000))));
    assert.equal(started.text(6000), 'A'.repeat(6000));
  });

  it('may be called without data', () => {
    const calls: number[][] = [];
    const started = new Supplicant({ plugins: [capitals(calls)] }).start();
    assert.equal(ask(started, ...params(param(INOUT)))?.ret, TEEC_SUCCESS);
    assert.deepEqual(calls, [[5, 6, 0]]);
    assert.equal(
      ask(started, ...params(param(INOUT, { size: 1 })))?.ret,
      TEEC_ERROR_BAD_PARAMETERS,
    );
  });

  it('answer what they like', () => {
    const started = new Supplicant({
      plugins: [plugin(() => ({ result: TEEC_ERROR_BUSY, outLength: 1 << 20 }))],
    }).start();
    const answer = ask(started, ...params(started.memref(INOUT, 'x')));
    assert.equal(answer?.ret, TEEC_ERROR_BUSY);
    assert.equal(answer.params[2]?.b, 1 << 20);
  });

  it('are found by their UUID, the last of two', () => {
    const answers = (result: number) => plugin(() => ({ result }));
    const started = new Supplicant({ plugins: [answers(1), answers(2)] }).start();
    assert.equal(ask(started, ...params(param(INOUT)))?.ret, 2);
    const other = '00000000-0000-0000-0000-000000000001';
    const answer = ask(started, ...params(param(INOUT), other));
    assert.equal(answer?.ret, TEEC_ERROR_ITEM_NOT_FOUND);
    assert.equal(answer.params[2]?.b, 0);
  });

  it('have another command only', () => {
    const started = new Supplicant({ plugins: [capitals()] }).start();
    assert.equal(ask(started, ...params(param(INOUT), UUID, 1))?.ret, TEEC_ERROR_NOT_SUPPORTED);
  });

  it('are initialized before there is a device, and stay out when that fails', () => {
    const order: string[] = [];
    const init = (result: number) => () => {
      order.push(`init ${result}`);
      return result;
    };
    const invoke = () => ({ result: TEEC_SUCCESS });
    const started = new Supplicant({
      plugins: [
        plugin(invoke, { init: init(0) }),
        plugin(invoke, { init: init(7), uuid: '00000000-0000-0000-0000-000000000001' }),
      ],
      onReady: () => order.push('ready'),
    }).start();
    assert.deepEqual(order, ['init 0', 'init 7', 'ready']);
    assert.equal(ask(started, ...params(param(INOUT)))?.ret, TEEC_SUCCESS);
    const refused = ask(started, ...params(param(INOUT), '00000000-0000-0000-0000-000000000001'));
    assert.equal(refused?.ret, TEEC_ERROR_ITEM_NOT_FOUND);
    const [line] = [...started.box.kernel.trace.events()].filter(({ name }) => name === 'log');
    assert.match(JSON.stringify(line?.args), /init the <test> plugin failed with 0x0*7/);
  });

  it('that throw fail alone, and their data stays', () => {
    const started = new Supplicant({
      plugins: [
        plugin((_cmd, _sub, data) => {
          data.fill(0);
          throw new Error('no syslog');
        }),
      ],
    }).start();
    const answer = ask(started, ...params(started.memref(INOUT, 'text')));
    assert.equal(answer?.ret, TEEC_ERROR_GENERIC);
    assert.equal(started.text(4), 'text');
    assert.match(
      started.box.kernel.trace.lastCause?.text ?? '',
      /plugin test has thrown: no syslog/,
    );
    assert.equal(started.code, undefined);
  });

  it('take four parameters', () => {
    const started = new Supplicant({ plugins: [capitals()] }).start();
    const right = params(param(INOUT));
    for (const wrong of [
      right.slice(0, 3),
      [...right.slice(0, 3), param(INPUT)],
      [param(VALUE), ...right.slice(1)],
      [right[0]!, param(VALUE), ...right.slice(2)],
      [...right.slice(0, 2), param(VALUE_IN), right[3]!],
    ]) {
      assert.equal(ask(started, ...wrong)?.ret, TEEC_ERROR_BAD_PARAMETERS);
    }
  });
});
