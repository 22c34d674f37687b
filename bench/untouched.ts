/** Pages of a program that are there although nobody has touched them: RAM that is not looked at need not be. */
import { normalPte } from '../src/linux/mm/mm-struct.ts';
import type { Program } from '../src/linux/process/program.ts';
import { PAGE_SIZE, va } from '../src/machine/address.ts';
import type { Va } from '../src/machine/address.ts';

/** A mapping of so many pages of 4 KiB. */
export function untouchedPages({ process: { mm } }: Program, pages: number): Va {
  const at = va(mm.mmap({ length: pages * PAGE_SIZE }));
  const first = at / PAGE_SIZE;
  for (let page = first; page < first + pages; page++) {
    mm.mm.mapPte(page, normalPte(mm.mm.allocAnon(page, page), true));
  }
  return at;
}
