/**
 * For tests: `.ta` files, as scripts/sign_encrypt.py of optee_os makes them, with keys that exist for
 * tests only.
 */
import { constants, createHash, createPrivateKey, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import {
  TEE_ALG_AES_GCM,
  TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA256,
  TEE_ALG_RSASSA_PKCS1_V1_5_SHA256,
  TEE_ATTR_RSA_MODULUS,
  TEE_ATTR_RSA_PUBLIC_EXPONENT,
} from '../../abi/gp.ts';
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
  ShdrSubkeyAttr,
} from '../../abi/shdr.ts';
import { parseUuid } from '../../abi/uuid.ts';
import { NodeCrypto } from '../../host/node/crypto.ts';
import { concat } from '../crypto/main-hash.ts';
import { HUK_SUBKEY_TA_ENC, hukSubkeyDerive } from '../kernel/huk-subkey.ts';
import type { TaPubKey } from '../kernel/ta-pub-key.ts';

const privateKey = (der: string): KeyObject =>
  createPrivateKey({ key: Buffer.from(der, 'base64'), format: 'der', type: 'pkcs8' });

/** What a build signs its TAs with. */
export const SIGNING_KEY = privateKey(
  'MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQDJYwB2KBKqfukymT4ZFRzNrID+FNwzHutM' +
    'hu3epjCmd0XUK2Rzu1okrybgOh+KOhqN8x71t/Zrd4aLgZ55o12Rg778by5X483CtPDZcSUVWmpKFAG8p79C' +
    'iSxWeTvdheITKJylkKugLddrHNCXi0975DWjZIgJ1WTRCBWDxIypeDZN+AEewLAKiZU0IFbrXDm5nmQf/mPL' +
    '/RNnjoM/xBQaayFdfVYuyyjoiAfNGHFaNchfwy8aF4XRpifjI9S6igx88Am0dRjMh+PdfxwNAsUogyix1eTF' +
    'VGrGpfXuwxm87kB9Ui6xX8plA2w8S1+Z2K2h46ApcpvS7bWyeb0bqbpZAgMBAAECggEABewlbVQhsxCRvG0z' +
    '8vo4o0vOwf93DQHRxam01na+DjHfxII/gq/LJ4exyvz/7x66UoZd2LgU78rPaCGNuYy2XxB9eLWu/+KxKxK1' +
    '1Tngmfooug5QkW3AJYLHN7ElCOS7u03XHX9drL5BtuKyt7eJxN5MktuNV0yxRFHKitooO4Ds0LlYNA74S3yQ' +
    'WihYRX2oChO8LRKQCyF+oY3F2YvBTfYfGgnOdhFDNj0iPdTtVpiL7Orqk4RCAXKBBBo3gc165lKrznvTz9PK' +
    '08iQKbXCeLOJT3PRzdyo5hUoj9SI0i4yXZUJMfKuN16l4pKA5uQ08C4PYfFJW0mzo439dUJtAQKBgQDyDFqC' +
    'XQsR4TQDZWpxSan3Sf3o3Sk3qDAdQH1IZpcnARCQED8m+yHLiIytjc+IRjeAgAtN/+m9LjTo0zw8Z+aOM//M' +
    'ZE/J0naJJd+n7OGzGEe/IW5y1sxnal0vfRi9mUbqQYkFX3GWQ1swOYYBb8atMGHKMM2cfQ5DzbjlEZebiQKB' +
    'gQDU/qZQyiSdCcjiSvFvQt4+OJQM/yugcpViIjte4/FOoYhLrf8ok8aX+SDsOkJhIKvcAHVx6eWAVOs1Jwed' +
    'GhnK0aEO2QFRUzPNW7MedfHv/6wMGa9FFDE4kcLjtiWJNIUsHN9feI4atfQLUq48xcWxlPjRRxmfiS4hw/NF' +
    'lnBkUQKBgACmZ9fRyCXUJP+dVhvXxs0TNctaTLIJkZeChNOc8ur35cN9R64jHoQdacNNjjEffyapMV6UQVxw' +
    's1OsvYyr+sKHATjbTBuOpSLZJzCcQj7o4chxnopQaVwdvQJTo61erAIVCvkouHVe2O/YN7PpSO9OIfUZDHRP' +
    'Iaqs8sIque2BAoGBAKoy5pGuRf2awQRa4HyI0XCk42FTUfg/N7GYKxsTSFMN7wySeE9jbpEoCS/bCgn1An+l' +
    'ejPRtIuMz/rEOmhGYA/a3TkxHMVwl/dkbEhN9UtTYZa1u4GWthI/H524glwWNMhgNfpjKiKb/OxDYGm9m9Dg' +
    'esc4ang6NTvUCgQ0R5FRAoGBAL8xKX90tb7GMe8l7u+prQjeGge1JgMARV7/MGSRMANSFq03u/UXLHC1gnFK' +
    'sDDxwmf04tWjcPjgMWPM+cS9EwYuv7FuAdwytR7geItkzDAHUd1W93sDAkn/fwkYoxGlsVwfiu1f755HSEPb' +
    'NtPTdHn39J3B4KMXE7WQrZQw3/FD',
);

