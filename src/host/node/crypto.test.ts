import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { HostCipherName } from '../crypto.ts';
import { NodeCrypto } from './crypto.ts';
import { EvpCrypto } from './evp-crypto.ts';
import { loadEvp } from './evp.ts';

const evp = loadEvp();
const HOSTS = [new NodeCrypto(), ...(evp === undefined ? [] : [new EvpCrypto(evp)])];
const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'));
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const ABC = new TextEncoder().encode('abc');

const KEY = hex('2b7e151628aed2a6abf7158809cf4f3c');
const PLAIN = hex('6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51');
const VECTORS: readonly (readonly [HostCipherName, string, string])[] = [
  ['aes-ecb', '', '3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf'],
  [
    'aes-cbc',
    '000102030405060708090a0b0c0d0e0f',
    '7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2',
  ],
  [
    'aes-ctr',
    'f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff',
    '874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff',
  ],
];

for (const crypto of HOSTS) {
  describe(crypto.constructor.name, () => {
    test('digests: one call, pieces, and a fork of the state (FIPS 180-2)', () => {
      const abc = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
      assert.equal(text(crypto.hash('sha256', ABC)), abc);
      const digest = crypto.digest('sha256');
      digest.update(ABC.subarray(0, 1));
      const fork = digest.copy();
      digest.update(ABC.subarray(1));
      fork.update(ABC.subarray(1, 2));
      assert.equal(text(digest.final()), abc);
      assert.equal(text(fork.final()), text(crypto.hash('sha256', ABC.subarray(0, 2))));
      assert.throws(() => crypto.digest('no such digest'));
    });

    test('hmac-sha256 (RFC 4231, case 2)', () => {
      const mac = crypto.hmac(
        'sha256',
        Buffer.from('Jefe'),
        Buffer.from('what do ya want for nothing?'),
      );
      assert.equal(text(mac), '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843');
    });

    for (const [mode, iv, cipher] of VECTORS) {
      test(`${mode} block by block, both ways, without padding (SP 800-38A)`, () => {
        for (const encrypt of [true, false]) {
          const [input, output] = encrypt ? [PLAIN, cipher] : [hex(cipher), text(PLAIN)];
          const under = crypto.cipher(mode, encrypt, KEY, hex(iv));
          const first = under.update(input.subarray(0, 16));
          assert.equal(first.length, 16, 'nothing is held back');
          assert.equal(text(first) + text(under.update(input.subarray(16))), output);
        }
      });
    }

    test('aes-gcm: payload in pieces, tag, and a wrong tag (McGrew and Viega, case 4)', () => {
      const key = hex('feffe9928665731c6d6a8f9467308308');
      const nonce = hex('cafebabefacedbaddecaf888');
      const aad = hex('feedfacedeadbeeffeedfacedeadbeefabaddad2');
      const plain = hex(
        'd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72' +
          '1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39',
      );
      const sealing = crypto.aesGcm(true, key, nonce, 16);
      sealing.aad(aad);
      const sealed =
        text(sealing.update(plain.subarray(0, 5))) + text(sealing.update(plain.subarray(5)));
      assert.equal(
        sealed,
        '42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e' +
          '21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091',
      );
      const tag = sealing.tag();
      assert.equal(text(tag), '5bc94fbc3221a5db94fae95ae7121a47');
      for (const right of [true, false]) {
        const opening = crypto.aesGcm(false, key, nonce, 16);
        opening.aad(aad);
        assert.equal(text(opening.update(hex(sealed))), text(plain));
        const given = Uint8Array.from(tag);
        if (!right) given[15]! ^= 1;
        assert.equal(opening.verify(given), right);
      }
    });
  });
}
