/**
 * Numbers that no header on a build machine gives, pinned as literals: what came after Linux 6.1,
 * what OP-TEE OS and QTEE define, and the encoded values that a reader of a trace meets. They were
 * read from Linux 7.3.4 and OP-TEE OS 4.10.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as dmaBuf from './dma-buf.ts';
import * as dmaHeap from './dma-heap.ts';
import { TEE_PANIC_ID } from './gp-panic.ts';
import * as gp from './gp.ts';
import type { StructInfo } from './layout.ts';
import { LDELF_SCN } from './ldelf.ts';
import * as ffa from './optee-ffa.ts';
import * as msg from './optee-msg.ts';
import * as rpc from './optee-rpc.ts';
import * as smc from './optee-smc.ts';
import * as pta from './pta.ts';
import * as qtee from './qcomtee-msg.ts';
import * as shdr from './shdr.ts';
import * as head from './ta-head.ts';
import * as tee from './tee.ts';
import * as utee from './utee.ts';

/** `name offset:size, …`, padding left out. */
function layout(s: StructInfo): string {
  const fields = s.fields.filter((f) => !f.padding).map((f) => `${f.name} ${f.offset}:${f.size}`);
  return `${s.byteLength}: ${fields.join(', ')}`;
}

describe('/dev/tee', () => {
  test('ioctl commands', () => {
    assert.deepEqual(tee.TEE_IOCTLS, {
      TEE_IOC_VERSION: 0x800ca400,
      TEE_IOC_SHM_ALLOC: 0xc010a401,
      TEE_IOC_OPEN_SESSION: 0x8010a402,
      TEE_IOC_INVOKE: 0x8010a403,
      TEE_IOC_CANCEL: 0x8008a404,
      TEE_IOC_CLOSE_SESSION: 0x8004a405,
      TEE_IOC_SUPPL_RECV: 0x8010a406,
      TEE_IOC_SUPPL_SEND: 0x8010a407,
      TEE_IOC_SHM_REGISTER_FD: 0xc018a408,
      TEE_IOC_SHM_REGISTER: 0xc018a409,
      TEE_IOC_OBJECT_INVOKE: 0x8010a40a,
    });
  });

  test('structs after 6.1', () => {
    assert.equal(
      layout(tee.TeeIoctlShmRegisterFdData),
      '24: fd 0:8, size 8:8, flags 16:4, id 20:4',
    );
    assert.equal(
      layout(tee.TeeIoctlObjectInvokeArg),
      '24: id 0:8, op 8:4, ret 12:4, num_params 16:4',
    );
  });

  test('attributes and capabilities after 6.1', () => {
    const types = Object.values(tee.TEE_IOCTL_PARAM_ATTR_TYPE);
    assert.deepEqual(types, [0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
    assert.equal(tee.TEE_IOCTL_PARAM_ATTR_MASK, 0x1ff);
    assert.deepEqual(Object.values(tee.TEE_GEN_CAP), [1, 2, 4, 8, 16]);
    assert.deepEqual(Object.values(tee.TEE_IMPL_ID), [1, 2, 3, 4]);
    assert.equal(tee.TEE_OBJREF_NULL, 2n ** 64n - 1n);
  });

  test('most parameters that fit', () => {
    const most = (size: (n: number) => number): number => {
      let n = 0;
      while (size(n + 1) <= tee.TEE_MAX_ARG_SIZE) n++;
      return n;
    };
    assert.equal(most(tee.openSessionArgSize), 126);
    assert.equal(most(tee.invokeArgSize), 127);
    assert.equal(most(tee.suppRecvArgSize), 127);
    assert.equal(most(tee.suppSendArgSize), 127);
    assert.equal(most(tee.objectInvokeArgSize), 127);
    // Seen on 6.1: SUPPL_RECV with 32 slots is refused, with 31 it is not.
    assert.ok(tee.suppRecvArgSize(32) > tee.TEE_MAX_ARG_SIZE_6_1);
    assert.ok(tee.suppRecvArgSize(31) <= tee.TEE_MAX_ARG_SIZE_6_1);
  });

  test('dma-heap and dma-buf', () => {
    assert.equal(dmaHeap.DMA_HEAP_IOCTL_ALLOC, 0xc0184800);
    assert.deepEqual(dmaBuf.DMA_BUF_IOCTLS, {
      DMA_BUF_IOCTL_SYNC: 0x40086200,
      DMA_BUF_SET_NAME_A: 0x40046201,
      DMA_BUF_SET_NAME_B: 0x40086201,
      DMA_BUF_IOCTL_EXPORT_SYNC_FILE: 0xc0086202,
      DMA_BUF_IOCTL_IMPORT_SYNC_FILE: 0x40086203,
    });
    assert.deepEqual(dmaHeap.TEE_DMA_HEAP_NAME, {
      1: 'protected,secure-video',
      2: 'protected,trusted-ui',
      3: 'protected,secure-video-record',
    });
  });
});

describe('OP-TEE messages', () => {
  test('commands', () => {
    assert.deepEqual(Object.values(msg.OPTEE_MSG_CMD), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    assert.equal(msg.OPTEE_MSG_CMD_LEND_PROTMEM, 8);
    assert.equal(msg.OPTEE_MSG_CMD_RECLAIM_PROTMEM, 9);
    assert.equal(msg.OPTEE_MSG_CMD_GET_PROTMEM_CONFIG, 10);
    assert.equal(msg.OPTEE_MSG_CMD_ASSIGN_PROTMEM, 11);
    assert.deepEqual(Object.values(msg.OPTEE_MSG_PROTMEM), [0, 1, 2, 3]);
  });

  test('sizes', () => {
    assert.equal(msg.opteeMsgArgSize(0), 32);
    assert.equal(msg.opteeMsgArgSize(6), 224);
    assert.equal(msg.opteeMsgArgSize(6) + msg.opteeMsgArgSize(4), 384);
    assert.equal(msg.opteeMsgParamOffset(2), 96);
    assert.equal(msg.OPTEE_MSG_MAX_NUM_PARAMS, 127);
    assert.equal(msg.OPTEE_MSG_PAGES_PER_LIST_PAGE, 511);
    const registerShm = msg.OPTEE_MSG_ATTR_TYPE_TMEM_OUTPUT | msg.OPTEE_MSG_ATTR_NONCONTIG;
    assert.equal(registerShm, 0x20a);
  });

  test('SMC function ids', () => {
    assert.deepEqual(smc.OPTEE_SMC_CALLS, {
      OPTEE_SMC_CALLS_COUNT: 0xbf00ff00,
      OPTEE_SMC_CALLS_UID: 0xbf00ff01,
      OPTEE_SMC_CALLS_REVISION: 0xbf00ff03,
      OPTEE_SMC_CALL_GET_OS_UUID: 0xb2000000,
      OPTEE_SMC_CALL_GET_OS_REVISION: 0xb2000001,
      OPTEE_SMC_CALL_LOAD_IMAGE: 0xbf000002,
      OPTEE_SMC_CALL_WITH_ARG: 0x32000004,
      OPTEE_SMC_CALL_WITH_RPC_ARG: 0x32000012,
      OPTEE_SMC_CALL_WITH_REGD_ARG: 0x32000013,
      OPTEE_SMC_GET_SHM_CONFIG: 0xb2000007,
      OPTEE_SMC_L2CC_MUTEX: 0xb2000008,
      OPTEE_SMC_EXCHANGE_CAPABILITIES: 0xb2000009,
      OPTEE_SMC_DISABLE_SHM_CACHE: 0xb200000a,
      OPTEE_SMC_ENABLE_SHM_CACHE: 0xb200000b,
      OPTEE_SMC_BOOT_SECONDARY: 0xb200000c,
      OPTEE_SMC_VM_CREATED: 0xb200000d,
      OPTEE_SMC_VM_DESTROYED: 0xb200000e,
      OPTEE_SMC_GET_THREAD_COUNT: 0xb200000f,
      OPTEE_SMC_ENABLE_ASYNC_NOTIF: 0xb2000010,
      OPTEE_SMC_GET_ASYNC_NOTIF_VALUE: 0xb2000011,
      OPTEE_SMC_GET_PROTMEM_CONFIG: 0xb2000014,
      OPTEE_SMC_CALL_RETURN_FROM_RPC: 0x32000003,
    });
    const bits = Object.values(smc.OPTEE_SMC_SEC_CAP);
    assert.deepEqual(bits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]);
    assert.equal(smc.OPTEE_SMC_RETURN_RPC_CMD, 0xffff0005);
  });

  test('RPC', () => {
    assert.deepEqual(
      Object.values(rpc.OPTEE_RPC_CMD),
      [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 20, 21, 22, 23, 24],
    );
    assert.deepEqual(Object.values(rpc.OPTEE_RPC_FS), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    assert.deepEqual(Object.values(rpc.OPTEE_RPC_SOCKET), [0, 1, 2, 3, 4, 5]);
    assert.deepEqual(rpc.OPTEE_RPC_RPMB_TYPE, {
      OPTEE_RPC_RPMB_EMMC: 0,
      OPTEE_RPC_RPMB_UFS: 1,
      OPTEE_RPC_RPMB_NVME: 2,
    });
    assert.equal(layout(rpc.RpmbReq), '6: cmd 0:2, dev_id 2:2, block_count 4:2');
    assert.equal(
      layout(rpc.RpmbDevInfo),
      '19: cid 0:16, rpmb_size_mult 16:1, rel_wr_sec_c 17:1, ret_code 18:1',
    );
    assert.equal(
      layout(rpc.RpmbDataFrame),
      '512: stuff_bytes 0:196, key_mac 196:32, data 228:256, nonce 484:16, ' +
        'write_counter 500:4, address 504:2, block_count 506:2, op_result 508:2, msg_type 510:2',
    );
    assert.equal(rpc.RPMB_MAC_PROTECT_DATA_SIZE, 284);
  });

  test('FF-A', () => {
    assert.deepEqual(
      Object.values(ffa.OPTEE_FFA_CALLS),
      [0, 1, 2, 3, 5, 8, 0x80000000, 0x80000001],
    );
    assert.deepEqual(Object.values(ffa.OPTEE_FFA_SEC_CAP), [1, 2, 4, 8]);
    assert.equal(ffa.FFA_VERSION_1_0, 0x10000);
  });
});

describe('TA files', () => {
  test('signed header', () => {
    assert.equal(
      layout(shdr.Shdr),
      '20: magic 0:4, img_type 4:4, img_size 8:4, algo 12:4, hash_size 16:2, sig_size 18:2',
    );
    assert.equal(layout(shdr.ShdrBootstrapTa), '20: uuid 0:16, ta_version 16:4');
    assert.equal(
      layout(shdr.ShdrEncryptedTa),
      '12: enc_algo 0:4, flags 4:4, iv_size 8:2, tag_size 10:2',
    );
    // The ELF of a bootstrap TA with SHA-256 and a 4096-bit key starts at 584.
    assert.equal(shdr.shdrSize(32, 512) + shdr.ShdrBootstrapTa.byteLength, 584);
    assert.equal(String.fromCharCode(0x48, 0x53, 0x54, 0x4f), 'HSTO');
    assert.equal(shdr.SHDR_MAGIC, 0x4f545348);
  });

  test('head and flags', () => {
    assert.equal(
      layout(head.TaHead),
      '32: uuid 0:16, stack_size 16:4, flags 20:4, depr_entry 24:8',
    );
    assert.deepEqual(
      Object.values(head.TA_FLAG),
      [0x4, 0x8, 0x10, 0x20, 0x80, 0x100, 0x200, 0x400, 0x800, 0x1000, 0x2000],
    );
    assert.equal(head.PTA_MANDATORY_FLAGS, 0x1c);
    assert.equal(head.ElfPhdrInfo.byteLength, 16);
  });

  test('syscalls', () => {
    assert.deepEqual(
      utee.UTEE_SYSCALLS.map((s) => s.nr),
      [...Array.from({ length: 55 }, (_, i) => i), 70],
    );
    // Argument counts as the assembler macros of libutee state them.
    assert.equal(
      utee.UTEE_SYSCALLS.map((s) => s.args.length).join(''),
      '12274515311112152133535522431132426357777581311124432343',
    );
    for (const s of utee.UTEE_SYSCALLS) assert.ok(s.args.length <= utee.TEE_SVC_MAX_ARGS);
    assert.equal(Object.keys(utee.TEE_SCN).length, utee.TEE_SCN_MAX + 1);
    assert.deepEqual(Object.values(LDELF_SCN), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  });

  test('structs of syscalls', () => {
    assert.equal(utee.UteeParams.byteLength, 8 + 8 * 8);
    assert.deepEqual(
      utee.UTEE_PARAM_PAIRS.flat().map((f) => f.offset),
      [8, 16, 24, 32, 40, 48, 56, 64],
    );
    assert.equal(layout(utee.UteeAttribute), '24: a 0:8, b 8:8, attribute_id 16:4');
    assert.equal(utee.UteeObjectInfo.byteLength, 28);
    assert.equal(layout(utee.TeeIdentity), '20: login 0:4, uuid 4:16');
  });
});

describe('GlobalPlatform', () => {
  test('results that the layers meet most', () => {
    assert.equal(gp.TEE_ERROR_TARGET_DEAD, 0xffff3024);
    assert.equal(gp.TEE_ERROR_TIMEOUT, 0xffff3001);
    assert.equal(gp.TEE_ERROR_OVERFLOW, 0xffff300f);
    assert.equal(gp.TEE_ERROR_STORAGE_NOT_AVAILABLE, 0xf0100003);
    assert.equal(gp.TEEC_ERROR_COMMUNICATION, 0xffff000e);
    assert.deepEqual(Object.values(gp.TEE_ORIGIN), [1, 2, 3, 4]);
    assert.deepEqual(Object.values(gp.TEEC_PARAM_TYPE), [0, 1, 2, 3, 5, 6, 7, 0xc, 0xd, 0xe, 0xf]);
    assert.deepEqual(Object.values(gp.TEE_STORAGE), [1, 0x80000000, 0x80000100, 0x80000200]);
  });

  test('every TEEC result is the TEE result of the same name', () => {
    const core = new Map<string, number>(Object.entries(gp.TEE_ERROR));
    for (const [name, value] of Object.entries(gp.TEEC_ERROR)) {
      assert.equal(core.get(name.replace('TEEC_', 'TEE_')), value, name);
    }
  });

  test('algorithms', () => {
    const aes = [
      gp.TEE_ALG_AES_ECB_NOPAD,
      gp.TEE_ALG_AES_CBC_NOPAD,
      gp.TEE_ALG_AES_CTR,
      gp.TEE_ALG_AES_CTS,
      gp.TEE_ALG_AES_XTS,
    ];
    assert.deepEqual(aes, [0x10000010, 0x10000110, 0x10000210, 0x10000310, 0x10000410]);
    assert.equal(gp.TEE_ALG_AES_CCM, 0x40000710);
    assert.equal(gp.TEE_ALG_AES_GCM, 0x40000810);
    assert.equal(gp.TEE_ALG_SM4_XTS, 0xf0000414);
    assert.equal(gp.TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA256, 0x70414930);
    assert.equal(gp.TEE_ALG_RSASSA_PKCS1_V1_5_MD5SHA1, 0x7000f830);
    assert.equal(gp.TEE_ALG_DH_DERIVE_SHARED_SECRET, 0x80000032);
    assert.equal(gp.TEE_ALG_ED25519, 0x70006043);
    assert.equal(gp.TEE_ALG_X448, 0x80000045);
    assert.equal(gp.TEE_ALG_SM2_KEP, 0x60000045);
    assert.equal(gp.TEE_ALG_HKDF_SHA256_DERIVE_KEY, 0x800040c0);
    assert.equal(gp.TEE_ALG_PBKDF2_HMAC_SHA1_DERIVE_KEY, 0x800020c2);
    // A MAC with a digest is the digest's number in another class.
    for (const digest of ['MD5', 'SHA1', 'SHA224', 'SHA256', 'SHA384', 'SHA512', 'SM3'] as const) {
      const number = gp.TEE_ALG[`TEE_ALG_${digest}`] & 0xfffffff;
      assert.equal(gp.TEE_ALG[`TEE_ALG_HMAC_${digest}`] & 0xfffffff, number);
      assert.equal(gp.TEE_ALG[`TEE_ALG_HMAC_${digest}`] >>> 28, gp.TEE_OPERATION_MAC);
    }
    assert.equal(TEE_PANIC_ID.TEE_PANIC_ID_TEE_GENERATERANDOM, 0x1301);
  });

  test('attribute bits', () => {
    for (const [name, id] of Object.entries(gp.TEE_ATTR)) {
      const isValue = (id & gp.TEE_ATTR_FLAG_VALUE) !== 0;
      assert.equal(
        id >>> 28,
        isValue ? 0xf : (id & gp.TEE_ATTR_FLAG_PUBLIC) !== 0 ? 0xd : 0xc,
        name,
      );
    }
  });
});

test('TAs and PTAs', () => {
  const uuids = new Map(pta.KNOWN_TAS.map((t) => [t.name, t.uuid]));
  assert.deepEqual(Object.fromEntries(uuids), {
    PTA_DEVICE_UUID: '7011a688-ddde-4053-a5a9-7b3c4ddf13b8',
    PTA_SYSTEM_UUID: '3a2f8978-5dc0-11e8-9c2d-fa7ae01bbebc',
    STATS_UUID: 'd96a5b40-e2c7-b1af-8794-1002a5d5c61b',
    PTA_INVOKE_TESTS_UUID: 'd96a5b40-c3e5-21e3-8794-1002a5d5c61b',
    PTA_GPROF_UUID: '2f6e0d48-c574-426d-824e-40198cde5cac',
    PTA_SOCKET_UUID: '3b996a7d-2c2b-4a49-a896-e1fb5766d2f4',
    PTA_SECSTOR_TA_MGMT_UUID: '6e256cba-fc4d-4941-ad09-2ca1860342dd',
    PTA_RNG_UUID: 'ab7a617c-b8e7-4d8f-8301-d09b61036b64',
    PTA_RTC_UUID: 'f389f8c8-845f-496c-8bbe-d64bd24c92fd',
    PTA_SCMI_UUID: 'a8cfe406-d4f5-4a2e-9f8d-a25dc754c099',
    PTA_ATTESTATION_UUID: '39800861-182a-4720-9b67-2bcd622bc0b5',
    PTA_APDU_UUID: '3f3eb880-3639-11ec-9b9d-0f3fc9468f50',
    PTA_SCP03_UUID: 'be0e5821-e718-4f77-ab3e-8e6c73a9c735',
    PTA_QCOM_PAS_UUID: 'daedbae4-cf3e-4b76-a5c5-dbf8b6fd5af4',
    TRUSTED_KEYS_UUID: 'f04a0fe7-1f5d-4b9b-abf7-619b85b4ce8c',
    TA_PAS_UUID: 'cff7d191-7ca0-4784-af13-48223b9a4fbe',
    FTPM_UUID: 'bc50d971-d4c9-42c4-82cb-343fb7f37896',
    BNXT_UUID: '6272636d-2019-0716-4243-4d5f53434849',
    PTA_STMM_UUID: 'ed32d533-99e6-4209-9cc0-2d72cdd998a7',
  });
  const commands = (name: string): number[] =>
    pta.KNOWN_TAS.filter((t) => t.name === name).flatMap((t) => Object.values(t.commands));
  assert.deepEqual(commands('PTA_DEVICE_UUID'), [0, 1, 2]);
  assert.deepEqual(commands('PTA_SYSTEM_UUID'), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
  assert.deepEqual(commands('STATS_UUID'), [0, 1, 2, 3, 4, 5]);
  assert.deepEqual(commands('PTA_INVOKE_TESTS_UUID'), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  assert.deepEqual(commands('PTA_GPROF_UUID'), [0, 1, 2]);
  assert.deepEqual(commands('PTA_SOCKET_UUID'), [1, 2, 3, 4, 5]);
  assert.deepEqual(commands('PTA_SECSTOR_TA_MGMT_UUID'), [0]);
  assert.deepEqual(commands('PTA_RNG_UUID'), [0, 1]);
  assert.deepEqual(commands('PTA_RTC_UUID'), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  assert.deepEqual(commands('PTA_SCMI_UUID'), [0, 1, 2, 3, 4]);
  assert.deepEqual(commands('PTA_ATTESTATION_UUID'), [0, 1, 2, 3]);
  assert.deepEqual(commands('PTA_QCOM_PAS_UUID'), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assert.deepEqual(commands('TRUSTED_KEYS_UUID'), [0, 1, 2]);
  assert.deepEqual(commands('BNXT_UUID'), [0, 3]);
});

describe('QTEE', () => {
  test('messages', () => {
    assert.equal(layout(qtee.QcomteeMsgObjectInvoke), '12: cxt 0:4, op 4:4, counts 8:4');
    assert.equal(layout(qtee.QcomteeMsgCallback), '16: result 0:4, cxt 4:4, op 8:4, counts 12:4');
    assert.equal(layout(qtee.QcomteeAsyncMsgHdr), '8: version 0:4, op 4:4');
    assert.equal(layout(qtee.QcomteeMapRegion), '20: paddr 0:8, len 8:8, perms 16:4');
    // align8(12 + 8n) and align8(16 + 8n)
    assert.deepEqual([0, 1, 2].map(qtee.qcomteeInvokePayloadOffset), [16, 24, 32]);
    assert.deepEqual([0, 1, 2].map(qtee.qcomteeCallbackPayloadOffset), [16, 24, 32]);
  });

  test('counts', () => {
    const counts = qtee.qcomteeMsgCounts(1, 2, 3, 15);
    assert.equal(counts, 0xf321);
    assert.deepEqual(
      [
        qtee.qcomteeMsgNumIb(counts),
        qtee.qcomteeMsgNumOb(counts),
        qtee.qcomteeMsgNumIo(counts),
        qtee.qcomteeMsgNumOo(counts),
        qtee.qcomteeMsgArgs(counts),
      ],
      [1, 2, 3, 15, 21],
    );
    assert.equal(qtee.qcomteeMsgCounts(16, 0, 0, 0), 0, 'sixteen wraps to none');
  });

  test('ids, operations, results', () => {
    assert.equal(qtee.QCOMTEE_OBJECT_ID_START, 0x80000001);
    assert.equal(qtee.QCOMTEE_MSG_OBJECT_OP_RELEASE, 0xffff);
    assert.deepEqual(Object.values(qtee.QCOMTEE_ROOT_OP), [4, 5, 8, 9]);
    assert.deepEqual(
      Object.values(qtee.QCOMTEE_MSG_RESULT),
      [0, 1, 2, 3, 4, -90, -91, -92, -93, -94, -95, -96, -97, -98, -99, -103],
    );
    assert.deepEqual(Object.values(qtee.QCOMTEE_OBJREF_FLAG), [1, 2, 4]);
    assert.deepEqual(Object.values(qtee.QCOMTEE_PRIMORDIAL_OP), [0, 1, 2]);
    const version = (5 << 22) | (13 << 12) | 7;
    assert.deepEqual(
      [
        qtee.QTEE_VERSION_GET_MAJOR(version),
        qtee.QTEE_VERSION_GET_MINOR(version),
        qtee.QTEE_VERSION_GET_PATCH(version),
      ],
      [5, 13, 7],
    );
  });
});
