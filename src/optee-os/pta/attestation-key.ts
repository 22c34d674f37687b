/**
 * The key that measurements are signed with: made once, kept in secure storage under the UUID of its
 * pseudo TA, as e, d and n with two bytes of length before each.
 *
 * Upstream counterpart: optee_os core/pta/attestation.c (init_key(), sign_digest()).
 */
import {
  TEE_ATTR_RSA_MODULUS,
  TEE_ATTR_RSA_PRIVATE_EXPONENT,
  TEE_ATTR_RSA_PUBLIC_EXPONENT,
  TEE_DATA_FLAG_ACCESS_READ,
  TEE_DATA_FLAG_ACCESS_WRITE,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_CORRUPT_OBJECT,
  TEE_ERROR_GENERIC,
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_ERROR_NOT_IMPLEMENTED,
  TEE_STORAGE_PRIVATE,
  TEE_SUCCESS,
  TEE_TYPE_RSA_KEYPAIR,
} from '../../abi/gp.ts';
import { PTA_ATTESTATION_UUID } from '../../abi/pta.ts';
import type { Co } from '../../sched/task.ts';
import type { CryptoServices, KeyObject } from '../crypto/contexts.ts';
import { SHA256, concat } from '../crypto/main-hash.ts';
import { bitLength, byteLength, toNumber, toOctets } from '../crypto/mpi.ts';
import { encodePss } from '../crypto/pkcs1-pss.ts';
import { RsaKey, makeRsaKey } from '../crypto/rsa-key.ts';
import type { Guest } from '../guest.ts';
import type { ThreadCtx } from '../kernel/thread.ts';
import { teeUuid } from '../storage/tee-fs.ts';
import type { TeeFileOperations } from '../storage/tee-fs.ts';
import type { TeePobj } from '../storage/tee-pobj.ts';

const MAX_KEY_SIZE = 4096;
const LENGTH_BYTES = 2;
/** bufsize(): e is 65537. */
const FILE_BYTES = 3 + 2 * (MAX_KEY_SIZE / 8) + 3 * LENGTH_BYTES;
const PUBLIC_EXPONENT = 65537n;

const UUID = teeUuid(PTA_ATTESTATION_UUID);
const KEY_FILE_NAME = new TextEncoder().encode('key');

/** e, d and n. */
type Numbers = readonly [e: bigint, d: bigint, n: bigint];

export class AttestationKey {
  readonly e: Uint8Array;
  readonly n: Uint8Array;
  readonly #services: CryptoServices;
  readonly #rsa: RsaKey;

  constructor(services: CryptoServices, [e, d, n]: Numbers) {
    this.e = toOctets(e);
    this.n = toOctets(n);
    this.#services = services;
    this.#rsa = new RsaKey(services.crypto.publicKey, keyObject([e, d, n]));
  }

