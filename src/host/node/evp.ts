/**
 * Ciphers and digests of the OpenSSL that Node brings along, called on the box's memory where it
 * lies: node:crypto makes a fresh buffer for each piece of output and a new cipher for each message,
 * which takes longer than encrypting 64 KiB does. Needs koffi and a Node that shows OpenSSL's
 * functions, as its releases do; without them there is node:crypto.
 *
 * Source: OpenSSL 3, EVP_EncryptInit(3), EVP_DigestInit(3); include/openssl/evp.h.
 */
import { loadKoffi } from './koffi.ts';

/** include/openssl/evp.h */
export const EVP_CTRL_AEAD_SET_IVLEN = 0x9;
export const EVP_CTRL_AEAD_GET_TAG = 0x10;
export const EVP_CTRL_AEAD_SET_TAG = 0x11;
/** Of EVP_CipherInit_ex(): as it was. */
export const AS_BEFORE = -1;

/** Bytes up to which V8 keeps an array on its moving heap; for longer ones it never moves. */
export const MOVING = 64;

/** A place in memory that does not move. */
export interface Place {
  readonly bytes: Uint8Array;
  readonly address: number;
}

/** OpenSSL's functions; each gives 1 for success but where it is said. Null pointers are 0. */
export interface EvpCalls {
  /** A pointer, 0 for a cipher that is not known. */
  readonly fetchCipher: (library: number, name: number, properties: number) => number;
  readonly fetchDigest: (library: number, name: number, properties: number) => number;
  readonly newCipher: () => number;
  readonly newDigest: () => number;
  readonly copyCipher: (to: number, from: number) => number;
  readonly copyDigest: (to: number, from: number) => number;
  readonly resetCipher: (context: number) => number;
  readonly resetDigest: (context: number) => number;
  readonly initCipher: (
    context: number,
    cipher: number,
    engine: number,
    key: number,
    iv: number,
    encrypt: number,
  ) => number;
  readonly setPadding: (context: number, padding: number) => number;
  readonly control: (context: number, command: number, argument: number, place: number) => number;
  readonly update: (
    context: number,
    out: Uint8Array | null,
    outLength: number,
    data: Uint8Array,
    length: number,
  ) => number;
  readonly finalCipher: (context: number, out: number, outLength: number) => number;
  readonly initDigest: (context: number, digest: number, engine: number) => number;
  readonly updateDigest: (context: number, data: Uint8Array, length: number) => number;
  readonly finalDigest: (context: number, out: number, length: number) => number;
  /** One-shot; gives the place of the MAC, 0 for an error. */
  readonly hmac: (
    digest: number,
    key: Uint8Array,
    keyLength: number,
    data: Uint8Array,
    length: number,
    mac: number,
    macLength: number,
  ) => number;
  readonly clearErrors: () => number;
}

/** A context that an object has. */
export interface Lease {
  /** 0 once it was given back. */
  address: number;
  /** Those of the same box. */
  readonly lent: Set<Lease>;
}

/**
 * Contexts of one kind. The objects that have them do not say when they are done: the collector
 * does, between turns of the event loop; of boxes that come and go within one turn the box does.
 */
export class Contexts {
  readonly #make: () => number;
  readonly #reset: (context: number) => number;
  readonly #spare: number[] = [];
  readonly #forgotten = new FinalizationRegistry<Lease>((lease) => {
    lease.lent.delete(lease);
    this.giveBack(lease);
  });

  /** @param reset empties a context, and wipes its keys */
  constructor(make: () => number, reset: (context: number) => number) {
    this.#make = make;
    this.#reset = reset;
  }

  /** An empty one, until its owner is garbage. */
  take(owner: object, lent: Set<Lease>): Lease {
    const address = this.#spare.pop() ?? this.#make();
    if (address === 0) throw new Error('OpenSSL has no memory for a context');
    const lease = { address, lent };
    lent.add(lease);
    this.#forgotten.register(owner, lease, lease);
    return lease;
  }

  giveBack(lease: Lease): void {
    if (lease.address === 0) return;
    this.#reset(lease.address);
    this.#spare.push(lease.address);
    lease.address = 0;
  }

  giveBackAll(lent: Set<Lease>): void {
    for (const lease of lent) {
      this.giveBack(lease);
      this.#forgotten.unregister(lease);
    }
    lent.clear();
  }
}

