/**
 * RSA signatures of digests.
 *
 * Upstream counterparts: optee_os core/tee/tee_svc_cryp.c (syscall_asymm_operate,
 * syscall_asymm_verify, pkcs1_get_salt_len), core/lib/libtomcrypt/rsa.c (crypto_acipher_rsassa_*),
 * src/pk/rsa/rsa_sign_hash.c and rsa_verify_hash.c. Left out: fault mitigation, but for its panic at a
 * comparison of no bytes.
 */
import {
  TEE_ATTR_RSA_PSS_SALT_LENGTH,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_SHORT_BUFFER,
  TEE_ERROR_SIGNATURE_INVALID,
  TEE_MODE_SIGN,
} from '../../abi/gp.ts';
import type { HostCrypto } from '../../host/crypto.ts';
import type { TaAttribute } from '../../ta/runtime.ts';
import type { Size } from './asymmetric-context.ts';
import { deliver } from './asymmetric-context.ts';
import type { CryptoServices, KeyObject } from './contexts.ts';
import type { LtcError } from './ltc-result.ts';
import { convertVerifyStatus } from './ltc-result.ts';
import type { MainHash } from './main-hash.ts';
import { encodePss, verifyPss } from './pkcs1-pss.ts';
import { acceptedDigestInfos, decodeEmsa, encodeDigestInfo, encodeEmsa } from './pkcs1-v1-5.ts';
import { RsaContext } from './rsa-context.ts';

/** What a signature is of. */
interface Signed {
  readonly digest: Uint8Array;
  readonly saltLength: number;
  readonly modulusBits: number;
}

/** One padding of signatures. */
export interface SignatureScheme {
  /** Undefined when any content is signed as it is. */
  readonly hash: MainHash | undefined;
  encode(services: CryptoServices, signed: Signed): Uint8Array | LtcError;
  /** @param block as long as the modulus */
  verify(services: CryptoServices, signed: Signed, block: Uint8Array): boolean | LtcError;
}

const bytesOf = ({ modulusBits }: Signed): number => Math.ceil(modulusBits / 8);

function decodesToOne(
  crypto: HostCrypto,
  block: Uint8Array,
  expected: readonly Uint8Array[],
): boolean | LtcError {
  const content = decodeEmsa(block);
  if (typeof content === 'string') return content;
  return expected.some((one) => crypto.timingSafeEqual(one, content));
}

export const v1_5 = (hash: MainHash): SignatureScheme => ({
  hash,
  encode: (_services, signed) => encodeEmsa(encodeDigestInfo(hash, signed.digest), bytesOf(signed)),
  verify: ({ crypto }, { digest }, block) =>
    decodesToOne(crypto, block, acceptedDigestInfos(hash, digest)),
});

/** TEE_ALG_RSASSA_PKCS1_V1_5: without DigestInfo around the content, of which there may be none. */
export const V1_5_NA1: SignatureScheme = {
  hash: undefined,
  encode: (_services, signed) => encodeEmsa(signed.digest, bytesOf(signed)),
  verify: ({ crypto, panic }, { digest }, block) => {
    const isRight = decodesToOne(crypto, block, [digest]);
    if (isRight === true && digest.length === 0 && panic !== undefined) {
      throw panic('___ftmn_set_check_res_memcmp', 'a comparison of no bytes');
    }
    return isRight;
  },
};

export const pss = (hash: MainHash): SignatureScheme => ({
  hash,
  encode: (services, { digest, saltLength, modulusBits }) =>
    encodePss(services, hash, digest, saltLength, modulusBits),
  verify: ({ crypto }, { digest, saltLength, modulusBits }, block) =>
    verifyPss(crypto, hash, digest, saltLength, modulusBits, block),
});

/** Salts are shorter than this; a longer one is as none. */
const INT_MAX = 0x7fffffff;

/** pkcs1_get_salt_len(): as long as the digest when nobody says. */
function saltLengthOf(attributes: readonly TaAttribute[], digestLength: number): number {
  const given = attributes.find(({ id }) => id === TEE_ATTR_RSA_PSS_SALT_LENGTH)?.a;
  return given !== undefined && given < INT_MAX ? given : digestLength;
}

export class Rsassa extends RsaContext {
  readonly #scheme: SignatureScheme;

  constructor(services: CryptoServices, mode: number, scheme: SignatureScheme) {
    super(services, mode);
    this.#scheme = scheme;
  }

  operate(
    key: KeyObject,
    attributes: readonly TaAttribute[],
    source: Uint8Array,
    out: Uint8Array,
    size: Size,
  ): number {
    if (this.mode !== TEE_MODE_SIGN || !this.#fits(source)) return TEE_ERROR_BAD_PARAMETERS;
    const rsa = this.rsa(key);
    const room = size.size;
    size.size = rsa.modulusBytes;
    if (room < rsa.modulusBytes) return TEE_ERROR_SHORT_BUFFER;
    const saltLength = saltLengthOf(attributes, source.length);
    const signed = { digest: source, saltLength, modulusBits: rsa.modulusBits };
    const block = this.#scheme.encode(this.services, signed);
    const result = typeof block === 'string' ? block : rsa.apply('private', block);
    return typeof result === 'string' ? TEE_ERROR_BAD_PARAMETERS : deliver(result, out, size);
  }

  override verify(
    key: KeyObject,
    attributes: readonly TaAttribute[],
    data: Uint8Array,
    signature: Uint8Array,
  ): number {
    if (!this.#fits(data)) return TEE_ERROR_BAD_PARAMETERS;
    const rsa = this.rsa(key);
    if (signature.length !== rsa.modulusBytes) return TEE_ERROR_SIGNATURE_INVALID;
    const block = rsa.apply('public', signature);
    if (typeof block === 'string') return convertVerifyStatus(block);
    const saltLength = saltLengthOf(attributes, data.length);
    const signed = { digest: data, saltLength, modulusBits: rsa.modulusBits };
    return convertVerifyStatus(this.#scheme.verify(this.services, signed, block));
  }

  #fits(digest: Uint8Array): boolean {
    const { hash } = this.#scheme;
    return hash === undefined || digest.length === hash.size;
  }
}
