/** PTAs that pass requests of TAs on to the supplicant: sockets, plugins. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  OPTEE_RPC_CMD_SOCKET,
  OPTEE_RPC_CMD_SUPP_PLUGIN,
  OPTEE_RPC_SOCKET_CLOSE_ALL,
  OPTEE_RPC_SOCKET_IOCTL,
  OPTEE_RPC_SOCKET_OPEN,
  OPTEE_RPC_SOCKET_RECV,
  OPTEE_RPC_SOCKET_SEND,
} from '../../abi/optee-rpc.ts';
import { OpteeMsgParamRmem } from '../../abi/optee-msg.ts';
import {
  PTA_SOCKET_CLOSE,
  PTA_SOCKET_IOCTL,
  PTA_SOCKET_OPEN,
  PTA_SOCKET_RECV,
  PTA_SOCKET_SEND,
  PTA_SOCKET_UUID,
  PTA_SYSTEM_SUPP_PLUGIN_INVOKE,
  PTA_SYSTEM_UUID,
} from '../../abi/pta.ts';
import {
  TEE_ERROR_ACCESS_DENIED,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_GENERIC,
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_ERROR_NOT_IMPLEMENTED,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import { setUuidStruct } from '../../abi/uuid.ts';
import { PAGE_SIZE, pa } from '../../machine/address.ts';
import type { Pa } from '../../machine/address.ts';
import type { Co } from '../../sched/task.ts';
import { TaParamSlot } from '../../ta/runtime.ts';
import { MMU_NUM_ASID_PAIRS } from '../mm/asid.ts';
import { NormalWorld } from '../testing/normal-world.ts';
import type { RpcMessage } from '../testing/rpc-message.ts';
import { testTa } from '../testing/test-ta.ts';

const VALUE = 1;
const VALUE_OUT = 2;
const MEMREF_IN = 5;
const MEMREF_OUT = 6;
const MEMREF_INOUT = 7;
const TA = '11111111-0000-0000-0000-000000000000';
const PLUGIN = '96bcf744-4f72-4866-bf1d-8634fd9c65e5';
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

/** One call of a PTA by a TA: types from the lowest nibble, slots and a page to fill. */
interface Call {
  readonly cmd: number;
  readonly types: readonly number[];
  readonly fill?: (slots: TaParamSlot[], page: Memory) => void;
}

/** The TA's page in secure RAM. */
class Memory {
  readonly pages: readonly Pa[];
  readonly bytes: Uint8Array;
  constructor(world: NormalWorld, pages: readonly Pa[]) {
    this.pages = pages;
    this.bytes = world.machine.secure.bytes(pages[0]!, PAGE_SIZE, 'write');
  }
  put(slot: TaParamSlot, content: string | Uint8Array, size = content.length, offset = 0): void {
    this.bytes.set(Buffer.from(content), offset);
    slot.memref = { pages: this.pages, offset, writable: true, nonSecure: false };
    slot.size = size;
  }
}

/** What a TA does with a PTA: opens it, makes the calls, closes it. */
function fromTa(pta: string, answer: (rpc: RpcMessage) => number, ...calls: readonly Call[]) {
  const results: { ret: number; slots: TaParamSlot[]; memory: Memory }[] = [];
  const seen: string[] = [];
  const world: NormalWorld = new NormalWorld({
    tas: [
      testTa({
        uuid: TA,
        commands: {
          *0({ tee }): Co<number> {
            const out = { session: 0, origin: 0 };
            const none = [0, 1, 2, 3].map(() => new TaParamSlot());
            const params = { types: 0, slots: none };
            assert.equal(yield* tee.openTaSession(pta, 0, params, out), TEE_SUCCESS);
            for (const { cmd, types, fill } of calls) {
              const slots = [0, 1, 2, 3].map(() => new TaParamSlot());
              const memory = new Memory(world, tee.allocatePages(1)!);
              fill?.(slots, memory);
              const packed = types.reduce((all, type, n) => all | (type << (4 * n)), 0);
              const given = { types: packed, slots };
              const ret = yield* tee.invokeTaCommand(out.session, 0, cmd, given, out);
              results.push({ ret, slots, memory });
            }
            return yield* tee.closeTaSession(out.session);
          },
        },
      }),
    ],
  });
  for (const cmd of [OPTEE_RPC_CMD_SOCKET, OPTEE_RPC_CMD_SUPP_PLUGIN]) {
    // eslint-disable-next-line require-yield -- other answers wait
    world.answers.set(cmd, function* (rpc) {
      const { a, b, c } = rpc.value(0);
      seen.push(`${a},${b},${c}`);
      return answer(rpc);
    });
  }
  const { session } = world.run(world.open(TA));
  assert.equal(world.run(world.invoke(session, 0)).ret, TEE_SUCCESS);
  return { results, seen };
}

