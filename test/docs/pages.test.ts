/** What pages say of the repository holds: generated parts, links, paths, the table of rooms. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { pages } from '../../build/docs.ts';
import { ROOMS } from '../house/rooms.ts';
import { PAGES, ROOT, blocksOf, textOf } from './blocks.ts';

const withoutCode = (text: string): string => text.replaceAll(/^```[\s\S]*?^```$/gm, '');

/** As a heading's anchor is made from its text. */
const anchor = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\w\- ]/g, '')
    .replaceAll(' ', '-');

const anchorsOf = (page: string): readonly string[] =>
  [...withoutCode(textOf(page)).matchAll(/^#+ (.*)$/gm)].map(([, text = '']) => anchor(text));

describe('the documentation', () => {
  it('is up to date with the code: `npm run docs` writes what is generated', async () => {
    for (const [page, text] of await pages()) assert.equal(textOf(page), text, page);
  });

  it('links to what is there', () => {
    const broken = PAGES.flatMap((page) => {
      const links = [...withoutCode(textOf(page)).matchAll(/\]\((?!https?:)([^)]+)\)/g)];
      return links.flatMap(([, link = '']) => {
        const [path = '', fragment] = link.split('#');
        const target = path === '' ? page : join(dirname(page), path);
        if (!existsSync(join(ROOT, target))) return [`${page}: ${link}`];
        const found = fragment === undefined || anchorsOf(target).includes(fragment);
        return found ? [] : [`${page}: ${link}`];
      });
    });
    assert.deepEqual(broken, []);
  });

  it('names paths that exist, or that a block of the page makes', () => {
    const path = /`((?:src|test|examples|build|docs|bench)\/[\w./-]*)`/g;
    const missing = PAGES.flatMap((page) => {
      const made = new Set(blocksOf(page).map(({ words }) => words[2]));
      return [...textOf(page).matchAll(path)]
        .map(([, name = '']) => name)
        .filter((name) => !existsSync(join(ROOT, name)) && !made.has(name))
        .map((name) => `${page}: ${name}`);
    });
    assert.deepEqual(missing, []);
  });

  it('has the rooms and their imports as they are checked', () => {
    const rows = [
      ...textOf('docs/architecture.md').matchAll(/^\| `([^`]+)` *\|[^|]*\|([^|]*)\|$/gm),
    ];
    const documented = rows.map(([, room, imports = '']) => [
      room,
      [...imports.matchAll(/`([^`]+)`/g)].map(([, name]) => name).sort(),
    ]);
    const checked = Object.entries(ROOMS).map(([room, imports]) => [room, [...imports].sort()]);
    assert.deepEqual(documented.sort(), checked.sort());
  });
});