/** Bytes of keys and of nonces, the longest of each, and of digests and tags. */
const MOST_KEY = 64;
const MOST_IV = 128;
const MOST_RESULT = 64;

/** OpenSSL, and places for the little that is not the caller's memory. */
export class Evp {
  readonly calls: EvpCalls;
  readonly ciphers: Contexts;
  readonly digests: Contexts;
  readonly key: Place;
  readonly iv: Place;
  /** Where lengths go, an `int`. Only a digest's is read: its lowest byte, the host being little-endian. */
  readonly length: Place;
  readonly result: Place;
  /** Data that V8 may move. */
  readonly small: Uint8Array;
  readonly #fetched = new Map<string, number>();

  /** @param address where an array lies */
  constructor(calls: EvpCalls, address: (bytes: Uint8Array) => number) {
    this.calls = calls;
    this.ciphers = new Contexts(calls.newCipher, calls.resetCipher);
    this.digests = new Contexts(calls.newDigest, calls.resetDigest);
    const place = (size: number): Place => {
      const bytes = new Uint8Array(new ArrayBuffer(size));
      return { bytes, address: address(bytes) };
    };
    this.key = place(MOST_KEY);
    this.iv = place(MOST_IV);
    this.length = place(Int32Array.BYTES_PER_ELEMENT);
    this.result = place(MOST_RESULT);
    this.small = place(MOVING).bytes;
  }

  /** An EVP_CIPHER or EVP_MD, 0 for none of that name. */
  fetch(fetch: EvpCalls['fetchCipher'], name: string): number {
    const known = this.#fetched.get(name);
    if (known !== undefined) return known;
    const { bytes, address } = this.iv;
    bytes.fill(0);
    new TextEncoder().encodeInto(name, bytes.subarray(0, -1));
    const found = fetch(0, address, 0);
    this.#fetched.set(name, found);
    return found;
  }

  /** @throws when OpenSSL has refused what the caller has checked */
  check(result: number, what: string): void {
    if (result === 1) return;
    this.calls.clearErrors();
    throw new Error(`OpenSSL refuses ${what}`);
  }
}

/** One for the process: undefined where OpenSSL cannot be reached. */
export function loadEvp(): Evp | undefined {
  loaded ??= { evp: load() };
  return loaded.evp;
}
let loaded: { readonly evp: Evp | undefined } | undefined;

function load(): Evp | undefined {
  try {
    const koffi = loadKoffi();
    const lib = koffi.load(null);
    const p = 'uintptr_t';
    const calls: EvpCalls = {
      fetchCipher: lib.func(`${p} EVP_CIPHER_fetch(${p}, ${p}, ${p})`),
      fetchDigest: lib.func(`${p} EVP_MD_fetch(${p}, ${p}, ${p})`),
      newCipher: lib.func(`${p} EVP_CIPHER_CTX_new()`),
      newDigest: lib.func(`${p} EVP_MD_CTX_new()`),
      copyCipher: lib.func(`int EVP_CIPHER_CTX_copy(${p}, ${p})`),
      copyDigest: lib.func(`int EVP_MD_CTX_copy_ex(${p}, ${p})`),
      resetCipher: lib.func(`int EVP_CIPHER_CTX_reset(${p})`),
      resetDigest: lib.func(`int EVP_MD_CTX_reset(${p})`),
      initCipher: lib.func(`int EVP_CipherInit_ex(${p}, ${p}, ${p}, ${p}, ${p}, int)`),
      setPadding: lib.func(`int EVP_CIPHER_CTX_set_padding(${p}, int)`),
      control: lib.func(`int EVP_CIPHER_CTX_ctrl(${p}, int, int, ${p})`),
      update: lib.func(`int EVP_CipherUpdate(${p}, void *, ${p}, void *, int)`),
      finalCipher: lib.func(`int EVP_CipherFinal_ex(${p}, ${p}, ${p})`),
      initDigest: lib.func(`int EVP_DigestInit_ex(${p}, ${p}, ${p})`),
      updateDigest: lib.func(`int EVP_DigestUpdate(${p}, void *, size_t)`),
      finalDigest: lib.func(`int EVP_DigestFinal_ex(${p}, ${p}, ${p})`),
      hmac: lib.func(`${p} HMAC(${p}, void *, int, void *, size_t, ${p}, ${p})`),
      clearErrors: lib.func('void ERR_clear_error()'),
    };
    return new Evp(calls, (bytes) => Number(koffi.address(bytes)));
  } catch {
    return undefined;
  }
}
