/** HostCrypto whose ciphers and digests are OpenSSL's own, on memory where it lies; see evp.ts. */
import type {
  HostAead,
  HostCipher,
  HostCipherName,
  HostCrypto,
  HostDigest,
  HostKey,
  HostKeyOrBytes,
} from '../crypto.ts';
import { NodeCrypto, cipherName, gcmName } from './crypto.ts';
import {
  AS_BEFORE,
  EVP_CTRL_AEAD_GET_TAG,
  EVP_CTRL_AEAD_SET_IVLEN,
  EVP_CTRL_AEAD_SET_TAG,
  MOVING,
  loadEvp,
} from './evp.ts';
import type { Contexts, Evp, Lease } from './evp.ts';

class EvpKey implements HostKey {
  readonly kind = 'secret key';
  readonly bytes: Uint8Array;
  constructor(bytes: Uint8Array) {
    this.bytes = new Uint8Array(bytes);
  }
  get length(): number {
    return this.bytes.length;
  }
}

function keyBytes(key: HostKeyOrBytes): Uint8Array {
  if (key instanceof EvpKey) return key.bytes;
  if (key instanceof Uint8Array) return key;
  throw new TypeError('a key of another host');
}

/** Whether two places overlap without being the same: OpenSSL refuses that. */
function overlap(a: Uint8Array, b: Uint8Array): boolean {
  if (a.buffer !== b.buffer) return false;
  const apart = Math.abs(a.byteOffset - b.byteOffset);
  return apart > 0 && apart < a.length;
}

/** OpenSSL, as one box uses it. */
interface Lender {
  readonly evp: Evp;
  readonly ciphers: Set<Lease>;
  readonly digests: Set<Lease>;
}

/** An object with a context of OpenSSL's. */
class Borrower {
  readonly lender: Lender;
  readonly evp: Evp;
  readonly #lease: Lease;

  constructor(lender: Lender, contexts: Contexts, lent: Set<Lease>) {
    this.lender = lender;
    this.evp = lender.evp;
    this.#lease = contexts.take(this, lent);
  }

  /** EVP_CIPHER_CTX or EVP_MD_CTX, never a null pointer. */
  get context(): number {
    const { address } = this.#lease;
    if (address === 0) throw new Error('its box is gone');
    return address;
  }
}

/** What ciphers have in common: a context that is set up once and started for each message. */
class EvpContext extends Borrower {
  readonly encrypt: boolean;
  readonly #nameFor: (key: HostKeyOrBytes) => string;
  #key: HostKeyOrBytes | undefined;
  /** Bytes of the key that the cipher was chosen for. */
  #keyLength = 0;

  /** @param nameFor OpenSSL's name of the cipher, by the key's length */
  constructor(lender: Lender, encrypt: boolean, nameFor: (key: HostKeyOrBytes) => string) {
    super(lender, lender.evp.ciphers, lender.ciphers);
    this.encrypt = encrypt;
    this.#nameFor = nameFor;
  }

  start(key: HostKeyOrBytes, iv: Uint8Array): void {
    const { evp } = this;
    if (key.length !== this.#keyLength) this.#choose(key, iv);
    // A key object never changes: the schedule of the last message's serves again.
    const isSame = key === this.#key && key instanceof EvpKey;
    if (!isSame) evp.key.bytes.set(keyBytes(key));
    evp.iv.bytes.set(iv);
    const [keyAt, ivAt] = [isSame ? 0 : evp.key.address, iv.length === 0 ? 0 : evp.iv.address];
    const result = evp.calls.initCipher(this.context, 0, 0, keyAt, ivAt, AS_BEFORE);
    if (!isSame) evp.key.bytes.fill(0);
    evp.check(result, 'a key');
    this.#key = key;
  }

  update(data: Uint8Array, out = new Uint8Array(data.length)): Uint8Array {
    const { length } = data;
    if (length > out.length) throw new RangeError('no room for what a cipher gives');
    if (length === 0) return out;
    if (length <= MOVING) return this.#updateSmall(data, out);
    this.#crypt(out, overlap(data, out) ? new Uint8Array(data) : data, length);
    return out;
  }

  /** Makes this context go on where another one is. */
  goOn(other: EvpContext): void {
    const { evp } = this;
    evp.check(evp.calls.copyCipher(this.context, other.context), 'a copy');
    this.#key = other.#key;
    this.#keyLength = other.#keyLength;
  }

  #choose(key: HostKeyOrBytes, iv: Uint8Array): void {
    const { evp } = this;
    const name = this.#nameFor(key);
    const cipher = evp.fetch(evp.calls.fetchCipher, name);
    if (cipher === 0) throw new RangeError(`OpenSSL has no ${name}`);
    const encrypt = this.encrypt ? 1 : 0;
    evp.check(evp.calls.initCipher(this.context, cipher, 0, 0, 0, encrypt), name);
    this.prepare(iv);
    this.#keyLength = key.length;
  }