/** A key for a subkey. */
export const SUBKEY_KEY = privateKey(
  'MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQCXn1ZYrSa/1SRkJVZ38a8w6LinSicnHJqG' +
    'G/Xfs3iLYWR3kv9dGGme9XK902FqViwaMhKWZKfiBFJJtYS9OlO3NXc3KzBg8IYdj3jrFTC7vT2PewT2GJ7D' +
    'YpSk8jq8pmvl/3Yq1dCF9hzdYgCtE8mCuNys0DqYBJx7HCbxisbDhQs906PNA6fqUj4FzU4DITzwpKJT/xp/' +
    '/FnY4n/oOCFaEbHsSoguO3050JUdgzieWepGNNBQZQ1+gYGyFzWafKDSbw4LyP2udq4p9C7aMfZ1268burIQ' +
    'IuUgrfMi/f+yiH+6HqGdNF8X711iIQDxNrtpK/DP7e0iSuNxRXEYvq8NAgMBAAECggEAA7KAFAYXSYE+JtUE' +
    'QHhO9qKnvtvF8nDpOB3EoQS+Ct2mnTkJhUpVm2mbBGCVrqNusuE6s83wWOIUsZukCRgIt5FHS9VmE7V5x8An' +
    'L8nvl/xiEANTcfIHjEMoopCnkjcXe99lXcXV+y/iF061YbZET5Q7b7/DvGlyxjImPvVmQ5k+1Dmw8dzdvmvA' +
    'IkLyWlogx1hBo+jDSe2wknfmtKDE/Ig6SbYsSmQtJATk0aNuTHvuRYkKnBppNDyKV/dmINgr7vWlvA9ot6oJ' +
    'u9kRAVVHxm3Km9dFTYwBQYCz5uD8Mre4GPEiAMtQ1DWBcuSfCDcsWkEjiUgrvEoSOvGJVT1SgQKBgQDHuH4o' +
    'Hu1XtpxlZE2KVubeB57Z27W00EZa1tAjeg+ZiCnxyIIjTComhQi8p6FL+rqCct+oF5ZKumB9/xCJNAd3B15j' +
    '8LKA8/6+jKeVXjXvoGF51WPuzZzir4UU+u3Y0t7gIieqhWZMZePsdpoAOYBYX/uXxQM3X6VglClqkGbrwQKB' +
    'gQDCWR5BGxhIVrZ6a8pYut9YgcpWwZ8NHluVrHhoChdrf4BL5kKOBpB5/y74TRcRzQbxkACqYqVh7Gz61vdH' +
    'roLhC7ypYjzCn6joDkPsvDkbHMym6JU2wRKPXDKGyqydA3ZcMRoKJrtPoL0VMf/1WrBquHhrPKeemmvzoqEd' +
    'hhNGTQKBgQCg83Z/wMTHDjwlndq7ZOMzBXMn4N8js0EvjbQ5EvIlac1bs5nk9kl1t3peBr1/LLVH0Wma3j9Z' +
    'Q6/lejuKRqrJat/PrLc+IuQmDdY0ErNmxJophCW/2mXXbVnTmZE6Tl4cxImw60aQxQAUnVPoYG6lSdzI55V6' +
    '95KgLWbfITZAQQKBgHIBLQosBraIh0qQ6IXcOSAGItd5hP+BC2BlZ8w//zUD+hKL5AbEOwQVeUwWjK3Yg3Y4' +
    'buuEKlejBNqwNyZJbGTvKaCDC/lvBvn5REcesrEA19whG0afQ2/tOYZwZYlFeqzh8NB7n+058TD5v5gBtvMj' +
    'eyAM2JblJuYoRDK5b50RAoGAPhOj79as7E/Ormt7MgYH84qVlVh/UTyEBxoAJx0fd88WEbi/IK0+F2um7EhP' +
    'IzBEaq5xxahmFxVqOt0cD8NbWrcNxaN0EFW77lysULxl0Q9fByHRLpAyNz0WvjKpYi4tZIkrH2ymJ5vPhmMD' +
    'mgz2amEpM5t3WyhLWEXWkOF3n50=',
);

const numbersOf = (key: KeyObject): { n: Uint8Array; e: Uint8Array } => {
  const { n, e } = key.export({ format: 'jwk' });
  return { n: Buffer.from(n!, 'base64url'), e: Buffer.from(e!, 'base64url') };
};

export const SIGNING_PUB_KEY: TaPubKey = { modulus: numbersOf(SIGNING_KEY).n, exponent: 65537 };

export interface HeaderOptions {
  readonly key?: KeyObject;
  /** PKCS #1 v1.5 instead of PSS. */
  readonly v1_5?: boolean;
  /** Changes the signed header before it is signed. */
  readonly edit?: (view: DataView) => void;
}

