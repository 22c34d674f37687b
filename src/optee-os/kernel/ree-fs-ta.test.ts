import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  OPTEE_RPC_CMD_LOAD_TA,
  OPTEE_RPC_CMD_SHM_ALLOC,
  OPTEE_RPC_CMD_SHM_FREE,
} from '../../abi/optee-rpc.ts';
import { OpteeMsgParamRmem, OpteeMsgParamTmem } from '../../abi/optee-msg.ts';
import {
  SHDR_BOOTSTRAP_TA,
  SHDR_ENCRYPTED_TA,
  SHDR_MAGIC,
  SHDR_SUBKEY,
  SHDR_TA,
  Shdr,
  ShdrBootstrapTa,
  ShdrEncryptedTa,
  ShdrSubkey,
} from '../../abi/shdr.ts';
import {
  TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA256,
  TEE_ERROR_COMMUNICATION,
  TEE_ERROR_GENERIC,
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_ERROR_NOT_SUPPORTED,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_ERROR_SECURITY,
  TEE_ERROR_SHORT_BUFFER,
  TEE_ORIGIN_TEE,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import { getUuidOctets, parseUuid } from '../../abi/uuid.ts';
import type { Co } from '../../sched/task.ts';
import { NormalWorld } from '../testing/normal-world.ts';
import type { RpcMessage } from '../testing/rpc-message.ts';
import { checkSignedHeader } from './signed-hdr.ts';

const UUID = '8aaaf200-2450-11e4-abe2-0002a5d5c51b';
const OTHER = '8aaaf200-2450-11e4-abe2-0002a5d5c51c';
const RMEM_OUT = 6;
const TMEM_OUT = 10;

/** A header with a hash of 32 and a signature of `sig` bytes. */
function shdr(type: number, imageSize: number, sig = 64): Uint8Array {
  const out = new Uint8Array(Shdr.byteLength + 32 + sig);
  const view = new DataView(out.buffer);
  Shdr.magic.set(view, 0, SHDR_MAGIC);
  Shdr.imgType.set(view, 0, type);
  Shdr.imgSize.set(view, 0, imageSize);
  Shdr.algo.set(view, 0, TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA256);
  Shdr.hashSize.set(view, 0, 32);
  Shdr.sigSize.set(view, 0, sig);
  return out;
}

function bootstrap(uuid = UUID): Uint8Array {
  const out = new Uint8Array(ShdrBootstrapTa.byteLength);
  out.set(parseUuid(uuid));
  return out;
}

function subkey(depth: number, attrs = 0): Uint8Array {
  const out = new Uint8Array(ShdrSubkey.byteLength);
  const view = new DataView(out.buffer);
  ShdrSubkey.nameSize.set(view, 0, 8);
  ShdrSubkey.maxDepth.set(view, 0, depth);
  ShdrSubkey.attrCount.set(view, 0, attrs);
  return out;
}

function encryption(iv: number, tag: number): Uint8Array {
  const out = new Uint8Array(ShdrEncryptedTa.byteLength + iv + tag);
  const view = new DataView(out.buffer);
  ShdrEncryptedTa.ivSize.set(view, 0, iv);
  ShdrEncryptedTa.tagSize.set(view, 0, tag);
  return out;
}

const concat = (...parts: readonly Uint8Array[]): Uint8Array => {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
};

const image = new Uint8Array(100).fill(0x7f);
const good = concat(shdr(SHDR_BOOTSTRAP_TA, image.length), bootstrap(), image);

/** A supplicant that has one file; `claims` is what it says of its size. */
function supplicant(world: NormalWorld, file: Uint8Array, claims = file.length): void {
  world.answers.set(OPTEE_RPC_CMD_LOAD_TA, function* (rpc: RpcMessage): Co<number> {
    assert.equal(getUuidOctets(rpc.view, rpc.param(0) + 8), UUID);
    const at = rpc.param(1);
    const attr = OpteeMsgParamTmem.attr.num(rpc.view, at);
    if (attr === TMEM_OUT) {
      assert.equal(OpteeMsgParamTmem.bufPtr.num(rpc.view, at), 0);
      assert.equal(OpteeMsgParamTmem.size.num(rpc.view, at), 0);
      OpteeMsgParamTmem.size.setNum(rpc.view, at, claims);
      return TEE_SUCCESS;
    }
    assert.equal(attr, RMEM_OUT);
    assert.equal(OpteeMsgParamRmem.size.num(rpc.view, at), claims);
    const shm = world.os.guest.shm.find(OpteeMsgParamRmem.shmRef.lo(rpc.view, at), 0)!;
    const mapping = world.machine.normal.mapContiguous(shm.pages, 0, file.length, 'write');
    mapping.bytes.set(file);
    mapping.writeBack();
    // What it says now is not believed.
    OpteeMsgParamRmem.size.setNum(rpc.view, at, 0xffff_ffff);
    return TEE_SUCCESS;
  });
}

function openWith(file: Uint8Array, claims?: number): { world: NormalWorld; ret: number } {
  const world = new NormalWorld();
  supplicant(world, file, claims);
  const { ret, origin } = world.run(world.open(UUID));
  assert.equal(origin, TEE_ORIGIN_TEE);
  assert.equal(world.lent.size, 0);
  assert.equal(world.os.usage().registeredShm, 0);
  assert.equal(world.os.usage().heapBytes, 0);
  return { world, ret };
}

describe('TAs of the normal world', () => {
  it('are asked for twice: without memory for the size, with it for the file', () => {
    const { world, ret } = openWith(good);
    assert.equal(ret, TEE_ERROR_NOT_SUPPORTED);
    assert.deepEqual(world.rpcs, [
      OPTEE_RPC_CMD_LOAD_TA,
      OPTEE_RPC_CMD_SHM_ALLOC,
      OPTEE_RPC_CMD_LOAD_TA,
      OPTEE_RPC_CMD_SHM_FREE,
    ]);
    assert.match(world.lastCause!.text, /\.ta files cannot be run/);
    assert.equal(world.os.usage().contexts, 0);
  });

  it('that the supplicant does not have are not found', () => {
    const world = new NormalWorld();
    const result = world.run(world.open(UUID));
    assert.equal(result.ret, TEE_ERROR_ITEM_NOT_FOUND);
    assert.match(
      world.lastCause!.text,
      /the 0 TAs given to the box, tee-supplicant's TA dir.*8aaaf/,
    );
    assert.deepEqual(world.rpcs, [OPTEE_RPC_CMD_LOAD_TA]);
  });

  it('fail as the supplicant fails', () => {
    for (const code of [TEE_ERROR_COMMUNICATION, TEE_ERROR_GENERIC]) {
      const world = new NormalWorld();
      world.answers.set(OPTEE_RPC_CMD_LOAD_TA, function* () {
        return code;
      });
      assert.equal(world.run(world.open(UUID)).ret, code);
      assert.equal(world.os.usage().contexts, 0);
    }
  });

  it('make those wait who want the same TA meanwhile', () => {
    const world = new NormalWorld();
    let inside = 0;
    let most = 0;
    world.answers.set(OPTEE_RPC_CMD_LOAD_TA, function* () {
      inside += 1;
      most = Math.max(most, inside);
      yield* world.sched.sleep(1e6, 'uninterruptible');
      inside -= 1;
      return TEE_ERROR_ITEM_NOT_FOUND;
    });
    const opens = [1, 2].map((n) => world.spawn(`${n}`, world.open(UUID)));
    world.settle();
    for (const { result } of opens) assert.equal(result?.value.ret, TEE_ERROR_ITEM_NOT_FOUND);
    assert.equal(most, 1);
  });
});

describe('a supplicant that lies', () => {
  it('about the size of the file gets TEE_ERROR_SECURITY', () => {
    for (const claims of [good.length - 1, good.length + 1, 10]) {
      const { ret } = openWith(good, claims);
      assert.equal(ret, TEE_ERROR_SECURITY, `${claims}`);
    }
  });

  it('with no bytes at all gets TEE_ERROR_SHORT_BUFFER', () => {
    assert.equal(openWith(new Uint8Array(0)).ret, TEE_ERROR_SHORT_BUFFER);
  });

  it('with a size that no memory has gets TEE_ERROR_OUT_OF_MEMORY', () => {
    for (const size of [1 << 21, Number.MAX_SAFE_INTEGER]) {
      assert.equal(openWith(good, size).ret, TEE_ERROR_OUT_OF_MEMORY);
    }
    const world = new NormalWorld();
    world.answers.set(OPTEE_RPC_CMD_LOAD_TA, function* (rpc) {
      OpteeMsgParamTmem.size.setPair(rpc.view, rpc.param(1), 0xffffffff, 0xffffffff);
      return TEE_SUCCESS;
    });
    assert.equal(world.run(world.open(UUID)).ret, TEE_ERROR_OUT_OF_MEMORY);
  });
});

describe('signed headers', () => {
  const octets = parseUuid(UUID);
  const check = (...parts: readonly Uint8Array[]): string | undefined =>
    checkSignedHeader(concat(...parts), octets);
  const edit = (edits: (view: DataView) => void): Uint8Array => {
    const file = good.slice();
    edits(new DataView(file.buffer));
    return file;
  };

  it('of every kind are taken when their sizes add up', () => {
    assert.equal(check(good), undefined);
    assert.equal(check(shdr(SHDR_TA, image.length), image), undefined);
    const encrypted = shdr(SHDR_ENCRYPTED_TA, image.length);
    assert.equal(check(encrypted, bootstrap(), encryption(12, 16), image), undefined);
    const name = new Uint8Array(8);
    const outer = [shdr(SHDR_SUBKEY, 36), subkey(1), name];
    const inner = [shdr(SHDR_SUBKEY, 36), subkey(0), name];
    assert.equal(check(...outer, ...inner, good), undefined);
    assert.match(check(...inner, ...outer, good)!, /subkey depth 1 under one of 0/);
  });

  it('are refused with what is wrong', () => {
    const cases: readonly [RegExp, Uint8Array][] = [
      [/signed header of 20 bytes, but 19 are left/, good.slice(0, 19)],
      [/hash and signature of 116 bytes, but 100 are left/, good.slice(0, 100)],
      [/magic number 0x464c457f/, edit((v) => Shdr.magic.set(v, 0, 0x464c457f))],
      [/a hash of 20 bytes with algorithm 0x70414930/, edit((v) => Shdr.hashSize.set(v, 0, 20))],
      [
        /a hash of 32 bytes with algorithm 0x70212930/,
        edit((v) => Shdr.algo.set(v, 0, 0x70212930)),
      ],
      [/image type 4 is none/, edit((v) => Shdr.imgType.set(v, 0, 4))],
      [
        /headers and image are 235 bytes, the file has 236/,
        edit((v) => Shdr.imgSize.set(v, 0, 99)),
      ],
      [/hash and signature of 65587 bytes/, edit((v) => Shdr.sigSize.set(v, 0, 0xffff))],
      [/the file is for TA .*51c$/, concat(shdr(1, 100), bootstrap(OTHER), image)],
      [/bootstrap header of 20 bytes, but 4/, concat(shdr(1, 100), new Uint8Array(4))],
      [/encryption header of 12 bytes, but 0/, concat(shdr(2, 100), bootstrap())],
      [
        /IV and tag of 40 bytes, but 39/,
        concat(shdr(2, 0), bootstrap(), encryption(12, 16).slice(0, 39)),
      ],
      [/subkey of 36 bytes, but 10/, concat(shdr(3, 10), new Uint8Array(10))],
      [/1 attributes in a subkey of 36 bytes/, concat(shdr(3, 36), subkey(0, 1))],
      [/4294967295 attributes/, concat(shdr(3, 36), subkey(0, 0xffffffff))],
      [/subkey and name of 44 bytes, but 36/, concat(shdr(3, 36), subkey(0))],
    ];
    for (const [message, file] of cases) assert.match(check(file) ?? 'fine', message);
  });

  it('never read outside of the file, whatever its bytes', () => {
    let seed = 7;
    const random = (): number => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) >>> 16;
    for (let i = 0; i < 3000; i++) {
      const file = good.slice(0, random() % (good.length + 1));
      for (let n = random() % 4; n > 0 && file.length > 0; n--)
        file[random() % file.length] = random();
      checkSignedHeader(file, octets);
    }
  });
});
