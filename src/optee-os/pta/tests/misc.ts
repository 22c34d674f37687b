/**
 * Self tests of what the core is made of: its heap, the memory of TAs, and which addresses are whose.
 *
 * Upstream counterpart: optee_os core/pta/tests/misc.c (core_self_tests). Left out: arithmetic of the
 * compiler; ASan.
 */
import { TEE_ERROR_GENERIC, TEE_SUCCESS } from '../../../abi/gp.ts';
import { PAGE_SIZE } from '../../../machine/address.ts';
import type { Guest } from '../../guest.ts';
import type { ThreadCtx } from '../../kernel/thread.ts';

type SelfTest = (guest: Guest) => boolean;

/** More than any heap has. */
const TOO_MUCH = 0x100 * 1024 * 1024;

/** self_test_malloc() */
function malloc({ heap }: Guest): boolean {
  const before = heap.allocated;
  if (!heap.alloc(1024, 'self_test_malloc')) return false;
  const grew = heap.allocated >= before + 1024 && heap.maxAllocated >= heap.allocated;
  const refused = !heap.alloc(TOO_MUCH, 'self_test_malloc');
  heap.free(1024);
  return grew && refused && heap.allocated === before;
}

/** What self_test_nex_malloc() is to the nexus's heap: pages, one after the other. */
function taMemory({ nexus: { taRam } }: Guest): boolean {
  const before = taRam.allocated;
  const first = taRam.alloc(1);
  const second = taRam.alloc(2);
  if (first === undefined || second === undefined) return false;
  const apart = first % PAGE_SIZE === 0 && Math.abs(second - first) >= PAGE_SIZE;
  taRam.free(first, 1);
  taRam.free(second, 2);
  return apart && taRam.allocated === before;
}

/** self_test_va2pa() */
function addresses({ nexus: { mmu, taRam } }: Guest): boolean {
  const secure = taRam.alloc(1);
  if (secure === undefined) return false;
  const isSecret = !mmu.isNonSecure(secure, PAGE_SIZE) && !mmu.isNsecShm(secure, PAGE_SIZE);
  taRam.free(secure, 1);
  const { reservedShm } = mmu;
  if (reservedShm === undefined) return isSecret;
  const { base, size } = reservedShm;
  const isShared = mmu.isNsecShm(base, size) && mmu.isNonSecure(base, size);
  return isSecret && isShared && !mmu.isNsecShm(base, size + 1);
}

const TESTS: readonly SelfTest[] = [malloc, taMemory, addresses];

/** core_self_tests() */
export function selfTests(guest: Guest, thread: ThreadCtx): number {
  if (TESTS.every((test) => test(guest))) return TEE_SUCCESS;
  const text = 'some self_test_xxx failed! you should enable local LOG';
  guest.nexus.log.emsg(thread, 'core_self_tests', text);
  return TEE_ERROR_GENERIC;
}
