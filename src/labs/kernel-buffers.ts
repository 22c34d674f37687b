/**
 * Buffers of the kernel registered with the TEE, in every shape that the registration has had,
 * against every kind of kernel address: which pages the secure world is given, and whose they are
 * after the caller has freed its buffer.
 */
import { formatErrno } from '../abi/errno.ts';
import { SMALL } from '../boards/boards.ts';
import { Box } from '../box/box.ts';
import { PROFILES } from '../box/profiles.ts';
import type { Profile } from '../box/profiles.ts';
import type { Host } from '../host/host.ts';
import { GFP_HIGHUSER_MOVABLE } from '../linux/mm/gfp.ts';
import type { MmSwitches } from '../linux/mm/switches.ts';
import type { Kernel } from '../linux/process/kernel.ts';
import type { KernelRegistration } from '../linux/tee/kernel-registration.ts';
import { teeClientCloseContext, teeClientOpenContext } from '../linux/tee/tee-client.ts';
import { teeShmRegisterKernelBuf } from '../linux/tee/tee-shm-register.ts';
import type { TeeShm } from '../linux/tee/tee-shm.ts';
import { PAGE_SIZE, pageStart, pagesFor, va } from '../machine/address.ts';
import type { Pa, Va } from '../machine/address.ts';
import { BoxHalted } from '../sched/halt.ts';
import type { Co, Task } from '../sched/task.ts';
import type { Cell, Lab } from './lab.ts';
import type { GridPlot, Verdict } from './plot.ts';

const MIB = 1 << 20;
/** A 32-bit machine: what lies above its linear map is high memory, and in use by programs. */
const BOARD = { ...SMALL, ramBytes: 32 * MIB };
const MEMORY = { highmem: 16 * MIB, minFreeKbytes: 0 };

/** A shape with the kernels that had it. */
interface Era {
  readonly shape: KernelRegistration;
  readonly kernels: string;
  readonly mm: Partial<MmSwitches>;
}

const COUNTED = { slabPagesFrozen: false };
const OLD_KMAP = { ...COUNTED, kmapToPageKnowsLocal: false };
const FROZEN = { slabPagesFrozen: true };

const ERAS: readonly Era[] = [
  { shape: 'get_kernel_pages', kernels: '5.8 to 5.16', mm: OLD_KMAP },
  { shape: 'vmalloc-walk', kernels: '5.17 to 6.0', mm: OLD_KMAP },
  { shape: 'vmalloc-walk', kernels: '6.1 and 6.2', mm: COUNTED },
  { shape: 'virt_to_page', kernels: '6.3 to 6.7', mm: COUNTED },
  { shape: 'iov_iter-referenced', kernels: '6.8 to 6.14', mm: COUNTED },
  { shape: 'iov_iter-referenced', kernels: '6.15 to 6.19', mm: FROZEN },
  { shape: 'iov_iter', kernels: 'since 7.0', mm: FROZEN },
  { shape: 'page-array', kernels: 'proposed', mm: FROZEN },
];

interface Buffer {
  readonly at: Va;
  readonly bytes: number;
  /** The caller gives it back. */
  readonly free: () => void;
}

/** A buffer of each kind of kernel memory. */
const KINDS: Readonly<Record<string, (kernel: Kernel) => Co<Buffer>>> = {
  *alloc_pages({ pages, map }) {
    const bytes = 2 * PAGE_SIZE;
    const page = pages.allocExact(bytes)!;
    return { at: map.linear.toVirt(page), bytes, free: () => pages.freeExact(page, bytes) };
  },
  *kmalloc({ map: { slab } }) {
    // A slab is seldom one's own.
    slab.kmalloc(256);
    const at = slab.kmalloc(256)!;
    return { at, bytes: 256, free: () => slab.kfree(at) };
  },
  *'kmalloc, own slab'({ map: { slab } }) {
    const at = slab.kmalloc(256)!;
    return { at, bytes: 256, free: () => slab.kfree(at) };
  },
  *vmalloc({ map: { vmalloc } }) {
    const bytes = 2 * PAGE_SIZE;
    const at = vmalloc.vmalloc(bytes)!;
    return { at, bytes, free: () => vmalloc.vfree(at) };
  },
  *kmap(kernel) {
    const page = highPage(kernel);
    const { highmem } = kernel.map;
    const at = yield* highmem.kmap(page);
    const free = (): void => {
      highmem.kunmap(page);
      kernel.pages.put(page);
    };
    return { at, bytes: 512, free };
  },
  *kmap_local_page(kernel) {
    const page = highPage(kernel);
    const { highmem } = kernel.map;
    const at = highmem.kmapLocalPage(page);
    const free = (): void => {
      highmem.kunmapLocal(at);
      kernel.pages.put(page);
    };
    return { at, bytes: 512, free };
  },
};

/** A page that the linear map does not show. */
function highPage({ pages, map }: Kernel): Pa {
  for (;;) {
    const page = pages.alloc(0, GFP_HIGHUSER_MOVABLE);
    if (page === undefined) throw new Error('there is no high memory');
    if (map.highmem.isHigh(page)) return page;
  }
}

/** The rest of high memory goes to programs. */
function takeHighMemory({ pages, map }: Kernel): void {
  for (;;) {
    const page = pages.alloc(0, GFP_HIGHUSER_MOVABLE);
    if (page !== undefined && map.highmem.isHigh(page)) continue;
    if (page !== undefined) pages.put(page);
    return;
  }
}

/** What one registration came to. */
interface Outcome {
  /** The pages that the secure world got, or the error. */
  readonly pages: string;
  /** After the caller freed the buffer with the memory registered still. */
  readonly afterFree: string;
  readonly verdict: Verdict;
  /** Lines of the kernel log that warn. */
  readonly warnings: number;
}

