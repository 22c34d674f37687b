/**
 * Compares the tables with OP-TEE OS's own headers when its source is at hand:
 *
 *     TEEBOX_OPTEE_OS=/path/to/optee_os node --test src/abi/abi-optee-os.test.ts
 *
 * Nothing on a build machine installs these headers; without the variable the values are those that
 * `abi-sheets.test.ts` pins.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import {
  compareStructs,
  constantsOf,
  definedNames,
  evaluate,
  readHeader,
  sameInteger,
  skipWithoutCc,
} from './c-probe.test.ts';
import * as panic from './gp-panic.ts';
import * as socket from './gp-socket.ts';
import * as gp from './gp.ts';
import type { StructInfo } from './layout.ts';
import * as ldelf from './ldelf.ts';
import * as ffa from './optee-ffa.ts';
import * as msg from './optee-msg.ts';
import * as rpc from './optee-rpc.ts';
import * as smc from './optee-smc.ts';
import * as pta from './pta.ts';
import * as shdr from './shdr.ts';
import * as head from './ta-head.ts';
import * as utee from './utee.ts';
import { TeeUuid } from './uuid.ts';

const ROOT = process.env['TEEBOX_OPTEE_OS'] ?? '';
const skip = skipWithoutCc || (ROOT === '' ? 'TEEBOX_OPTEE_OS is not set' : false);

const INCLUDE_DIRS = [
  'lib/libutee/include',
  'lib/libutils/ext/include',
  'core/include',
  'core/arch/arm/include',
  'ldelf/include',
  'ta/trusted_keys/include',
  'ta/qcom_pas/include',
].map((d) => join(ROOT, d));

const UTEE = 'lib/libutee/include';
const API = [
  'tee_api_defines.h',
  'tee_api_defines_extensions.h',
  'tee_syscall_numbers.h',
  'utee_types.h',
  'user_ta_header.h',
  '__tee_isocket_defines.h',
  '__tee_tcpsocket_defines.h',
  '__tee_tcpsocket_defines_extensions.h',
  '__tee_udpsocket_defines.h',
  ...['device', 'system', 'stats', 'invoke_tests', 'gprof', 'socket', 'secstor_ta_mgmt'].map(
    (n) => `pta_${n}.h`,
  ),
  ...['rng', 'rtc', 'scmi_client', 'attestation', 'apdu', 'scp03', 'qcom_pas'].map(
    (n) => `pta_${n}.h`,
  ),
];
const CORE = ['optee_msg.h', 'optee_rpc_cmd.h', 'signed_hdr.h'];
const ARM = ['sm/optee_smc.h', 'optee_ffa.h', 'ffa.h'];

/** Their <stdint.h> also has U(); the system's has not. */
const PREAMBLE = [
  '#include <stdint.h>',
  '#define U(v) v##U',
  ...[...API, ...CORE, ...ARM, 'ldelf.h', 'trusted_keys.h', 'ta_qcom_pas.h'].map(
    (h) => `#include <${h}>`,
  ),
].join('\n');

const MODULES = { gp, panic, socket, ldelf, ffa, msg, rpc, smc, pta, shdr, head, utee };

/** Ours, and macros of no header above: enums, other projects' names, helpers of this room. */
const NOT_MACROS = [
  /^TEEC_/,
  /^TEE_CACHE(CLEAN|FLUSH|INVALIDATE)$/,
  /^TEE_IP_VERSION_/,
  /^TEE_PROPSET_/,
  /^(SHDR_(TA|BOOTSTRAP_TA|ENCRYPTED_TA|SUBKEY|ENC_KEY_\w+))$/,
  /^USER_TA_PROP_TYPE_/,
  /^UTEE_(TIME_CAT|ENTRY_FUNC)_/,
  /^TA_HEAD_DEPR_ENTRY_NONE$/,
  /^PTA_(MANDATORY|ALLOWED|DEFAULT)_FLAGS$/,
  /^(FTPM|TA_CMD_BNXT|PTA_STMM)_/,
  /^OPTEE_MSG_(IMAGE_LOAD_UID_\d|PAGES_PER_LIST_PAGE)$/,
  /^OPTEE_RPC_RPMB_(UFS|NVME)$/,
  /^RPMB_/,
  /^ARM_SMCCC_/,
  /^OPTEE_SMC_(RPC_PARAM_COUNT_MASK|FUNCID_LOAD_IMAGE|CALL_LOAD_IMAGE)$/,
  // OP-TEE OS leaves VALUE out of these two names.
  /^OPTEE_SMC_ASYNC_NOTIF_VALUE_(VALID|PENDING)$/,
];

