/**
 * The attestation PTA: measurements, signed together with a nonce of who asks.
 *
 * Upstream counterpart: optee_os core/pta/attestation.c. Left out: what is measured in memory. A
 * TypeScript TA and the core have no code in the machine's memory, so that their hashes are those of
 * no bytes; and a TypeScript TA has no file.
 */
import {
  PTA_ATTESTATION_GET_PUBKEY,
  PTA_ATTESTATION_GET_TA_SHDR_DIGEST,
  PTA_ATTESTATION_HASH_TA_MEMORY,
  PTA_ATTESTATION_HASH_TEE_MEMORY,
  PTA_ATTESTATION_UUID,
} from '../../abi/pta.ts';
import { PTA_DEFAULT_FLAGS } from '../../abi/ta-head.ts';
import { codeName } from '../../abi/layout.ts';
import {
  TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA256,
  TEE_ERROR,
  TEE_ERROR_ACCESS_DENIED,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_ERROR_NOT_SUPPORTED,
  TEE_ERROR_SHORT_BUFFER,
  TEE_PARAM_TYPES,
  TEE_PARAM_TYPE_MEMREF_INPUT,
  TEE_PARAM_TYPE_MEMREF_OUTPUT,
  TEE_PARAM_TYPE_NONE,
  TEE_PARAM_TYPE_VALUE_OUTPUT,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import { UUID_LEN, getUuidStruct } from '../../abi/uuid.ts';
import type { Co } from '../../sched/task.ts';
import { SHA256, concat } from '../crypto/main-hash.ts';
import type { Guest } from '../guest.ts';
import type { PseudoTa, PtaCall, PtaParam } from '../kernel/pseudo-ta.ts';
import { UserTaCtx } from '../kernel/user-ta.ts';
import { initKey } from './attestation-key.ts';
import type { AttestationKey } from './attestation-key.ts';

const NONE = TEE_PARAM_TYPE_NONE;
const IN = TEE_PARAM_TYPE_MEMREF_INPUT;
const OUT = TEE_PARAM_TYPE_MEMREF_OUTPUT;

const PUBKEY_TYPES = TEE_PARAM_TYPES(OUT, OUT, TEE_PARAM_TYPE_VALUE_OUTPUT, NONE);
const NOTHING = new Uint8Array(0);

/** A measurement: parameters, who may ask, and what is signed. */
interface Measurement {
  readonly types: number;
  /** Of the nonce; the output comes after it. */
  readonly nonce: number;
  /** @returns a TEE_Result, before a key is made */
  readonly check: (call: PtaCall) => number;
  /** @returns what goes before the signature, or a TEE_Result */
  readonly measure: (guest: Guest, call: PtaCall) => Co<Uint8Array | number>;
}

function* hashOfNothing({ nexus }: Guest): Co<Uint8Array> {
  return nexus.crypto.hash(SHA256.name, NOTHING);
}

const MEASUREMENTS: ReadonlyMap<number, Measurement> = new Map<number, Measurement>([
  [
    PTA_ATTESTATION_GET_TA_SHDR_DIGEST,
    {
      types: TEE_PARAM_TYPES(IN, IN, OUT, NONE),
      nonce: 1,
      check: ({ params }) =>
        params[0]!.size === UUID_LEN ? TEE_SUCCESS : TEE_ERROR_BAD_PARAMETERS,
      measure: (guest, call) => headerDigest(guest, call),
    },
  ],
  [
    PTA_ATTESTATION_HASH_TA_MEMORY,
    {
      types: TEE_PARAM_TYPES(IN, OUT, NONE, NONE),
      nonce: 0,
      check: ({ thread }) =>
        thread.callingSession?.ctx instanceof UserTaCtx ? TEE_SUCCESS : TEE_ERROR_ACCESS_DENIED,
      measure: hashOfNothing,
    },
  ],
  [
    PTA_ATTESTATION_HASH_TEE_MEMORY,
    {
      types: TEE_PARAM_TYPES(IN, OUT, NONE, NONE),
      nonce: 0,
      check: () => TEE_SUCCESS,
      measure: hashOfNothing,
    },
  ],
]);

export class AttestationPta implements PseudoTa {
  readonly uuid = PTA_ATTESTATION_UUID;
  readonly name = 'attestation.pta';
  readonly flags = PTA_DEFAULT_FLAGS;
  readonly #guest: Guest;
  #key: AttestationKey | undefined;

  constructor(guest: Guest) {
    this.#guest = guest;
  }

  *invokeCommand(call: PtaCall, command: number): Co<number> {
    if (command === PTA_ATTESTATION_GET_PUBKEY) return yield* this.#getPubkey(call);
    const measurement = MEASUREMENTS.get(command);
    if (measurement === undefined) return TEE_ERROR_BAD_PARAMETERS;
    return yield* this.#attest(call, measurement);
  }

  /** cmd_get_pubkey() */
  *#getPubkey(call: PtaCall): Co<number> {
    if (call.types !== PUBKEY_TYPES) return TEE_ERROR_BAD_PARAMETERS;
    const key = yield* this.#needKey(call);
    if (typeof key === 'number') return key;
    const [e, n, algorithm] = [call.params[0]!, call.params[1]!, call.params[2]!];
    const results = [put(e, key.e), put(n, key.n)];
    algorithm.a = TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA256;
    return results.find((result) => result !== TEE_SUCCESS) ?? TEE_SUCCESS;
  }

  /** cmd_get_ta_shdr_digest(), cmd_hash_ta_memory(), cmd_hash_tee_memory() */
  *#attest(call: PtaCall, { types, nonce, check, measure }: Measurement): Co<number> {
    if (call.types !== types) return TEE_ERROR_BAD_PARAMETERS;
    const [given, out] = [call.params[nonce]!, call.params[nonce + 1]!];
    const refused = given.size > 0 ? check(call) : TEE_ERROR_BAD_PARAMETERS;
    if (refused !== TEE_SUCCESS) return refused;
    const key = yield* this.#needKey(call);
    if (typeof key === 'number') return key;
    const room = out.size;
    out.size = SHA256.size + key.n.length;
    if (room < out.size) return TEE_ERROR_SHORT_BUFFER;
    const measured = yield* measure(this.#guest, call);
    if (typeof measured === 'number') return measured;
    const { crypto } = this.#guest.nexus;
    const signature = key.sign(crypto.hash(SHA256.name, concat(given.bytes, measured)));
    if (typeof signature === 'number') return signature;
    out.bytes.set(concat(measured, signature));
    return TEE_SUCCESS;
  }

  *#needKey({ thread }: PtaCall): Co<AttestationKey | number> {
    if (this.#key !== undefined) return this.#key;
    const keep = (key: AttestationKey): void => {
      this.#key = key;
    };
    const res = yield* initKey(this.#guest, thread, keep);
    return res === TEE_SUCCESS ? this.#key! : res;
  }
}

function put(out: PtaParam, octets: Uint8Array): number {
  const room = out.size;
  out.size = octets.length;
  if (room < octets.length) return TEE_ERROR_SHORT_BUFFER;
  out.bytes.set(octets);
  return TEE_SUCCESS;
}

/** hash_binary(): whichever store has the TA; what the last one says when none has. */
function* headerDigest({ manager, nexus }: Guest, call: PtaCall): Co<Uint8Array | number> {
  const { bytes } = call.params[0]!;
  const uuid = getUuidStruct(new DataView(bytes.buffer, bytes.byteOffset), 0);
  let found: Uint8Array | number = TEE_ERROR_ITEM_NOT_FOUND;
  for (const store of manager.taStores) {
    found = yield* store.tag(call.thread, uuid);
    if (typeof found !== 'number' || found === TEE_ERROR_NOT_SUPPORTED) break;
  }
  if (typeof found !== 'number') return fillHash(found, call.params[2]!);
  const isTypeScript = nexus.earlyTas.has(uuid);
  nexus.trace.cause('secure', {
    layer: 'optee-os',
    code: codeName(TEE_ERROR, found),
    text: isTypeScript ? 'a TypeScript TA has no file' : 'there is no sound file of this TA',
    object: uuid,
  });
  return found;
}

/** A tag that is shorter than a hash leaves what was behind it; a longer one is refused. */
function fillHash(tag: Uint8Array, { bytes }: PtaParam): Uint8Array | number {
  if (tag.length > SHA256.size) return TEE_ERROR_SHORT_BUFFER;
  const hash = bytes.slice(0, SHA256.size);
  hash.set(tag);
  return hash;
}
