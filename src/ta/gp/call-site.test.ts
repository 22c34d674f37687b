import assert from 'node:assert/strict';
import { test } from 'node:test';
import { callerOf, formatSite, parseStack, siteIn } from './call-site.ts';

const V8 = `TypeError: x
    at inc_value (file:///ta/hello.ts:12:5)
    at Object.TA_InvokeCommandEntryPoint (file:///ta/hello.ts:40:9)
    at async TA_OpenSessionEntryPoint (file:///ta/hello.ts:50:1)
    at Tee.method [as other] (file:///lib/tee.ts:7:3)
    at new AesCipher (C:\\ta\\aes.ts:8:3)
    at file:///ta/top.ts:1:1
    at async file:///ta/top.ts:2:1
    at native code`;

test('frames of V8', () => {
  assert.deepEqual(
    parseStack(V8).map((site) => `${site.fn}@${formatSite(site)}`),
    [
      'inc_value@file:///ta/hello.ts:12',
      'TA_InvokeCommandEntryPoint@file:///ta/hello.ts:40',
      'TA_OpenSessionEntryPoint@file:///ta/hello.ts:50',
      'method@file:///lib/tee.ts:7',
      'AesCipher@C:\\ta\\aes.ts:8',
      '@file:///ta/top.ts:1',
      '@file:///ta/top.ts:2',
    ],
  );
});

test('frames of Firefox and Safari', () => {
  const stack = 'inc_value@https://x/ta.js:12:5\n@https://x/ta.js:1:1\n[native code]';
  assert.deepEqual(parseStack(stack), [
    { fn: 'inc_value', file: 'https://x/ta.js', line: 12 },
    { fn: '', file: 'https://x/ta.js', line: 1 },
  ]);
});

test('the innermost frame in a file, of errors that have one', () => {
  const error = Object.assign(new Error('x'), { stack: V8 });
  assert.equal(siteIn('file:///ta/top.ts', error)?.line, 1);
  assert.equal(siteIn('file:///other.ts', error), undefined);
  assert.equal(siteIn('file:///ta/top.ts', 'no error'), undefined);
});

test('the caller is outside of the asking file', () => {
  assert.equal(callerOf('elsewhere')?.file, import.meta.url);
  assert.notEqual(callerOf(import.meta.url)?.file, import.meta.url);
});