describe('OP-TEE OS headers', { skip }, () => {
  test('our constants', () => {
    const ours = new Map(Object.values(MODULES).flatMap((m) => [...constantsOf(m)]));
    const got = evaluate(
      PREAMBLE,
      [...ours.keys()].map((name) => ({ key: name, expr: name, ifdef: name })),
      INCLUDE_DIRS,
    );
    for (const [name, value] of got) {
      const mine = ours.get(name) ?? 0;
      assert.ok(sameInteger(mine, value), `${name} is ${value} in C and ${mine} here`);
    }
    const unknown = [...ours.keys()].filter(
      (name) => !got.has(name) && !NOT_MACROS.some((re) => re.test(name)),
    );
    assert.deepEqual(unknown, []);
    assert.ok(got.size > 800, `${got.size} compared`);
  });

  test('their constants', () => {
    const ours = new Set(Object.values(MODULES).flatMap((m) => [...constantsOf(m).keys()]));
    const files = [
      ...API.map((h) => `${UTEE}/${h}`),
      ...CORE.map((h) => `core/include/${h}`),
      ...ARM.slice(0, 2).map((h) => `core/arch/arm/include/${h}`),
    ];
    const leftOut = [
      /_UUID$/,
      /^_+OPTEE_CORE_API_COMPAT|^TEE_CORE_API_1_/,
      // Former names, other words for the calling convention, deprecated zeroes.
      /^TEE_ATTR_BIT_/,
      /^OPTEE_SMC_(32|64|FAST_CALL|STD_CALL|OWNER_\w+|FUNC_MASK)$/,
      /^OPTEE_SMC_ASYNC_NOTIF_(VALID|PENDING)$/,
      /^TA_FLAG_(USER_MODE|EXEC_DDR|REMAP_SUPPORT)$/,
      /^FTRACE_RETFUNC_DEPTH$|^TA_PROP_STR_|^STATS_NB_POOLS$/,
      // Choices inside one command of a PTA that this project does not offer.
      /^PTA_(APDU_TXRX|SCP03_SESSION|SOCKET_TIMEOUT)_|^PTA_SCMI_(NAME|CAPS_MASK)$/,
    ];
    const missing = files.flatMap((f) =>
      definedNames(readHeader(join(ROOT, f)), /^_*[A-Z]/).filter(
        (name) => !ours.has(name) && !leftOut.some((re) => re.test(name)),
      ),
    );
    assert.deepEqual(missing, []);
  });

  test('structs', () => {
    const structs: StructInfo[] = [
      TeeUuid,
      msg.OpteeMsgArg,
      msg.OpteeMsgParam,
      msg.OpteeMsgParamValue,
      msg.OpteeMsgParamTmem,
      msg.OpteeMsgParamRmem,
      msg.OpteeMsgParamFmem,
      shdr.Shdr,
      shdr.ShdrBootstrapTa,
      shdr.ShdrEncryptedTa,
      shdr.ShdrSubkey,
      shdr.ShdrSubkeyAttr,
      head.TaHead,
      head.ElfPhdrInfo32,
      utee.UteeParams,
      utee.UteeAttribute,
      utee.UteeObjectInfo,
      utee.TeeTime,
      utee.TeeIdentity,
      pta.PtaStatsAlloc,
      pta.PtaStatsTa,
      pta.PtaRtcTime,
      pta.PtaRtcAlarm,
      pta.PtaRtcInfo,
    ];
    compareStructs(PREAMBLE, structs, INCLUDE_DIRS);
  });

  test('enums', () => {
    const tables = [
      shdr.SHDR_IMG_TYPE,
      shdr.SHDR_ENC_KEY,
      head.USER_TA_PROP_TYPE,
      utee.UTEE_TIME_CAT,
      utee.UTEE_ENTRY_FUNC,
      utee.UTEE_CACHE_OPERATION,
    ];
    const ours = new Map(tables.flatMap((t) => Object.entries(t)));
    const rows = [...ours.keys()].map((name) => ({ key: name, expr: name }));
    const got = evaluate(PREAMBLE, rows, INCLUDE_DIRS);
    for (const [name, value] of ours) assert.equal(Number(got.get(name)), value, name);
  });

  test('argument counts of syscalls', () => {
    const numbers = readHeader(join(ROOT, UTEE, 'tee_syscall_numbers.h'));
    const asm = readHeader(join(ROOT, UTEE, 'utee_syscalls_asm.S'));
    const counts = new Map<number, { name: string; args: number }>();
    for (const m of asm.matchAll(/UTEE_SYSCALL\s+_+utee_(\w+),\s*(TEE_SCN_\w+),\s*(\d+)/g)) {
      const nr = new RegExp(`define\\s+${m[2]}\\s+(\\d+)`).exec(numbers)?.[1];
      counts.set(Number(nr), { name: m[1] ?? '', args: Number(m[3]) });
    }
    assert.deepEqual(
      utee.UTEE_SYSCALLS.map((s) => [s.nr, { name: s.name, args: s.args.length }]),
      [...counts].sort((a, b) => a[0] - b[0]),
    );
  });
});