/** The buffer of a message's memory parameter, and its size. */
function buffer(rpc: RpcMessage, n: number): Uint8Array {
  const at = rpc.param(n);
  const size = OpteeMsgParamRmem.size.num(rpc.view, at);
  const first = rpc.world.lent.get(OpteeMsgParamRmem.shmRef.num(rpc.view, at));
  assert.ok(first !== undefined, 'memory that the normal world has lent');
  const base = first + OpteeMsgParamRmem.offs.num(rpc.view, at);
  return rpc.world.machine.normal.bytes(pa(base), size, 'write');
}

describe('socket', () => {
  const address: Call['fill'] = (slots, memory) => {
    [slots[0]!.a, slots[0]!.b, slots[2]!.a] = [1, 8080, 0x65];
    memory.put(slots[1]!, 'localhost\0');
  };
  const open: Call = { cmd: PTA_SOCKET_OPEN, types: [VALUE, MEMREF_IN, VALUE, VALUE_OUT] };

  it('is for user TAs only', () => {
    const world = new NormalWorld();
    assert.equal(world.run(world.open(PTA_SOCKET_UUID)).ret, TEE_ERROR_ACCESS_DENIED);
  });

  it('names the instance, and closes all of its sockets with the session', () => {
    const { results, seen } = fromTa(
      PTA_SOCKET_UUID,
      (rpc) => {
        if (rpc.value(0).a !== OPTEE_RPC_SOCKET_OPEN) return TEE_SUCCESS;
        assert.deepEqual(rpc.value(1), { a: 8080, b: 0x65, c: 1 });
        rpc.setValue(3, 7);
        return TEE_SUCCESS;
      },
      { ...open, fill: address },
    );
    assert.deepEqual([results[0]!.ret, results[0]!.slots[3]!.a], [TEE_SUCCESS, 7]);
    const instance = 2;
    assert.deepEqual(seen, [
      `${OPTEE_RPC_SOCKET_OPEN},${instance},0`,
      `${OPTEE_RPC_SOCKET_CLOSE_ALL},${instance},0`,
    ]);
  });

  it('sends, receives in part, and asks', () => {
    const { results } = fromTa(
      PTA_SOCKET_UUID,
      (rpc) => {
        const command = rpc.value(0).a;
        if (command === OPTEE_RPC_SOCKET_SEND) rpc.setValue(2, 0, 3);
        if (command === OPTEE_RPC_SOCKET_RECV) {
          OpteeMsgParamRmem.size.setNum(rpc.view, rpc.param(1), 9);
        }
        if (command === OPTEE_RPC_SOCKET_IOCTL) buffer(rpc, 1).fill(0x61);
        return TEE_SUCCESS;
      },
      {
        cmd: PTA_SOCKET_SEND,
        types: [VALUE, MEMREF_IN, VALUE_OUT],
        fill: (slots, memory) => memory.put(slots[1]!, 'hello'),
      },
      {
        cmd: PTA_SOCKET_RECV,
        types: [VALUE, MEMREF_OUT],
        fill: (slots, memory) => memory.put(slots[1]!, 'xxxx'),
      },
      {
        cmd: PTA_SOCKET_IOCTL,
        types: [VALUE, MEMREF_INOUT],
        fill: (slots, memory) => memory.put(slots[1]!, 'yyyy'),
      },
    );
    assert.deepEqual(
      results.map(({ ret }) => ret),
      [TEE_SUCCESS, TEE_SUCCESS, TEE_SUCCESS],
    );
    assert.equal(results[0]!.slots[2]!.a, 3, 'bytes that were sent');
    assert.equal(results[1]!.slots[1]!.size, 9, 'what there was, not what fits');
    assert.equal(text(results[2]!.memory.bytes.subarray(0, 5)), 'aaaa\0');
  });

  const wrong: readonly (readonly [name: string, call: Call, expected: number])[] = [
    ['open', { cmd: PTA_SOCKET_OPEN, types: [VALUE] }, TEE_ERROR_BAD_PARAMETERS],
    ['close', { cmd: PTA_SOCKET_CLOSE, types: [VALUE_OUT] }, TEE_ERROR_BAD_PARAMETERS],
    ['send', { cmd: PTA_SOCKET_SEND, types: [VALUE, MEMREF_OUT] }, TEE_ERROR_BAD_PARAMETERS],
    ['recv', { cmd: PTA_SOCKET_RECV, types: [VALUE, MEMREF_IN] }, TEE_ERROR_BAD_PARAMETERS],
    ['ioctl', { cmd: PTA_SOCKET_IOCTL, types: [VALUE, MEMREF_IN] }, TEE_ERROR_BAD_PARAMETERS],
    ['no command', { cmd: 99, types: [] }, TEE_ERROR_NOT_IMPLEMENTED],
  ];
  for (const [name, call, expected] of wrong) {
    it(`refuses wrong parameters: ${name}`, () => {
      const { results, seen } = fromTa(PTA_SOCKET_UUID, () => TEE_ERROR_GENERIC, call);
      assert.equal(results[0]!.ret, expected);
      assert.equal(seen.length, 1, 'only the close of all');
    });
  }
});

