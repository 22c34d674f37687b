/** Elliptic curves over @noble/curves: its own where it has them, else its engine with parameters. */
import { ecdsa, weierstrass } from '@noble/curves/abstract/weierstrass.js';
import type {
  ECDSA,
  WeierstrassOpts,
  WeierstrassPoint,
  WeierstrassPointCons,
} from '@noble/curves/abstract/weierstrass.js';
import { p256, p384, p521 } from '@noble/curves/nist.js';
import { sha1 } from '@noble/hashes/legacy.js';
import { sha224 } from '@noble/hashes/sha2.js';
import type { AffinePoint, HostCurve, HostEcdsaCurve, NistCurve } from '../public-key.ts';

type Point = WeierstrassPoint<bigint>;

/** Source: FIPS 186-4, D.1.2.1. */
const P192: WeierstrassOpts<bigint> = {
  p: 0xfffffffffffffffffffffffffffffffeffffffffffffffffn,
  n: 0xffffffffffffffffffffffff99def836146bc9b1b4d22831n,
  h: 1n,
  a: 0xfffffffffffffffffffffffffffffffefffffffffffffffcn,
  b: 0x64210519e59c80e70fa7e9ab72243049feb8deecc146b9b1n,
  Gx: 0x188da80eb03090f67cbf20eb43a18800f4ff0afd82ff1012n,
  Gy: 0x07192b95ffc8da78631011ed6b24cdd573f977a11e794811n,
};

/** Source: FIPS 186-4, D.1.2.2. */
const P224: WeierstrassOpts<bigint> = {
  p: 0xffffffffffffffffffffffffffffffff000000000000000000000001n,
  n: 0xffffffffffffffffffffffffffff16a2e0b8f03e13dd29455c5c2a3dn,
  h: 1n,
  a: 0xfffffffffffffffffffffffffffffffefffffffffffffffffffffffen,
  b: 0xb4050a850c04b3abf54132565044b0b7d7bfd8ba270b39432355ffb4n,
  Gx: 0xb70e0cbd6bb4bf7f321390b94a03c1d356c21122343280d6115c1d21n,
  Gy: 0xbd376388b5f723fb4c22dfe6cd4375a05a07476444d5819985007e34n,
};

/** Source: GM/T 0003.5-2012, the recommended curve. */
const SM2: WeierstrassOpts<bigint> = {
  p: 0xfffffffeffffffffffffffffffffffffffffffff00000000ffffffffffffffffn,
  n: 0xfffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123n,
  h: 1n,
  a: 0xfffffffeffffffffffffffffffffffffffffffff00000000fffffffffffffffcn,
  b: 0x28e9fa9e9d9f5e344d5a9e4bcf6509a7f39789f515ab8f92ddbcbd414d940e93n,
  Gx: 0x32c4ae2c1f1981195f9904466a39c9948fe30bbff2660be1715a4589334c74c7n,
  Gy: 0xbc3736a2f4f6779c59bdcee36b692153d0a9877cc62a474002df32e52139f0a0n,
};

class NobleCurve implements HostCurve {
  readonly prime: bigint;
  readonly order: bigint;
  readonly a: bigint;
  readonly b: bigint;
  readonly base: AffinePoint;
  readonly #points: WeierstrassPointCons<bigint>;

  constructor(points: WeierstrassPointCons<bigint>) {
    const { p, n, a, b, Gx, Gy } = points.CURVE();
    this.prime = p;
    this.order = n;
    this.a = a;
    this.b = b;
    this.base = { x: Gx, y: Gy };
    this.#points = points;
  }

  contains(point: AffinePoint): boolean {
    return this.#find(point) !== undefined;
  }

  multiply(point: AffinePoint, scalar: bigint): AffinePoint | undefined {
    const factor = scalar % this.order;
    const found = factor === 0n ? undefined : this.#find(point);
    return found === undefined ? undefined : affine(found.multiply(factor));
  }

  multiplyAdd(
    left: AffinePoint,
    a: bigint,
    right: AffinePoint,
    b: bigint,
  ): AffinePoint | undefined {
    const first = this.#find(left);
    const second = this.#find(right);
    if (first === undefined || second === undefined) return undefined;
    return affine(first.mulAddUnsafe(a % this.order, second, b % this.order));
  }

  /** The base is the engine's own point, which has its multiples at hand. */
  #find(point: AffinePoint): Point | undefined {
    if (point.x === this.base.x && point.y === this.base.y) return this.#points.BASE;
    try {
      const found = this.#points.fromAffine(point);
      found.assertValidity();
      return found;
    } catch {
      return undefined;
    }
  }
}

class NobleEcdsaCurve extends NobleCurve implements HostEcdsaCurve {
  readonly #ecdsa: ECDSA;

  constructor(scheme: ECDSA) {
    super(scheme.Point);
    this.#ecdsa = scheme;
  }

  sign(digest: Uint8Array, secret: bigint, entropy: Uint8Array | undefined): Uint8Array {
    const key = this.#ecdsa.Point.Fn.toBytes(secret);
    const options = { prehash: false, lowS: false, extraEntropy: entropy ?? false };
    return this.#ecdsa.sign(digest, key, options);
  }

  verify(digest: Uint8Array, signature: Uint8Array, key: AffinePoint): boolean {
    if (!this.contains(key)) return false;
    const encoded = this.#ecdsa.Point.fromAffine(key).toBytes(false);
    return this.#ecdsa.verify(signature, digest, encoded, { prehash: false, lowS: false });
  }
}

function affine(point: Point): AffinePoint | undefined {
  return point.is0() ? undefined : point.toAffine();
}

/** A curve's tables are made when it is first used. */
export class NobleCurves {
  readonly #curves = new Map<NistCurve, HostEcdsaCurve>();
  #sm2: HostCurve | undefined;

  get(name: NistCurve): HostEcdsaCurve {
    const known = this.#curves.get(name);
    if (known !== undefined) return known;
    const curve = new NobleEcdsaCurve(SCHEMES[name]());
    this.#curves.set(name, curve);
    return curve;
  }

  get sm2(): HostCurve {
    this.#sm2 ??= new NobleCurve(weierstrass(SM2));
    return this.#sm2;
  }
}

/** The hashes are those of the nonces, not of what is signed. */
const SCHEMES: Readonly<Record<NistCurve, () => ECDSA>> = {
  'P-192': () => ecdsa(weierstrass(P192), sha1),
  'P-224': () => ecdsa(weierstrass(P224), sha224),
  'P-256': () => p256,
  'P-384': () => p384,
  'P-521': () => p521,
};
