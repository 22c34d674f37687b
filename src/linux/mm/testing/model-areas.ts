/**
 * For tests: where the processes of the memory model have what, page by page, and the file among it.
 * Pages are numbered through all areas.
 */
import { PAGE_SIZE } from '../../../machine/address.ts';
import type { FileBacking } from '../filemap.ts';
import { AT } from './memory.ts';

export const PAGES = 400;
export const OBJECT_PAGES = 64;
export const FILE_PAGES = 32;
const FILE_FIRST = PAGES + OBJECT_PAGES;
export const ALL_PAGES = FILE_FIRST + 2 * FILE_PAGES;
/** Private memory, an object of shared memory, a file that is mapped shared, and the same private. */
export const AREAS = [
  { first: 0, end: PAGES, at: AT },
  { first: PAGES, end: FILE_FIRST, at: 0x4000_0000 },
  { first: FILE_FIRST, end: FILE_FIRST + FILE_PAGES, at: 0x5000_0000 },
  { first: FILE_FIRST + FILE_PAGES, end: ALL_PAGES, at: 0x6000_0000 },
] as const;
export const [, OBJECT, FILE, COPY] = AREAS;

export const areaOf = (page: number): (typeof AREAS)[number] =>
  AREAS.find(({ end }) => page < end)!;
export const isFile = (page: number): boolean => areaOf(page) === FILE;
export const isPrivate = (page: number): boolean => page < PAGES || page >= COPY.first;
export const addressOf = (page: number): number => {
  const { first, at } = areaOf(page);
  return at + (page - first) * PAGE_SIZE;
};

/** A file of these bytes. */
export const diskFile = (disk: Uint8Array): FileBacking => ({
  size: () => disk.length,
  read(out, position) {
    out.set(disk.subarray(position, position + out.length));
    return out.length;
  },
  write(data, position) {
    disk.set(data, position);
    return data.length;
  },
  sync: () => 0,
});