export const kernelBuffers: Lab = {
  name: 'kernel-buffers',
  question: 'which kernel memory can each shape of registration share, and who keeps it?',
  async run(host, { seed }) {
    const rows: Cell[][] = [];
    const grid: GridPlot['rows'][number][] = [];
    for (const era of ERAS) {
      const cells: { text: string; verdict: Verdict }[] = [];
      for (const [kind, make] of Object.entries(KINDS)) {
        const { pages, afterFree, verdict, warnings } = await outcome(host, seed, era, make);
        rows.push([era.shape, era.kernels, kind, pages, afterFree, warnings]);
        cells.push({ text: afterFree === '-' ? pages : `${pages}; ${afterFree}`, verdict });
      }
      grid.push({ name: `${era.shape}, ${era.kernels}`, cells });
    }
    const columns = ['shape', 'kernels', 'memory', 'pages', 'freed while registered', 'warnings'];
    const title = 'what the secure world is given, and what is left when the caller frees it';
    const plot: GridPlot = { kind: 'grid', title, columns: Object.keys(KINDS), rows: grid };
    return { lab: 'kernel-buffers', seed, columns, rows, plot };
  },
};

async function outcome(
  host: Host,
  seed: number,
  { shape, mm }: Era,
  make: (kernel: Kernel) => Co<Buffer>,
): Promise<Outcome> {
  const released = PROFILES['linux-7.3'];
  const tee = { ...released.tee, kernelRegistration: shape };
  const profile: Profile = { ...released, tee, mm: { ...released.mm, ...mm } };
  const options = { profile, board: BOARD, memory: MEMORY, kernelLayout: 'arm' } as const;
  using box = new Box(host, { ...options, supplicant: 'none', seed });
  const client = new KernelClient(box);
  const warnings = (): number => [...box.kernel.dmesg.text.matchAll(/WARNING/g)].length;
  const pages = await orHalt(() => client.register(make));
  if (pages !== 'its own') {
    const verdict = pages.startsWith('-') ? 'refused' : 'bad';
    return { pages, afterFree: '-', verdict, warnings: warnings() };
  }
  const afterFree = await orHalt(() => client.freeUnder());
  return { pages, afterFree, verdict: VERDICTS[afterFree] ?? 'bad', warnings: warnings() };
}

const VERDICTS: Readonly<Record<string, Verdict>> = { kept: 'good', 'free for others': 'refused' };

/** What stops the box is a result. */
async function orHalt(run: () => string | Promise<string>): Promise<string> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof BoxHalted) return 'kernel BUG';
    throw error;
  }
}

/** A kernel client with a buffer of its own. */
class KernelClient {
  readonly #box: Box;
  readonly #task: Task;
  #shm: TeeShm | undefined;
  #buffer: Buffer | undefined;
  #meant: readonly Pa[] = [];

  constructor(box: Box) {
    this.#box = box;
    this.#task = box.sched.createTask('kernel client', { called: true });
  }

  /** Whose pages the secure world gets, or the error. */
  register(make: (kernel: Kernel) => Co<Buffer>): string | Promise<string> {
    return this.#box.sched.call(this.#task, this.#register(make));
  }

  /** The buffer is freed with the memory registered, then that is freed too. */
  freeUnder(): string | Promise<string> {
    return this.#box.sched.call(this.#task, this.#freeUnder());
  }

  *#register(make: (kernel: Kernel) => Co<Buffer>): Co<string> {
    const { kernel, tee } = this.#box;
    const ctx = yield* teeClientOpenContext(tee, () => true);
    if (typeof ctx === 'number') throw new Error(formatErrno(ctx));
    const buffer = yield* make(kernel);
    const meant = pagesOf(kernel, buffer);
    takeHighMemory(kernel);
    const shm = yield* teeShmRegisterKernelBuf(ctx, buffer.at, buffer.bytes);
    if (typeof shm === 'number') return formatErrno(shm);
    this.#shm = shm;
    this.#buffer = buffer;
    this.#meant = meant;
    return meant.every((page, n) => page === shm.pages[n]) ? 'its own' : "another's";
  }

  *#freeUnder(): Co<string> {
    const shm = this.#shm!;
    const { kernel } = this.#box;
    this.#buffer!.free();
    const kept = isKept(kernel, shm, this.#meant);
    const taken = kept ? undefined : takePage(kernel, this.#meant[0]!);
    yield* shm.put();
    yield* teeClientCloseContext(shm.ctx);
    if (kept) return 'kept';
    const lost = taken !== undefined && kernel.pages.refCount(taken) === 0;
    return lost ? 'lost by others' : 'free for others';
  }
}

function pagesOf({ map }: Kernel, { at, bytes }: Buffer): readonly Pa[] {
  return Array.from({ length: pagesFor(bytes) }, (_, n) =>
    pageStart(map.translate(va(at + n * PAGE_SIZE))!),
  );
}

/** Somebody is given this page; undefined when it is not to be had. */
function takePage({ pages }: Kernel, wanted: Pa): Pa | undefined {
  const others: Pa[] = [];
  let page = pages.alloc(0);
  for (; page !== undefined && page !== wanted; page = pages.alloc(0)) others.push(page);
  for (const other of others) pages.put(other);
  return page;
}

/** Whether nobody else can be given what the secure world may write to. */
function isKept({ pages, map }: Kernel, shm: TeeShm, meant: readonly Pa[]): boolean {
  const again = map.slab.kmalloc(shm.size);
  const reused = again !== undefined && map.linear.toPhys(again) === meant[0]! + shm.offset;
  if (again !== undefined) map.slab.kfree(again);
  return !reused && meant.every((page) => pages.refCount(page) > 0);
}
