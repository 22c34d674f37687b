/**
 * RSA encryption with padding.
 *
 * Upstream counterparts: optee_os core/tee/tee_svc_cryp.c (syscall_asymm_operate),
 * core/lib/libtomcrypt/rsa.c (crypto_acipher_rsaes_*), src/pk/rsa/rsa_encrypt_key.c and
 * rsa_decrypt_key.c.
 */
import * as gp from '../../abi/gp.ts';
import type { TaAttribute } from '../../ta/runtime.ts';
import type { Size } from './asymmetric-context.ts';
import { deliver } from './asymmetric-context.ts';
import type { CryptoServices, KeyObject } from './contexts.ts';
import { convertCipherError } from './ltc-result.ts';
import type { MainHash } from './main-hash.ts';
import { MD5, SHA1, SHA224, SHA256, SHA384, SHA512 } from './main-hash.ts';
import type { OaepOptions } from './pkcs1-oaep.ts';
import { decodeOaep, encodeOaep } from './pkcs1-oaep.ts';
import { decodeEme, encodeEme } from './pkcs1-v1-5.ts';
import { RsaContext } from './rsa-context.ts';
import type { RsaKey } from './rsa-key.ts';

/** tee_algo_to_ltc_hashindex(): values of TEE_ATTR_RSA_OAEP_MGF_HASH, which names any user of a hash. */
const MGF_HASHES: ReadonlyMap<number, MainHash | 'none'> = new Map<number, MainHash | 'none'>([
  [gp.TEE_ALG_MD5, MD5],
  [gp.TEE_ALG_RSASSA_PKCS1_V1_5_MD5, MD5],
  [gp.TEE_ALG_RSASSA_PKCS1_PSS_MGF1_MD5, MD5],
  [gp.TEE_ALG_RSAES_PKCS1_OAEP_MGF1_MD5, MD5],
  [gp.TEE_ALG_SHA1, SHA1],
  [gp.TEE_ALG_RSASSA_PKCS1_V1_5_SHA1, SHA1],
  [gp.TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA1, SHA1],
  [gp.TEE_ALG_RSAES_PKCS1_OAEP_MGF1_SHA1, SHA1],
  [gp.TEE_ALG_SHA224, SHA224],
  [gp.TEE_ALG_RSASSA_PKCS1_V1_5_SHA224, SHA224],
  [gp.TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA224, SHA224],
  [gp.TEE_ALG_RSAES_PKCS1_OAEP_MGF1_SHA224, SHA224],
  [gp.TEE_ALG_SHA256, SHA256],
  [gp.TEE_ALG_RSASSA_PKCS1_V1_5_SHA256, SHA256],
  [gp.TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA256, SHA256],
  [gp.TEE_ALG_RSAES_PKCS1_OAEP_MGF1_SHA256, SHA256],
  [gp.TEE_ALG_SHA384, SHA384],
  [gp.TEE_ALG_RSASSA_PKCS1_V1_5_SHA384, SHA384],
  [gp.TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA384, SHA384],
  [gp.TEE_ALG_RSAES_PKCS1_OAEP_MGF1_SHA384, SHA384],
  [gp.TEE_ALG_SHA512, SHA512],
  [gp.TEE_ALG_RSASSA_PKCS1_V1_5_SHA512, SHA512],
  [gp.TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA512, SHA512],
  [gp.TEE_ALG_RSAES_PKCS1_OAEP_MGF1_SHA512, SHA512],
  [gp.TEE_ALG_RSASSA_PKCS1_V1_5, 'none'],
  [gp.TEE_ALG_RSAES_PKCS1_V1_5, 'none'],
]);

/** PKCS #1 v1.5 takes three octets and eight of padding. */
const V1_5_OVERHEAD = 11;
const MGF_HASH_BYTES = 4;
const EMPTY = new Uint8Array(0);

/** OAEP's, as they come with a call. */
interface Parameters {
  label: Uint8Array;
  /** TEE_ALG_*, 0 for the algorithm's own hash. */
  mgfAlgorithm: number;
}

