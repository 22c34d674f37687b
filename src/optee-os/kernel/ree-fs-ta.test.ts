import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import {
  OPTEE_RPC_CMD_LOAD_TA,
  OPTEE_RPC_CMD_SHM_ALLOC,
  OPTEE_RPC_CMD_SHM_FREE,
} from '../../abi/optee-rpc.ts';
import { OpteeMsgParamRmem, OpteeMsgParamTmem } from '../../abi/optee-msg.ts';
import { SHDR_BOOTSTRAP_TA, Shdr } from '../../abi/shdr.ts';
import {
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_COMMUNICATION,
  TEE_ERROR_GENERIC,
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_ERROR_NOT_IMPLEMENTED,
  TEE_ERROR_NOT_SUPPORTED,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_ERROR_SECURITY,
  TEE_ERROR_SHORT_BUFFER,
  TEE_ORIGIN_TEE,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import { formatUuid, getUuidOctets, parseUuid } from '../../abi/uuid.ts';
import { NodeCrypto } from '../../host/node/crypto.ts';
import { SeededRandom } from '../../sched/random.ts';
import type { Co } from '../../sched/task.ts';
import { concat } from '../crypto/main-hash.ts';
import { NormalWorld } from '../testing/normal-world.ts';
import type { RpcMessage } from '../testing/rpc-message.ts';
import {
  SIGNING_PUB_KEY,
  SUBKEY_KEY,
  bootstrapTa,
  encryptedTa,
  legacyTa,
  subkey,
} from '../testing/ta-files.ts';
import { BadHeader, signedHeader, verifySignature } from './signed-hdr.ts';
import { SignedTa } from './signed-ta.ts';
import { DEFAULT_TA_PUB_KEY } from './ta-pub-key.ts';
import type { TaVersions } from './ta-versions.ts';
import type { ThreadCtx } from './thread.ts';

const UUID = '8aaaf200-2450-11e4-abe2-0002a5d5c51b';
const OTHER = '8aaaf200-2450-11e4-abe2-0002a5d5c51c';
const RMEM_OUT = 6;
const TMEM_OUT = 10;

const image = new Uint8Array(100).fill(0x7f);
const good = bootstrapTa(UUID, 0, image);

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
  const world = new NormalWorld({ taPubKey: SIGNING_PUB_KEY, config: { CFG_REE_FS: false } });
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
    const text = 'no such TA: the box was given no TA, tee-supplicant has no file of it';
    assert.equal(world.lastCause!.text, text);
    assert.equal(world.lastCause!.object, UUID);
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
  /** What is said of a file, and the result. */
  function opened(...parts: readonly Uint8Array[]): readonly [number, string] {
    const { world, ret } = openWith(concat(...parts));
    return [ret, world.lastCause!.text];
  }
  const edited = (edit: (view: DataView) => void): Uint8Array =>
    bootstrapTa(UUID, 0, image, { edit });
  const NAMESPACE = 'f04fa996-148a-453c-b037-1dcfbad120a6';
  // UUID version 5, from SHA-512, of "name" in that name space.
  const named = createHash('sha512').update(parseUuid(NAMESPACE)).update('name').digest();
  named[6] = (named[6]! & 0x0f) | 0x50;
  named[8] = (named[8]! & 0x3f) | 0x80;
  const NAMED = formatUuid(named.subarray(0, 16));
  const name = new TextEncoder().encode('name\0\0\0\0');
  const inner = (uuid: string): Uint8Array => bootstrapTa(uuid, 0, image, { key: SUBKEY_KEY });

  const GOOD: readonly (readonly [string, readonly Uint8Array[]])[] = [
    ['with UUID and version', [good]],
    ['with a PKCS #1 v1.5 signature', [bootstrapTa(UUID, 0, image, { v1_5: true })]],
    ['without either', [legacyTa(image)]],
    ['encrypted', [encryptedTa(UUID, 0, image)]],
    ['under a subkey of its own UUID', [subkey({ uuid: UUID }), inner(UUID)]],
    [
      'under two of them',
      [
        subkey({ uuid: UUID, maxDepth: 1 }),
        subkey({ uuid: UUID, maxDepth: 0 }, { key: SUBKEY_KEY }),
        inner(UUID),
      ],
    ],
  ];
  for (const [what, parts] of GOOD) {
    it(`${what} are taken`, () => {
      const [ret, text] = opened(...parts);
      assert.equal(ret, TEE_ERROR_NOT_SUPPORTED, text);
    });
  }

  it('under a subkey are of its name space', () => {
    const file = concat(subkey({ uuid: NAMESPACE, name }), inner(NAMED));
    const text = check(file, NAMED);
    assert.equal(text, undefined);
    assert.match(
      check(concat(subkey({ uuid: NAMESPACE, name }), inner(UUID)), UUID)!,
      /name space/,
    );
    assert.match(check(concat(subkey({ uuid: NAMESPACE }), inner(UUID)), UUID)!, /name space/);
  });

  /** What is wrong with a file. */
  function check(file: Uint8Array, uuid: string): string | undefined {
    const key = SIGNING_PUB_KEY;
    const versions = { checkUpdate: () => never() } as unknown as TaVersions;
    const ta = new SignedTa(
      { crypto: new NodeCrypto(), key, versions },
      THREAD,
      file,
      parseUuid(uuid),
    );
    try {
      const step = ta.image().next();
      assert.deepEqual(step.value, image);
      return undefined;
    } catch (error) {
      assert.ok(error instanceof BadHeader);
      return error.message;
    }
  }
  // eslint-disable-next-line require-yield -- nothing is asked for
  function* never(): Co<number> {
    return TEE_SUCCESS;
  }
  const THREAD = {} as unknown as ThreadCtx;

  const flipped = (at: number, file = good): Uint8Array => {
    const out = file.slice();
    out[at < 0 ? out.length + at : at]! ^= 1;
    return out;
  };
  const BAD: readonly (readonly [RegExp, Uint8Array, number?])[] = [
    [/signed header of 20 bytes, but 19 are left/, good.slice(0, 19)],
    [/hash and signature of 308 bytes, but 100 are left/, good.slice(0, 100)],
    [/magic number 0x464c457f/, edited((v) => Shdr.magic.set(v, 0, 0x464c457f))],
    [/a hash of 20 bytes with algorithm 0x70414930/, edited((v) => Shdr.hashSize.set(v, 0, 20))],
    [
      /a hash of 32 bytes with algorithm 0x70212930/,
      edited((v) => Shdr.algo.set(v, 0, 0x70212930)),
    ],
    [/image type 4 is none/, edited((v) => Shdr.imgType.set(v, 0, 4))],
    [
      /headers and image are 427 bytes, the file has 428/,
      edited((v) => Shdr.imgSize.set(v, 0, 99)),
    ],
    [/hash and signature of 65587 bytes/, edited((v) => Shdr.sigSize.set(v, 0, 0xffff))],
    [/the signature is not that of the key/, edited((v) => Shdr.sigSize.set(v, 0, 100))],
    [/the signature is not that of the key/, bootstrapTa(UUID, 0, image, { key: SUBKEY_KEY })],
    [/the signature is not that of the key/, flipped(30)],
    [/the signature is not that of the key/, flipped(100)],
    [/the hash is not that of the file/, flipped(-1)],
    [/the hash is not that of the file/, flipped(good.length - 101)],
    [/the hash is not that of the file/, flipped(8, concat(good, new Uint8Array(1)))],
    [/the file is for TA .*51c$/, bootstrapTa(OTHER, 0, image)],
    [/bootstrap header of 20 bytes, but 4/, good.slice(0, 312)],
    [/encryption header of 12 bytes, but 0/, encryptedTa(UUID, 0, image).slice(0, 328)],
    [/IV and tag of 40 bytes, but 39/, encryptedTa(UUID, 0, image).slice(0, 367)],
    [/the image is not what was encrypted/, flipped(-1, encryptedTa(UUID, 0, image))],
    [
      /encryption with algorithm 0x40000110/,
      encryptedTa(UUID, 0, image, { algo: 0x40000110 }),
      TEE_ERROR_NOT_IMPLEMENTED,
    ],
    [/an IV of 0 bytes/, encryptedTa(UUID, 0, image, { ivSize: 0 }), TEE_ERROR_BAD_PARAMETERS],
    [/subkey of 319 bytes, but 10/, subkey({ uuid: UUID }).slice(0, 318)],
    [/the hash is not that of the file/, concat(flipped(-1, subkey({ uuid: UUID })), inner(UUID))],
    [/the signature is not that/, concat(subkey({ uuid: UUID }), good)],
    [
      /subkey depth 1 under one of 1/,
      concat(
        subkey({ uuid: UUID, maxDepth: 1 }),
        subkey({ uuid: UUID, maxDepth: 1 }, { key: SUBKEY_KEY }),
        inner(UUID),
      ),
    ],
    [/subkey and name of 327 bytes, but 319/, subkey({ uuid: UUID, name }).slice(0, -8)],
  ];
  for (const [message, file, res = TEE_ERROR_SECURITY] of BAD) {
    it(`are refused: ${message.source}`, () => {
      const [ret, text] = opened(file);
      assert.match(text, message);
      assert.equal(ret, res);
    });
  }

  it('of the real system are signed with the public default key', () => {
    const header = signedHeader(Uint8Array.from(Buffer.from(REAL_HEADER, 'base64')), 0);
    assert.deepEqual([header.imgType, header.imgSize], [SHDR_BOOTSTRAP_TA, REAL_IMAGE_SIZE]);
    const crypto = new NodeCrypto();
    verifySignature(crypto, DEFAULT_TA_PUB_KEY, header);
    header.digest[0]! ^= 1;
    assert.throws(() => verifySignature(crypto, DEFAULT_TA_PUB_KEY, header), BadHeader);
  });

  it('never read outside of the file, whatever its bytes', () => {
    const random = new SeededRandom(7);
    const files = [
      good,
      concat(subkey({ uuid: UUID, name }), inner(UUID)),
      encryptedTa(UUID, 0, image),
    ];
    for (let i = 0; i < 600; i++) {
      const whole = files[i % files.length]!;
      const file = whole.slice(0, i % 2 === 0 ? whole.length : random.below(whole.length + 1));
      if (file.length === 0) continue;
      file[random.below(file.length)]! ^= 1 << random.below(8);
      assert.notEqual(check(file, UUID), undefined);
    }
  });
});

