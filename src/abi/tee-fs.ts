/**
 * The files of OP-TEE's secure storage as they lie on the normal world's disk: hash-tree files, the
 * directory file dirf.db, and the head of an object.
 *
 * Upstream counterparts: optee_os core/include/tee/fs_htree.h, tee_fs.h, tee_fs_key_manager.h, and
 * the structs that core/tee/fs_htree.c, fs_dirfile.c, tee_ree_fs.c and tee_svc_storage.c keep to
 * themselves; and the RPMB file system as it lies in the device (core/tee/tee_rpmb_fs.c).
 */
import { bytes, pad, struct, u16, u32, u64 } from './layout.ts';

/* Source: core/include/tee/tee_fs.h, OP-TEE OS 4.10. */
/** Bytes of the buffer that carries a file name. */
export const TEE_FS_NAME_MAX = 350;

/* Source: core/include/tee/tee_fs_key_manager.h, OP-TEE OS 4.10. */
export const TEE_FS_KM_CHIP_ID_LENGTH = 32;
export const TEE_FS_KM_SSK_SIZE = 32;
export const TEE_FS_KM_TSK_SIZE = 32;
export const TEE_FS_KM_FEK_SIZE = 16;

/* Source: core/include/tee/fs_htree.h, OP-TEE OS 4.10. */
export const TEE_FS_HTREE_HASH_SIZE = 32;
export const TEE_FS_HTREE_IV_SIZE = 16;
export const TEE_FS_HTREE_FEK_SIZE = 16;
export const TEE_FS_HTREE_TAG_SIZE = 16;

export const TEE_FS_HTREE_TYPE_HEAD = 0;
export const TEE_FS_HTREE_TYPE_NODE = 1;
export const TEE_FS_HTREE_TYPE_BLOCK = 2;

/** What a piece of a hash-tree file is. */
export const TEE_FS_HTREE_TYPE = {
  TEE_FS_HTREE_TYPE_HEAD,
  TEE_FS_HTREE_TYPE_NODE,
  TEE_FS_HTREE_TYPE_BLOCK,
} as const;

export type TeeFsHtreeType = (typeof TEE_FS_HTREE_TYPE)[keyof typeof TEE_FS_HTREE_TYPE];

export const TeeFsHtreeNodeImage = struct('tee_fs_htree_node_image', 66, {
  /** Of everything after it, and of the children's hashes. */
  hash: bytes(0, TEE_FS_HTREE_HASH_SIZE),
  iv: bytes(32, TEE_FS_HTREE_IV_SIZE),
  tag: bytes(48, TEE_FS_HTREE_TAG_SIZE),
  /** HTREE_NODE_COMMITTED_* */
  flags: u16(64),
});

/** Begins with `struct tee_fs_htree_meta`: the length. */
export const TeeFsHtreeImeta = struct('tee_fs_htree_imeta', 16, {
  length: u64(0, 'meta.length'),
  maxNodeId: u32(8),
  padding: pad(12, 4),
});

/** Bytes of `struct tee_fs_htree_meta`. */
export const TEE_FS_HTREE_META_SIZE = 8;

/** The head of a file, of which there are two. */
export const TeeFsHtreeImage = struct('tee_fs_htree_image', 68, {
  iv: bytes(0, TEE_FS_HTREE_IV_SIZE),
  tag: bytes(16, TEE_FS_HTREE_TAG_SIZE),
  encFek: bytes(32, TEE_FS_HTREE_FEK_SIZE),
  /** `TeeFsHtreeImeta`, encrypted. */
  imeta: bytes(48, TeeFsHtreeImeta.byteLength),
  /** The copy with the larger one counts; its lowest bit is the version of the root node. */
  counter: u32(64),
});

/* Source: core/tee/fs_htree.c, OP-TEE OS 4.10. */
/** Version of the node's own block. */
export const HTREE_NODE_COMMITTED_BLOCK = 1 << 0;
/** Version of a child. @param n 0 or 1 */
export const HTREE_NODE_COMMITTED_CHILD = (n: number): number => 1 << (1 + n);

/* Source: core/tee/tee_ree_fs.c, OP-TEE OS 4.10. */
/** Bytes of a block of the REE file system. */
export const REE_FS_BLOCK_SIZE = 4096;

/* Source: core/tee/fs_dirfile.c, OP-TEE OS 4.10; oid is TEE_OBJECT_ID_MAX_LEN long. */
/** oid[0] of an object whose id is empty; both 0 mark a free entry. */
export const OID_EMPTY_NAME = 1;