/** A signed header over `parts`, of which the last is the image. */
function signed(type: number, parts: readonly Uint8Array[], options: HeaderOptions): Uint8Array {
  const { key = SIGNING_KEY, v1_5 = false, edit = () => undefined } = options;
  const head = new Uint8Array(Shdr.byteLength);
  const view = new DataView(head.buffer);
  Shdr.magic.set(view, 0, SHDR_MAGIC);
  Shdr.imgType.set(view, 0, type);
  Shdr.imgSize.set(view, 0, parts.at(-1)!.length);
  const algo = v1_5 ? TEE_ALG_RSASSA_PKCS1_V1_5_SHA256 : TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA256;
  Shdr.algo.set(view, 0, algo);
  Shdr.hashSize.set(view, 0, 32);
  Shdr.sigSize.set(view, 0, 256);
  edit(view);
  const covered = concat(head, ...parts);
  const padding = v1_5 ? constants.RSA_PKCS1_PADDING : constants.RSA_PKCS1_PSS_PADDING;
  const signature = sign('sha256', covered, { key, padding, saltLength: 32 });
  const digest = createHash('sha256').update(covered).digest();
  return concat(head, digest, signature);
}

function bootstrapOf(uuid: string, version: number): Uint8Array {
  const out = new Uint8Array(ShdrBootstrapTa.byteLength);
  out.set(parseUuid(uuid));
  ShdrBootstrapTa.taVersion.set(new DataView(out.buffer), 0, version);
  return out;
}

/** Without UUID and version. */
export const legacyTa = (image: Uint8Array, options: HeaderOptions = {}): Uint8Array =>
  concat(signed(SHDR_TA, [image], options), image);

export function bootstrapTa(
  uuid: string,
  version: number,
  image: Uint8Array,
  options: HeaderOptions = {},
): Uint8Array {
  const bootstrap = bootstrapOf(uuid, version);
  return concat(signed(SHDR_BOOTSTRAP_TA, [bootstrap, image], options), bootstrap, image);
}

export interface Encryption {
  readonly algo?: number;
  readonly ivSize?: number;
}

export function encryptedTa(
  uuid: string,
  version: number,
  image: Uint8Array,
  { algo = TEE_ALG_AES_GCM, ivSize = 12 }: Encryption = {},
): Uint8Array {
  const crypto = new NodeCrypto();
  const iv = new Uint8Array(ivSize).fill(3);
  const key = hukSubkeyDerive(crypto, HUK_SUBKEY_TA_ENC, SIGNING_PUB_KEY.modulus, 32);
  const gcm = crypto.aesGcm(true, key, ivSize === 0 ? new Uint8Array(1) : iv, 16);
  const stored = gcm.update(image);
  const head = new Uint8Array(ShdrEncryptedTa.byteLength);
  const view = new DataView(head.buffer);
  ShdrEncryptedTa.encAlgo.set(view, 0, algo);
  ShdrEncryptedTa.ivSize.set(view, 0, ivSize);
  ShdrEncryptedTa.tagSize.set(view, 0, 16);
  const encryption = concat(head, iv, gcm.tag());
  const bootstrap = bootstrapOf(uuid, version);
  const header = signed(SHDR_ENCRYPTED_TA, [bootstrap, encryption, image], {});
  return concat(header, bootstrap, encryption, stored);
}

export interface SubkeyFields {
  readonly uuid: string;
  readonly version?: number;
  readonly maxDepth?: number;
  /** Of the name space, as it lies in the file; empty for the subkey's own UUID. */
  readonly name?: Uint8Array;
}

/** What stands before the header that SUBKEY_KEY signs. */
export function subkey(fields: SubkeyFields, options: HeaderOptions = {}): Uint8Array {
  const { uuid, version = 0, maxDepth = 0, name = new Uint8Array(0) } = fields;
  const { n, e } = numbersOf(SUBKEY_KEY);
  const head = new Uint8Array(ShdrSubkey.byteLength + 2 * ShdrSubkeyAttr.byteLength);
  const view = new DataView(head.buffer);
  head.set(parseUuid(uuid));
  ShdrSubkey.nameSize.set(view, 0, name.length);
  ShdrSubkey.subkeyVersion.set(view, 0, version);
  ShdrSubkey.maxDepth.set(view, 0, maxDepth);
  ShdrSubkey.algo.set(view, 0, TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA256);
  ShdrSubkey.attrCount.set(view, 0, 2);
  let offs = head.length;
  const values = [
    [TEE_ATTR_RSA_MODULUS, n],
    [TEE_ATTR_RSA_PUBLIC_EXPONENT, e],
  ] as const;
  for (const [i, [id, value]] of values.entries()) {
    const at = ShdrSubkey.byteLength + i * ShdrSubkeyAttr.byteLength;
    ShdrSubkeyAttr.id.set(view, at, id);
    ShdrSubkeyAttr.offs.set(view, at, offs);
    ShdrSubkeyAttr.size.set(view, at, value.length);
    offs += value.length;
  }
  const image = concat(head, n, e);
  return concat(signed(SHDR_SUBKEY, [image], options), image, name);
}
