/**
 * Ed25519: pure, with a context, or of a message's hash.
 *
 * Upstream counterparts: optee_os core/tee/tee_svc_cryp.c (tee_svc_obj_ed25519_*),
 * core/lib/libtomcrypt/ed25519.c, src/pk/ec25519/ec25519_crypto_ctx.c. Source: RFC 8032, 5.1.
 */
import {
  TEE_ATTR_ED25519_PRIVATE_VALUE,
  TEE_ATTR_ED25519_PUBLIC_VALUE,
  TEE_ATTR_EDDSA_CTX,
  TEE_ATTR_EDDSA_PREHASH,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_SHORT_BUFFER,
  TEE_ERROR_SIGNATURE_INVALID,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import type { HostCrypto } from '../../host/crypto.ts';
import type { TaAttribute } from '../../ta/runtime.ts';
import type { Operation, Verification } from './asymmetric-context.ts';
import { deliver } from './asymmetric-context.ts';
import type { KeyObject } from './contexts.ts';
import { SHA512, concat } from './main-hash.ts';

const SIGNATURE_BYTES = 64;
/** TEE_ED25519_CTX_MAX_LENGTH */
const LONGEST_CONTEXT = 255;

interface Parameters {
  prehash: boolean;
  /** Undefined when there is none; an empty one is none, too. */
  context: Uint8Array | undefined;
}

/** tee_svc_obj_ed25519_parse_params(). Undefined for BAD_PARAMETERS. */
function parse(attributes: readonly TaAttribute[]): Parameters | undefined {
  const found: Parameters = { prehash: false, context: undefined };
  for (const attribute of attributes) if (!take(found, attribute)) return undefined;
  return found;
}

/** The last word on hashing counts, but there is one context only. */
function take(found: Parameters, { id, a = 0, b = 0, content }: TaAttribute): boolean {
  if (id === TEE_ATTR_EDDSA_PREHASH) {
    found.prehash = a === 1;
    return b === 0 && (a === 0 || a === 1);
  }
  if (id !== TEE_ATTR_EDDSA_CTX || found.context !== undefined) return false;
  const length = content?.length ?? 0;
  if (length > 0) found.context = content;
  return length <= LONGEST_CONTEXT;
}

const PREFIX = Uint8Array.from('SigEd25519 no Ed25519 collisions', (c) => c.charCodeAt(0));

/** What is hashed before everything else: dom2(). */
function domainOf({ prehash, context }: Parameters): Uint8Array {
  if (!prehash && context === undefined) return new Uint8Array(0);
  const content = context ?? new Uint8Array(0);
  return concat(PREFIX, Uint8Array.of(prehash ? 1 : 0, content.length), content);
}

const signedOf = (crypto: HostCrypto, { prehash }: Parameters, message: Uint8Array): Uint8Array =>
  prehash ? crypto.hash(SHA512.name, message) : message;

const octets = (key: KeyObject, attribute: number): Uint8Array =>
  key.bytes(attribute) ?? new Uint8Array(32);

export function signEd25519({ services, key, attributes, source, out, size }: Operation): number {
  const parameters = parse(attributes);
  if (parameters === undefined) return TEE_ERROR_BAD_PARAMETERS;
  if (size.size < SIGNATURE_BYTES) {
    size.size = SIGNATURE_BYTES;
    return TEE_ERROR_SHORT_BUFFER;
  }
  const { crypto } = services;
  const seed = octets(key, TEE_ATTR_ED25519_PRIVATE_VALUE);
  const publicKey = octets(key, TEE_ATTR_ED25519_PUBLIC_VALUE);
  const message = signedOf(crypto, parameters, source);
  const domain = domainOf(parameters);
  return deliver(crypto.publicKey.ed25519.sign(seed, publicKey, domain, message), out, size);
}

export function verifyEd25519(verification: Verification): number {
  const { services, key, attributes, data, signature } = verification;
  const parameters = parse(attributes);
  if (parameters === undefined || signature.length !== SIGNATURE_BYTES) {
    return TEE_ERROR_BAD_PARAMETERS;
  }
  const { crypto } = services;
  const publicKey = octets(key, TEE_ATTR_ED25519_PUBLIC_VALUE);
  const message = signedOf(crypto, parameters, data);
  const domain = domainOf(parameters);
  const valid = crypto.publicKey.ed25519.verify(publicKey, domain, message, signature);
  if (valid === undefined) return TEE_ERROR_BAD_PARAMETERS;
  return valid ? TEE_SUCCESS : TEE_ERROR_SIGNATURE_INVALID;
}