  /** What the chosen cipher is told before it gets a key. */
  prepare(_iv: Uint8Array): void {
    this.evp.check(this.evp.calls.setPadding(this.context, 0), 'no padding');
  }

  /** Small data may move while OpenSSL looks at them, had they not been copied. */
  #updateSmall(data: Uint8Array, out: Uint8Array): Uint8Array {
    const { small } = this.evp;
    const { length } = data;
    for (let i = 0; i < length; i++) small[i] = data[i]!;
    this.#crypt(small, small, length);
    for (let i = 0; i < length; i++) out[i] = small[i]!;
    return out;
  }

  #crypt(out: Uint8Array, data: Uint8Array, length: number): void {
    const { calls, length: outLength } = this.evp;
    const result = calls.update(this.context, out, outLength.address, data, length);
    if (result !== 1) this.evp.check(result, 'data');
  }
}

class EvpCipher extends EvpContext implements HostCipher {
  readonly #name: HostCipherName;

  constructor(lender: Lender, encrypt: boolean, name: HostCipherName) {
    super(lender, encrypt, (key) => cipherName(name, key));
    this.#name = name;
  }

  fork(): EvpCipher {
    const other = new EvpCipher(this.lender, this.encrypt, this.#name);
    other.goOn(this);
    return other;
  }
}

class EvpGcm extends EvpContext implements HostAead {
  readonly #tagLength: number;

  constructor(lender: Lender, encrypt: boolean, tagLength: number) {
    super(lender, encrypt, gcmName);
    this.#tagLength = tagLength;
  }

  override prepare(nonce: Uint8Array): void {
    this.#control(EVP_CTRL_AEAD_SET_IVLEN, nonce.length, 0);
  }

  aad(data: Uint8Array): void {
    const { evp } = this;
    const { length } = data;
    if (length === 0) return;
    const source = length <= MOVING ? evp.small : data;
    if (length <= MOVING) source.set(data);
    const result = evp.calls.update(this.context, null, evp.length.address, source, length);
    evp.check(result, 'additional data');
  }

