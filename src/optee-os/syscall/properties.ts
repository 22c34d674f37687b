/**
 * Properties that the core answers, by set and index as the system call does. Those that a TA's own
 * library answers (gpd.ta.singleInstance and the like) are not here.
 *
 * Upstream counterpart: optee_os core/tee/tee_svc.c (tee_propset_*). Left out: vendor properties and
 * those of CPU features, which no build for the emulated board has.
 */
import {
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_PROPSET_CURRENT_CLIENT,
  TEE_PROPSET_CURRENT_TA,
  TEE_PROPSET_TEE_IMPLEMENTATION,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import {
  USER_TA_PROP_TYPE_BOOL,
  USER_TA_PROP_TYPE_IDENTITY,
  USER_TA_PROP_TYPE_STRING,
  USER_TA_PROP_TYPE_U32,
  USER_TA_PROP_TYPE_UUID,
} from '../../abi/ta-head.ts';
import { getUuidStruct } from '../../abi/uuid.ts';
import type { PropertyOut, TaPropertyValue } from '../../ta/runtime.ts';
import { HUK_SUBKEY_DIE_ID, hukSubkeyDerive } from '../kernel/huk-subkey.ts';
import type { TeeTaSession } from '../kernel/session.ts';
import { SYSTEM_TIME_PROTECTION_LEVEL, TA_TIME_PROTECTION_LEVEL } from '../kernel/tee-time.ts';
import type { Nexus } from '../nexus.ts';

interface PropertyRow {
  readonly name: string;
  /** USER_TA_PROP_TYPE_* */
  readonly type: number;
  readonly value: (nexus: Nexus, session: TeeTaSession) => TaPropertyValue;
}

/** Little endian. */
const CLIENT_ENDIAN = 0;
/** Anti-rollback: enforced by the normal world, or by an RPMB device. */
const ROLLBACK_REE = 100;
const ROLLBACK_HARDWARE = 1000;
/** struct with three registers of the die. Source: core/include/kernel/chip_services.h. */
const DIE_ID_BYTES = 12;

const row = (name: string, type: number, value: PropertyRow['value']): PropertyRow => ({
  name,
  type,
  value,
});

const CLIENT: readonly PropertyRow[] = [
  row('gpd.client.identity', USER_TA_PROP_TYPE_IDENTITY, (_nexus, { clientId }) => {
    return `${clientId.login}:${clientId.uuid}`;
  }),
  row('gpd.client.endian', USER_TA_PROP_TYPE_U32, () => CLIENT_ENDIAN),
];

const TA: readonly PropertyRow[] = [
  row('gpd.ta.appID', USER_TA_PROP_TYPE_UUID, (_nexus, session) => session.ctx!.uuid),
];

const TEE: readonly PropertyRow[] = [
  row('gpd.tee.apiversion', USER_TA_PROP_TYPE_STRING, (n) => n.config.CFG_TEE_API_VERSION),
  row('gpd.tee.description', USER_TA_PROP_TYPE_STRING, (n) => n.config.CFG_TEE_IMPL_DESCR),
  row('gpd.tee.deviceID', USER_TA_PROP_TYPE_UUID, (n) => deviceId(n)),
  row(
    'gpd.tee.systemTime.protectionLevel',
    USER_TA_PROP_TYPE_U32,
    () => SYSTEM_TIME_PROTECTION_LEVEL,
  ),
  row(
    'gpd.tee.TAPersistentTime.protectionLevel',
    USER_TA_PROP_TYPE_U32,
    () => TA_TIME_PROTECTION_LEVEL,
  ),
  row('gpd.tee.cryptography.ecc', USER_TA_PROP_TYPE_BOOL, () => true),
  row('gpd.tee.trustedStorage.antiRollback.protectionLevel', USER_TA_PROP_TYPE_U32, (n) =>
    n.config.CFG_RPMB_FS ? ROLLBACK_HARDWARE : ROLLBACK_REE,
  ),
  row('gpd.tee.trustedos.implementation.version', USER_TA_PROP_TYPE_STRING, (n) => {
    return `${n.config.CFG_OPTEE_REVISION_MAJOR}.${n.config.CFG_OPTEE_REVISION_MINOR}.0`;
  }),
  row('gpd.tee.trustedos.implementation.binaryversion', USER_TA_PROP_TYPE_U32, () => 0),
  row(
    'gpd.tee.trustedos.manufacturer',
    USER_TA_PROP_TYPE_STRING,
    (n) => n.config.CFG_TEE_MANUFACTURER,
  ),
  row(
    'gpd.tee.firmware.implementation.version',
    USER_TA_PROP_TYPE_STRING,
    (n) => n.config.CFG_TEE_FW_IMPL_VERSION,
  ),
  row('gpd.tee.firmware.implementation.binaryversion', USER_TA_PROP_TYPE_U32, () => 0),
  row(
    'gpd.tee.firmware.manufacturer',
    USER_TA_PROP_TYPE_STRING,
    (n) => n.config.CFG_TEE_FW_MANUFACTURER,
  ),
];

const SETS: ReadonlyMap<number, readonly PropertyRow[]> = new Map([
  [TEE_PROPSET_CURRENT_CLIENT, CLIENT],
  [TEE_PROPSET_CURRENT_TA, TA],
  [TEE_PROPSET_TEE_IMPLEMENTATION, TEE],
]);

/** syscall_get_property() */
export function propertyAt(
  nexus: Nexus,
  session: TeeTaSession,
  set: number,
  index: number,
  out: PropertyOut,
): number {
  const found = SETS.get(set)?.[index];
  if (found === undefined) return TEE_ERROR_ITEM_NOT_FOUND;
  out.name = found.name;
  out.type = found.type;
  out.value = found.value(nexus, session);
  return TEE_SUCCESS;
}

/** syscall_get_property_name_to_index() */
export function propertyIndex(set: number, name: string, out: { index: number }): number {
  const index = SETS.get(set)?.findIndex((property) => property.name === name) ?? -1;
  if (index < 0) return TEE_ERROR_ITEM_NOT_FOUND;
  out.index = index;
  return TEE_SUCCESS;
}

/** get_prop_tee_dev_id(): a version 5 UUID from the die's id, in the way of RFC 4122. */
function deviceId(nexus: Nexus): string {
  const name = new TextEncoder().encode('OPTEE');
  const dieId = hukSubkeyDerive(nexus.crypto, HUK_SUBKEY_DIE_ID, undefined, DIE_ID_BYTES);
  const uuid = nexus.crypto.hash('sha256', new Uint8Array([...name, ...dieId])).slice(0, 16);
  const view = new DataView(uuid.buffer, uuid.byteOffset);
  view.setUint16(6, (view.getUint16(6, true) & 0x0fff) | 0x5000, true);
  uuid[8] = (uuid[8]! & 0x3f) | 0x80;
  return getUuidStruct(view, 0);
}
