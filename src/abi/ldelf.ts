/**
 * The syscalls of `ldelf`, OP-TEE's user-mode ELF loader. A host that loads ELF files itself
 * answers none of them; they serve traces and programs that carry the real ldelf.
 *
 * Upstream counterpart: optee_os ldelf/include/ldelf.h. Left out: ldelf's own entry arguments and
 * its dump and dlopen structs, which stay between the core and ldelf.
 */

/* Source: ldelf/include/ldelf.h, OP-TEE OS 4.10. */
export const LDELF_RETURN = 0;
export const LDELF_LOG = 1;
export const LDELF_PANIC = 2;
export const LDELF_MAP_ZI = 3;
export const LDELF_UNMAP = 4;
export const LDELF_OPEN_BIN = 5;
export const LDELF_CLOSE_BIN = 6;
export const LDELF_MAP_BIN = 7;
export const LDELF_CP_FROM_BIN = 8;
export const LDELF_SET_PROT = 9;
export const LDELF_REMAP = 10;
export const LDELF_GEN_RND_NUM = 11;

/** ldelf's syscall numbers. */
export const LDELF_SCN = {
  LDELF_RETURN,
  LDELF_LOG,
  LDELF_PANIC,
  LDELF_MAP_ZI,
  LDELF_UNMAP,
  LDELF_OPEN_BIN,
  LDELF_CLOSE_BIN,
  LDELF_MAP_BIN,
  LDELF_CP_FROM_BIN,
  LDELF_SET_PROT,
  LDELF_REMAP,
  LDELF_GEN_RND_NUM,
} as const;

export const LDELF_SCN_MAX = 11;

/* Source: ldelf/include/ldelf.h, OP-TEE OS 4.10. */
export const LDELF_MAP_FLAG_SHAREABLE = 1 << 0;
export const LDELF_MAP_FLAG_WRITEABLE = 1 << 1;
export const LDELF_MAP_FLAG_EXECUTABLE = 1 << 2;
export const LDELF_MAP_FLAG_BTI = 1 << 3;

/** Flags of map_zi, map_bin and set_prot. */
export const LDELF_MAP_FLAG = {
  LDELF_MAP_FLAG_SHAREABLE,
  LDELF_MAP_FLAG_WRITEABLE,
  LDELF_MAP_FLAG_EXECUTABLE,
  LDELF_MAP_FLAG_BTI,
} as const;