  tag(out = new Uint8Array(this.#tagLength)): Uint8Array {
    const { result } = this.evp;
    if (!this.encrypt) throw new Error('a decryption makes no tag');
    this.evp.check(this.#final(), 'the end of a message');
    this.#control(EVP_CTRL_AEAD_GET_TAG, this.#tagLength, result.address);
    for (let i = 0; i < this.#tagLength; i++) out[i] = result.bytes[i]!;
    return out;
  }

  verify(tag: Uint8Array): boolean {
    const { evp } = this;
    if (this.encrypt) throw new Error('an encryption has no tag to verify');
    evp.result.bytes.set(tag);
    this.#control(EVP_CTRL_AEAD_SET_TAG, tag.length, evp.result.address);
    if (this.#final() === 1) return true;
    evp.calls.clearErrors();
    return false;
  }

  fork(): EvpGcm {
    const other = new EvpGcm(this.lender, this.encrypt, this.#tagLength);
    other.goOn(this);
    return other;
  }

  /** Nothing comes out, as GCM holds nothing back. Tags are compared in constant time. */
  #final(): number {
    const { calls, iv, length } = this.evp;
    return calls.finalCipher(this.context, iv.address, length.address);
  }

  #control(command: number, argument: number, place: number): void {
    const { evp } = this;
    evp.check(evp.calls.control(this.context, command, argument, place), 'a nonce length or a tag');
  }
}

class EvpDigest extends Borrower implements HostDigest {
  #hasEnded = false;

  constructor(lender: Lender) {
    super(lender, lender.evp.digests, lender.digests);
  }

  choose(name: string): void {
    const { calls } = this.evp;
    const digest = this.evp.fetch(calls.fetchDigest, name);
    if (digest === 0) throw new RangeError(`OpenSSL has no ${name}`);
    this.evp.check(calls.initDigest(this.context, digest, 0), name);
  }

  update(data: Uint8Array): void {
    if (this.#hasEnded) throw new Error('the digest has ended');
    const { calls, small } = this.evp;
    const { length } = data;
    const isSmall = length <= MOVING;
    if (isSmall) for (let i = 0; i < length; i++) small[i] = data[i]!;
    const result = calls.updateDigest(this.context, isSmall ? small : data, length);
    if (result !== 1) this.evp.check(result, 'data');
  }

  copy(): EvpDigest {
    const other = new EvpDigest(this.lender);
    this.evp.check(this.evp.calls.copyDigest(other.context, this.context), 'a copy');
    other.#hasEnded = this.#hasEnded;
    return other;
  }

  final(out?: Uint8Array): Uint8Array {
    if (this.#hasEnded) throw new Error('the digest has ended');
    const { calls, result, length } = this.evp;
    this.evp.check(calls.finalDigest(this.context, result.address, length.address), 'the end');
    this.#hasEnded = true;
    if (out === undefined) return result.bytes.slice(0, length.bytes[0]);
    // A few bytes in a loop: a view of them to copy from costs more.
    for (let i = Math.min(out.length, length.bytes[0]!) - 1; i >= 0; i--) out[i] = result.bytes[i]!;
    return out;
  }

  start(): void {
    this.evp.check(this.evp.calls.initDigest(this.context, 0, 0), 'a new start');
    this.#hasEnded = false;
  }
}

export class EvpCrypto extends NodeCrypto implements Lender {
  readonly evp: Evp;
  readonly ciphers = new Set<Lease>();
  readonly digests = new Set<Lease>();

  constructor(evp: Evp) {
    super();
    this.evp = evp;
  }

  override forBox(): EvpCrypto {
    return new EvpCrypto(this.evp);
  }

  override close(): void {
    this.evp.ciphers.giveBackAll(this.ciphers);
    this.evp.digests.giveBackAll(this.digests);
  }

  override digest(name: string): HostDigest {
    const digest = new EvpDigest(this);
    digest.choose(name);
    return digest;
  }

  override hmac(name: string, key: Uint8Array, data: Uint8Array): Uint8Array {
    const { calls, result, length, small } = this.evp;
    const digest = this.evp.fetch(calls.fetchDigest, name);
    if (digest === 0) throw new RangeError(`OpenSSL has no ${name}`);
    const { address } = result;
    // An empty array has no address, and no key and no data are not empty ones to OpenSSL.
    const [given, message] = [key, data].map((some) => (some.length > 0 ? some : small));
    const { length: n } = key;
    const made = calls.hmac(digest, given!, n, message!, data.length, address, length.address);
    this.evp.check(made === address ? 1 : 0, 'an HMAC');
    return result.bytes.slice(0, length.bytes[0]);
  }

  override secretKey(bytes: Uint8Array): HostKey {
    return new EvpKey(bytes);
  }

  override cipher(
    name: HostCipherName,
    encrypt: boolean,
    key: HostKeyOrBytes,
    iv: Uint8Array,
  ): HostCipher {
    const cipher = new EvpCipher(this, encrypt, name);
    cipher.start(key, iv);
    return cipher;
  }

  override aesGcm(
    encrypt: boolean,
    key: HostKeyOrBytes,
    nonce: Uint8Array,
    tagLength: number,
  ): HostAead {
    const gcm = new EvpGcm(this, encrypt, tagLength);
    gcm.start(key, nonce);
    return gcm;
  }
}

/** The fastest that there is here. */
export function hostCrypto(): HostCrypto {
  const evp = loadEvp();
  return evp === undefined ? new NodeCrypto() : new EvpCrypto(evp);
}
