/**
 * What it costs a program to register memory through the whole stack, and to let go of it: the ioctl, the pin,
 * the list of pages, the secure world that checks it, the fd, and its close. `pins` has the parts.
 */
import { QEMU_ARMV8 } from '../src/boards/boards.ts';
import { Box } from '../src/box/box.ts';
import { nodeHost } from '../src/host/node/host.ts';
import { ShmUser } from '../src/labs/shm-user.ts';
import { PAGE_SIZE } from '../src/machine/address.ts';
import { atMost } from './row.ts';
import type { Row } from './row.ts';
import { inTurns, now, rowOf, work } from './samples.ts';
import { untouchedPages } from './untouched.ts';

const MIB = 1 << 20;
const GIB_PAGES = 1024 * (MIB / PAGE_SIZE);
const SIZES = { '4KiB': 1, '1MiB': 256, '32MiB': 8192, '1GiB': GIB_PAGES } as const;

export async function* register(): AsyncGenerator<Row> {
  using box = new Box(nodeHost(), {
    board: { ...QEMU_ARMV8, ramBytes: 1536 * MIB },
    supplicant: 'none',
    // The secure world keeps 8 bytes for each page, twice while it reads the list.
    config: { CFG_CORE_HEAP_SIZE: 8 * MIB },
  });
  const user = await ShmUser.open(box, { name: 'bench', memlock: Infinity });
  const at = untouchedPages(user.program, GIB_PAGES);
  for (const [label, pages] of Object.entries(SIZES)) {
    const once = work(`register-${label}-page`, () => {
      const fd = now(user.register(at, pages * PAGE_SIZE));
      if (fd < 0) throw new Error(`refused: ${fd}`);
      now(user.close(fd));
    });
    const [samples = []] = await inTurns([once], { ms: 3000 });
    const page = samples.map((us) => (1000 * us) / pages);
    const goal = pages === GIB_PAGES ? atMost(100) : undefined;
    yield rowOf(once.name, page, { unit: 'ns', ...(goal && { goal }) });
  }
}