/** What the hello_world TA's file begins with, as the SDK of OP-TEE 4.10 has signed it. */
const REAL_HEADER =
  'SFNUTwEAAAC4uwEAMElBcCAAAAIUuZ98AfVBcFoLS7Qdl59DmrUXFq1O7CH2+FDb274D9ohjqnieyb9jOnJZ5xAd' +
  '529kzSeoUorCCvdynn9Hapin+uFscsrgAXirtIiJnsUa20d1C+/zYMgiETIgpsjbk85TTd0zrjVkNLNnWRbtx36s' +
  'vXa+GNLyIzHPLT1eLAFj1WpJ28+TowOobgjaEvvaNe7SiQeIiOUxmegwnv320tThAnH28TkKPsCn+fbOVWNH5GRH' +
  'ncLs4nlN3gLiZnALT7yNcORHP7HSq/bi5+6+oh2YF1iM8KmlHVcdLMCGtC4LJ+eFKAChNIoHdqE0SgzS8GsVy1H2' +
  'XDcp624UokUVmDKcxpvWPp3RZdFUjBXxSDVSjoS0Lcw3maAO26x3AmpcB/rqiOZhDbzZP/dGPOvaIEgdxQz/F63I' +
  'bHDCKFl2Jm9LOBEs0VbM8ZgN9zL4/mwsQGSgLOrWgs+X9o9ZRvOp89WMW0VjvO3ORnBrxVxvNKZlIXb+p0Z/D8c1' +
  'dpw8YMr4rYi1L/Vr8SA4YcMvwlTOZqeqwbudggG1Cakg5QMLPR85BRITAO96rSOVlvxO/SnY2NXULo6kSgjQ1j1C' +
  '3bJVNw9R5jpHffZpfoXgEI2b8W4HYTpPc0kkxUWtyc40qQsDER51dLMTcGtjWi7b8rn5FMdm5j/lyxzQql7FAUoN' +
  '4ZoKNYHVc176QtFBDIsIZnOvsqcyZchTekq4acXrYd6VC2el';
const REAL_IMAGE_SIZE = 113592;
