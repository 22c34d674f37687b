import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { MemoryStore } from './host/memory-store.ts';
import { TaNotFound, installTaFiles, loadTas } from './load-ta.ts';
import { TaModuleError } from './ta/typescript/image.ts';

const directory = mkdtempSync(join(tmpdir(), 'teebox-load-ta-'));
after(() => rmSync(directory, { recursive: true }));

/** A file in the test's directory; its path. */
function put(name: string, content: string): string {
  const path = join(directory, name);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, content);
  return path;
}

const TA = (
  uuid: string,
): string => `import { defineTa } from '${new URL('ta/index.ts', import.meta.url).href}';
export default defineTa(
  { uuid: '${uuid}', flags: 0, stackSize: 2048, dataSize: 32768, version: '1', description: '' },
  () => ({}),
);`;
const UUID = '00000000-0000-4000-8000-00000000000';

describe('loading TAs', () => {
  it('finds modules and signed files in a directory, and nothing else', async () => {
    put('many/ta.mjs', TA(`${UUID}1`));
    put('many/other.ta.mjs', TA(`${UUID}2`));
    put('many/helper.mjs', 'export default 1;');
    put('many/data.mjs', 'throw new Error("is not loaded")');
    const signed = put('many/x.ta', 'HSTO');
    const { images, files } = await loadTas([join(directory, 'many')]);
    assert.deepEqual(images.map(({ head }) => head.uuid).sort(), [`${UUID}1`, `${UUID}2`]);
    assert.deepEqual(files, [signed]);
  });

  it('takes a file by any name', async () => {
    const { images } = await loadTas([put('mine.mjs', TA(`${UUID}3`))]);
    assert.equal(images[0]?.head.uuid, `${UUID}3`);
  });

  it('says where there is none, and what is wrong with a module', async () => {
    const notFound = (path: string, message: RegExp): Promise<void> =>
      assert.rejects(loadTas([path]), (error) => {
        assert.ok(error instanceof TaNotFound);
        assert.match(error.message, message);
        return true;
      });
    await notFound(join(directory, 'nowhere'), /no such file or directory/);
    await notFound(put('text.txt', ''), /neither a module/);
    mkdirSync(join(directory, 'empty'));
    await notFound(join(directory, 'empty'), /holds no \*\.ta file and no module/);
    await assert.rejects(loadTas([put('wrong.mjs', 'export default {}')]), TaModuleError);
  });

  it('puts signed files where the supplicant looks, the last of a name', () => {
    const store = new MemoryStore();
    installTaFiles(store, [put('a/u.ta', 'longer'), put('b/u.ta', 'new')]);
    assert.deepEqual(store.list(''), ['u.ta']);
    assert.equal(new TextDecoder().decode(store.read('u.ta', 0, 99)), 'new');
  });
});
