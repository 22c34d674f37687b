/**
 * `mkdir -p`, one directory after the other: Node's own tries for ever where the parent is there and
 * the child cannot be, as in procfs.
 */
import { lstatSync, mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/** @param mode of the directories that are made. @throws Error, of one line */
export function makeDirectories(path: string, mode: number): void {
  if (isDirectory(path)) return;
  const parent = dirname(path);
  if (parent !== path) makeDirectories(parent, mode);
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    // Somebody else was faster, or the path ends in `..`.
    if (!isThere(path)) throw error;
    if (!isDirectory(path)) throw new Error(`${path} is a symbolic link that leads nowhere`);
  }
}

/** False where nothing is. @throws Error where something else is */
function isDirectory(path: string): boolean {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return false;
  if (stat.isDirectory()) return true;
  throw new Error(`${path} is no directory`);
}

const isThere = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false }) !== undefined;