describe('plugins', () => {
  const types = [MEMREF_IN, VALUE, MEMREF_INOUT, VALUE_OUT];
  const call = (data: string): Call => ({
    cmd: PTA_SYSTEM_SUPP_PLUGIN_INVOKE,
    types,
    fill(slots, memory) {
      const uuid = new Uint8Array(16);
      setUuidStruct(new DataView(uuid.buffer), 0, PLUGIN);
      memory.put(slots[0]!, uuid);
      [slots[1]!.a, slots[1]!.b] = [5, 6];
      if (data !== '') memory.put(slots[2]!, data, data.length, 64);
    },
  });

  it('get command, sub-command and data, and answer with data', () => {
    const { results, seen } = fromTa(
      PTA_SYSTEM_UUID,
      (rpc) => {
        assert.deepEqual([rpc.value(1).c, rpc.value(2).a], [5, 6]);
        const data = buffer(rpc, 3);
        assert.equal(text(data), 'question');
        data.set(Buffer.from('answ'));
        rpc.setValue(2, 0, 4);
        return TEE_SUCCESS;
      },
      call('question'),
    );
    const [{ ret, slots, memory } = assert.fail()] = results;
    assert.deepEqual([ret, slots[3]!.a], [TEE_SUCCESS, 4]);
    assert.equal(text(memory.bytes.subarray(64, 72)), 'answtion');
    // The octets of the UUID as little-endian words, behind the sub-command.
    assert.deepEqual(seen, [`0,${0x44f7bc96},${0x6648724f}`]);
  });

  it('without data have the last word', () => {
    const { results } = fromTa(PTA_SYSTEM_UUID, () => TEE_ERROR_ITEM_NOT_FOUND, call(''));
    assert.equal(results[0]!.ret, TEE_ERROR_ITEM_NOT_FOUND);
  });

  it('are named by a UUID', () => {
    const short: Call = {
      ...call(''),
      fill: (slots, memory) => memory.put(slots[0]!, 'short'),
    };
    const { results, seen } = fromTa(PTA_SYSTEM_UUID, () => TEE_SUCCESS, short);
    assert.deepEqual([results[0]!.ret, seen], [TEE_ERROR_BAD_PARAMETERS, []]);
  });
});

it('there are as many instances of TAs as address space ids', () => {
  const world = new NormalWorld({
    config: { CFG_CORE_HEAP_SIZE: 1 << 20 },
    tas: [testTa({ uuid: TA, stackSize: 1 })],
  });
  const opened = Array.from({ length: MMU_NUM_ASID_PAIRS }, () => world.run(world.open(TA)));
  assert.ok(opened.every(({ ret }) => ret === TEE_SUCCESS));
  assert.equal(world.run(world.open(TA)).ret, TEE_ERROR_GENERIC);
  assert.match(world.machine.sched.trace.lastCause?.limit ?? '', /MMU_NUM_ASID_PAIRS=64/);
  world.run(world.close(opened[5]!.session));
  assert.equal(world.run(world.open(TA)).ret, TEE_SUCCESS);
});