  /** sign_digest(): RSASSA-PSS with SHA-256 and a salt as long. @returns else a TEE_Result */
  sign(digest: Uint8Array): Uint8Array | number {
    const { modulusBits } = this.#rsa;
    const block = encodePss(this.#services, SHA256, digest, SHA256.size, modulusBits);
    if (typeof block === 'string') return TEE_ERROR_BAD_PARAMETERS;
    const signature = this.#rsa.apply('private', block);
    return typeof signature === 'string' ? TEE_ERROR_BAD_PARAMETERS : signature;
  }
}

/** init_key(): the stored key, or a new one. @returns else a TEE_Result */
export function* initKey(
  guest: Guest,
  thread: ThreadCtx,
  keep: (key: AttestationKey) => void,
): Co<number> {
  const { nexus } = guest;
  const rng = (out: Uint8Array): number => {
    nexus.random.fill(out);
    return TEE_SUCCESS;
  };
  const services: CryptoServices = { crypto: nexus.crypto, rng };
  const found = yield* readKey(guest, thread);
  if (typeof found !== 'number') {
    keep(new AttestationKey(services, found));
    return TEE_SUCCESS;
  }
  if (found !== TEE_ERROR_ITEM_NOT_FOUND) return found;
  const made = makeRsaKey(services, nexus.config.CFG_ATTESTATION_PTA_KEY_SIZE, PUBLIC_EXPONENT);
  if (made === undefined) return TEE_ERROR_BAD_PARAMETERS;
  const numbers: Numbers = [made.e, made.d, made.n];
  // It counts from now on, even when it cannot be stored.
  keep(new AttestationKey(services, numbers));
  return yield* writeKey(guest, thread, serialize(numbers));
}

function serialize(numbers: Numbers): Uint8Array {
  const parts = numbers.flatMap((number) => {
    const length = byteLength(number);
    return [Uint8Array.of(length >>> 8, length), toOctets(number)];
  });
  const file = new Uint8Array(FILE_BYTES);
  file.set(concat(...parts));
  return file;
}

/** deserialize_key(): undefined when a number goes beyond the end. */
function deserialize(file: Uint8Array): Numbers | undefined {
  let at = 0;
  const next = (): bigint => {
    const [high = 0, low = 0] = file.subarray(at);
    const begin = at + LENGTH_BYTES;
    at = begin + ((high << 8) | low);
    return toNumber(file.subarray(begin, at));
  };
  const numbers: Numbers = [next(), next(), next()];
  return at <= file.length ? numbers : undefined;
}

/** sec_storage_obj_read() */
function* readKey(guest: Guest, thread: ThreadCtx): Co<Numbers | number> {
  const out = new Uint8Array(FILE_BYTES);
  const count = { size: 0 };
  const res = yield* withKeyFile(guest, thread, TEE_DATA_FLAG_ACCESS_READ, function* (fops, po) {
    const file = yield* fops.open(thread, po, { size: 0 });
    if (typeof file === 'number') return file;
    const read = yield* file.read(thread, 0, out, count);
    if (read === TEE_ERROR_CORRUPT_OBJECT) {
      guest.nexus.log.emsg(thread, 'sec_storage_obj_read', 'Object corrupt');
      yield* fops.remove(thread, po);
    }
    yield* file.close(thread);
    return read;
  });
  if (res !== TEE_SUCCESS) return res;
  return deserialize(out.subarray(0, count.size)) ?? TEE_ERROR_GENERIC;
}

/** sec_storage_obj_write() */
function writeKey(guest: Guest, thread: ThreadCtx, content: Uint8Array): Co<number> {
  return withKeyFile(guest, thread, TEE_DATA_FLAG_ACCESS_WRITE, function* (fops, po) {
    let file = yield* fops.open(thread, po, { size: 0 });
    if (file === TEE_ERROR_ITEM_NOT_FOUND) file = yield* fops.create(thread, po, false, []);
    if (typeof file === 'number') return file;
    const res = yield* file.write(thread, 0, content);
    yield* file.close(thread);
    return res;
  });
}

function* withKeyFile(
  { storage }: Guest,
  thread: ThreadCtx,
  flags: number,
  body: (fops: TeeFileOperations, po: TeePobj) => Co<number>,
): Co<number> {
  const fops = storage.fileOps(TEE_STORAGE_PRIVATE);
  if (fops === undefined) return TEE_ERROR_NOT_IMPLEMENTED;
  const { pobjs } = storage;
  const po = yield* pobjs.get(thread, UUID, KEY_FILE_NAME, flags, 'open', fops);
  if (typeof po === 'number') return po;
  const res = yield* body(fops, po);
  yield* pobjs.release(thread, po);
  return res;
}

/** What the RSA of operations asks of a key object. */
function keyObject([e, d, n]: Numbers): KeyObject {
  const numbers = new Map<number, bigint>([
    [TEE_ATTR_RSA_PUBLIC_EXPONENT, e],
    [TEE_ATTR_RSA_PRIVATE_EXPONENT, d],
    [TEE_ATTR_RSA_MODULUS, n],
  ]);
  const number = (attribute: number): bigint => numbers.get(attribute) ?? 0n;
  return {
    type: TEE_TYPE_RSA_KEYPAIR,
    keySize: bitLength(n),
    secret: new Uint8Array(0),
    bytes: (attribute) => toOctets(number(attribute)),
    value: () => undefined,
    number,
    generation: 0,
  };
}