/** One file in dirf.db. */
export const DirfileEntry = struct('dirfile_entry', 120, {
  /** TEE_UUID of the TA, in its form in memory. */
  uuid: bytes(0, 16),
  oid: bytes(16, 64),
  oidlen: u32(80, 'oidlen'),
  /** Hash of the file's root node. */
  hash: bytes(84, TEE_FS_HTREE_HASH_SIZE),
  fileNumber: u32(116),
});

/* Source: core/tee/tee_svc_storage.c, OP-TEE OS 4.10. */
/** What an object's file begins with; attributes and data follow. */
export const TeeSvcStorageHead = struct('tee_svc_storage_head', 24, {
  attrSize: u32(0),
  /** Bits. */
  objectSize: u32(4, 'objectSize'),
  /** Bits. */
  maxObjectSize: u32(8, 'maxObjectSize'),
  objectUsage: u32(12, 'objectUsage'),
  objectType: u32(16, 'objectType'),
  /** One bit for each attribute of the type, in the type's order. */
  haveAttrs: u32(20),
});

/* The RPMB file system. Source: core/tee/tee_rpmb_fs.c, OP-TEE OS 4.10. */
/** Byte addresses in the device; files lie at its upper end. */
export const RPMB_STORAGE_START_ADDRESS = 0;
export const RPMB_FS_FAT_START_ADDRESS = 512;
export const RPMB_BLOCK_SIZE_SHIFT = 8;
export const RPMB_FS_MAGIC = 0x52504d42;
export const FS_VERSION = 2;
/** The entry is a file's. */
export const FILE_IS_ACTIVE = 1 << 0;
/** No entry follows. */
export const FILE_IS_LAST_ENTRY = 1 << 1;
export const TEE_RPMB_FS_FILENAME_LENGTH = 224;

/** What the device begins with. */
export const RpmbFsPartition = struct('rpmb_fs_partition', 128, {
  rpmbFsMagic: u32(0),
  fsVersion: u32(4),
  /** Never written. */
  writeCounter: u32(8),
  fatStartAddress: u32(12),
  reserved: bytes(16, 112),
});

/** One file. */
export const RpmbFatEntry = struct('rpmb_fat_entry', 256, {
  startAddress: u32(0),
  /** Bytes; a file without any has no address. */
  dataSize: u32(4),
  /** FILE_IS_* */
  flags: u32(8),
  unused: u32(12),
  /** Encrypted under the key of the TA. */
  fek: bytes(16, TEE_FS_KM_FEK_SIZE),
  /** A C string: `/`, the TA's UUID, `/`, the object's id, all in upper-case hex. */
  filename: bytes(32, TEE_RPMB_FS_FILENAME_LENGTH),
});

/* Source: core/kernel/ree_fs_ta.c, OP-TEE OS 4.10. */
/** What ta_ver.db and subkey_ver.db begin with. */
export const VerDbHdr = struct('ver_db_hdr', 8, { dbVersion: u32(0), nbEntries: u32(4) });

/** The lowest version that may be loaded. */
export const VerDbEntry = struct('ver_db_entry', 20, {
  /** RFC 4122 octets. */
  uuid: bytes(0, 16),
  version: u32(16),
});

/* Source: core/tee/tadb.c and core/include/tee/tadb.h, OP-TEE OS 4.10. */
export const TADB_MAX_BUFFER_SIZE = 64 * 1024;
export const TADB_IV_SIZE = 16;
export const TADB_TAG_SIZE = 16;
export const TADB_KEY_SIZE = 32;

/** One TA in ta.db; it begins with `struct tee_tadb_property`. All zero when it is free. */
export const TadbEntry = struct('tadb_entry', 96, {
  /** TEE_UUID in its form in memory. */
  uuid: bytes(0, 16, 'prop.uuid'),
  version: u32(16, 'prop.version'),
  /** Bytes before the image, encrypted like it. */
  customSize: u32(20, 'prop.custom_size'),
  binSize: u32(24, 'prop.bin_size'),
  /** The TA lies in `<number>.ta`. */
  fileNumber: u32(28),
  iv: bytes(32, TADB_IV_SIZE),
  tag: bytes(48, TADB_TAG_SIZE),
  key: bytes(64, TADB_KEY_SIZE),
});
