/** Modules that are somebody else's, and what is wrong with them. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { ModuleNotLoaded, loadModule } from './load-module.ts';
import { NoPlugin, loadPluginModules } from './load-plugin.ts';

const directory = mkdtempSync(join(tmpdir(), 'teebox-load-module-'));
after(() => rmSync(directory, { recursive: true }));

function put(name: string, content: string): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
}

/** What is said of a module, without its directory. */
async function said(path: string): Promise<string> {
  const error: unknown = await loadModule(path).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof ModuleNotLoaded);
  return error.message.replaceAll(`${directory}/`, '');
}

describe('loading a module', () => {
  it('says in one line what it throws, and where', async () => {
    const thrown = put('throws.mjs', "\nconst n = 1;\nthrow new RangeError('too\\nmuch');\n");
    const message = 'throws.mjs cannot be loaded: RangeError: too (throws.mjs:3)';
    assert.equal(await said(thrown), message);
    const number = put('number.mjs', 'throw 5;');
    assert.equal(await said(number), 'number.mjs cannot be loaded: it throws 5');
  });

  it('says what cannot be compiled', async () => {
    const typed = /^typed\.ts cannot be loaded: SyntaxError: [^\n]+ \(typed\.ts:2\)$/;
    assert.match(await said(put('typed.ts', '\nconst n: number = ;\n')), typed);
    const plain = /^plain\.mjs cannot be loaded: SyntaxError: [^\n]+$/;
    assert.match(await said(put('plain.mjs', 'export default {')), plain);
  });

  it('says what it imports and is not there', async () => {
    const missing = /^lonely\.mjs cannot be loaded: Error: Cannot find module 'none\.mjs'.*lonely/;
    assert.match(await said(put('lonely.mjs', "import './none.mjs';")), missing);
    put('other.mjs', 'export const a = 1;');
    const unnamed = /^asks\.mjs cannot be loaded: SyntaxError: .* 'b' \(asks\.mjs:1\)$/;
    assert.match(await said(put('asks.mjs', "import { b } from './other.mjs';\nb();")), unnamed);
  });
});

describe('loading plugins', () => {
  const refused = (path: string, message: RegExp): Promise<void> =>
    assert.rejects(loadPluginModules([path]), (error) => {
      assert.ok(error instanceof NoPlugin);
      assert.match(error.message, message);
      return true;
    });

  it('takes what looks like one', async () => {
    const uuid = '00000000-0000-4000-8000-000000000001';
    const path = put('p.mjs', `export default { name: 'p', uuid: '${uuid}', invoke: () => 0 };`);
    const [plugin] = await loadPluginModules([path]);
    assert.deepEqual([plugin?.name, plugin?.uuid], ['p', uuid]);
  });

  it('says where there is none, and what a module lacks', async () => {
    await refused(join(directory, 'none.ts'), /^no plugin at \/\S+\/none\.ts: there is no such/);
    mkdirSync(join(directory, 'empty'));
    await refused(join(directory, 'empty'), /there is no such file$/);
    await refused('', /there is no such file$/);
    const lacks = /its default export has no name, uuid and invoke\(\)$/;
    await refused(put('nothing.mjs', ''), lacks);
    await refused(put('nameless.mjs', 'export default {}'), lacks);
    await assert.rejects(loadPluginModules([put('bad.mjs', 'throw 1')]), ModuleNotLoaded);
  });
});
