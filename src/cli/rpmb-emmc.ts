/**
 * `--rpmb`: the replay-protected partition of the board's eMMC, kept beside the files of secure
 * storage. A new one comes as from a factory, with the key of the core that is built with the box's
 * options: by way of the kernel a core programs none.
 */
import { RPMB_SIZE_SINGLE } from '../abi/optee-rpc.ts';
import type { KeptRpmb } from '../box/box.ts';
import { NodeCrypto } from '../host/node/crypto.ts';
import { StoreError } from '../host/store.ts';
import type { ByteStore } from '../host/store.ts';
import { EMU_RPMB_CID, newRpmbImage, parseRpmbImage } from '../machine/emulated-rpmb.ts';
import type { ImageRange } from '../machine/emulated-rpmb.ts';
import type { OpteeOsConfig } from '../optee-os/config.ts';
import { RPMB_TEST_KEY, rpmbKey } from '../optee-os/storage/rpmb-link.ts';
import { CliError } from './command.ts';

/** The device's file. Its dot hides it from the secure world's listings, as that of the emulation. */
export const RPMB_EMMC_FILE = '.rpmb-emmc';

/** What a new device is like. */
export interface RpmbShape {
  /** Units of 128 KiB. */
  readonly sizeMult: number;
  readonly cid: Uint8Array | undefined;
}

/**
 * The device in a store, made where there is none and one is wanted; undefined without.
 * @throws CliError when it is damaged, or not the one that is wanted
 */
export function rpmbEmmc(
  store: ByteStore,
  wanted: RpmbShape | undefined,
  { CFG_RPMB_TESTKEY }: Partial<OpteeOsConfig>,
): KeptRpmb | undefined {
  // An empty file was being made when the power went.
  const bytes = store.stat(RPMB_EMMC_FILE)?.sizeBytes ?? 0;
  if (bytes === 0 && wanted === undefined) return undefined;
  const image =
    bytes === 0
      ? made(store, wanted!, CFG_RPMB_TESTKEY === true)
      : store.read(RPMB_EMMC_FILE, 0, bytes)!.slice();
  check(image, wanted);
  return { image, keep: (changed) => written(store, image, changed) };
}

/** False when the disk fails; what is missing then comes with the next change. */
function written(store: ByteStore, image: Uint8Array, changed: readonly ImageRange[]): boolean {
  if (changed.length === 0) return true;
  try {
    for (const { offset, length } of changed) {
      store.write(RPMB_EMMC_FILE, offset, image.subarray(offset, offset + length));
    }
    store.sync(RPMB_EMMC_FILE);
  } catch (error) {
    if (error instanceof StoreError) return false;
    throw error;
  }
  return true;
}

function made(store: ByteStore, { sizeMult, cid }: RpmbShape, testKey: boolean): Uint8Array {
  const key = testKey ? RPMB_TEST_KEY : rpmbKey(new NodeCrypto(), cid ?? EMU_RPMB_CID);
  const image = newRpmbImage(sizeMult, cid, key);
  try {
    store.createFile(RPMB_EMMC_FILE);
    store.write(RPMB_EMMC_FILE, 0, image);
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    throw new CliError(`no eMMC can be kept: ${error.message}`);
  }
  return image;
}

function check(image: Uint8Array, wanted: RpmbShape | undefined): void {
  const found = parseRpmbImage(image);
  const anew = 'remove it for a new one; what the secure world keeps in it is lost';
  if (found === undefined) {
    throw new CliError(`${RPMB_EMMC_FILE}: ${image.length} bytes are no RPMB device: ${anew}`);
  }
  const sizeFits = wanted === undefined || wanted.sizeMult === found.sizeMult;
  const cidFits = wanted?.cid?.every((octet, n) => octet === found.cid[n]) ?? true;
  if (!sizeFits || !cidFits) {
    const what = `${(found.sizeMult * RPMB_SIZE_SINGLE) / 1024} KiB, CID ${Buffer.from(found.cid).toString('hex')}`;
    throw new CliError(`${RPMB_EMMC_FILE} is another device (${what}): ${anew}`);
  }
}