export class Rsaes extends RsaContext {
  readonly #hash: MainHash | undefined;

  /** @param hash of OAEP; undefined for PKCS #1 v1.5 */
  constructor(services: CryptoServices, mode: number, hash: MainHash | undefined) {
    super(services, mode);
    this.#hash = hash;
  }

  operate(
    key: KeyObject,
    attributes: readonly TaAttribute[],
    source: Uint8Array,
    out: Uint8Array,
    size: Size,
  ): number {
    const parameters = this.#parse(attributes);
    if (parameters === undefined) return gp.TEE_ERROR_BAD_PARAMETERS;
    const rsa = this.rsa(key);
    if (this.mode === gp.TEE_MODE_ENCRYPT) return this.#encrypt(rsa, parameters, source, out, size);
    if (this.mode === gp.TEE_MODE_DECRYPT) return this.#decrypt(rsa, parameters, source, out, size);
    return gp.TEE_ERROR_BAD_PARAMETERS;
  }

  /** What comes after a label is not looked at. Undefined for a hash of another length. */
  #parse(attributes: readonly TaAttribute[]): Parameters | undefined {
    const found = { label: EMPTY, mgfAlgorithm: 0 };
    for (const { id, content = EMPTY } of attributes) {
      if (id === gp.TEE_ATTR_RSA_OAEP_LABEL) return { ...found, label: content };
      if (id !== gp.TEE_ATTR_RSA_OAEP_MGF_HASH || this.#hash === undefined) continue;
      if (content.length !== MGF_HASH_BYTES) return undefined;
      found.mgfAlgorithm = new DataView(content.buffer, content.byteOffset).getUint32(0, true);
    }
    return found;
  }

  #encrypt(
    rsa: RsaKey,
    parameters: Parameters,
    source: Uint8Array,
    out: Uint8Array,
    size: Size,
  ): number {
    const k = rsa.modulusBytes;
    const room = size.size;
    size.size = k;
    if (room < k) return gp.TEE_ERROR_SHORT_BUFFER;
    const oaep = this.#oaep(parameters);
    if (typeof oaep === 'number') return oaep;
    const block =
      oaep === undefined
        ? encodeEme(source, k, this.services.rng)
        : encodeOaep(this.services, oaep, source, k);
    const result = typeof block === 'string' ? block : rsa.apply('public', block);
    return typeof result === 'string' ? convertCipherError(result) : deliver(result, out, size);
  }

  #decrypt(
    rsa: RsaKey,
    parameters: Parameters,
    source: Uint8Array,
    out: Uint8Array,
    size: Size,
  ): number {
    const k = rsa.modulusBytes;
    const oaep = this.#oaep(parameters);
    if (typeof oaep === 'number') return oaep;
    // Upstream asks for a buffer of a negative size.
    if (oaep === undefined && k < V1_5_OVERHEAD) return gp.TEE_ERROR_OUT_OF_MEMORY;
    if (source.length !== k) return gp.TEE_ERROR_BAD_PARAMETERS;
    const block = rsa.apply('private', source);
    if (typeof block === 'string') return convertCipherError(block);
    const message = oaep === undefined ? decodeEme(block) : decodeOaep(this.services, oaep, block);
    return typeof message === 'string' ? convertCipherError(message) : deliver(message, out, size);
  }

  /** Undefined for PKCS #1 v1.5. @returns else the options, or a TEE_Result */
  #oaep({ label, mgfAlgorithm }: Parameters): OaepOptions | undefined | number {
    const hash = this.#hash;
    if (hash === undefined) return undefined;
    const mgfHash = mgfAlgorithm === 0 ? hash : MGF_HASHES.get(mgfAlgorithm);
    if (mgfHash === undefined) return gp.TEE_ERROR_BAD_PARAMETERS;
    // Without a hash the core's library fails in a way that nobody expects.
    return mgfHash === 'none' ? gp.TEE_ERROR_GENERIC : { hash, mgfHash, label };
  }
}
