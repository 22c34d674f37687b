/** The supplicant's part of a case: one request received, one answer sent. */
import assert from 'node:assert/strict';
import * as abi from '../../src/abi/tee.ts';
import type { UserParam } from '../../src/linux/tee/testing/params.ts';
import type { Caller, SuppReply } from './caller.ts';

/** What a supplicant that works asynchronously offers: one META parameter and four others. */
export const OFFER: readonly UserParam[] = [
  { attr: abi.TEE_IOCTL_PARAM_ATTR_META },
  ...Array.from({ length: 4 }, () => ({ attr: abi.TEE_IOCTL_PARAM_ATTR_TYPE_NONE })),
];

/** Receives a request, and answers it with a result alone. @returns the request */
export async function serveOne(caller: Caller, fd: number, ret: number): Promise<SuppReply> {
  const request = await caller.supplRecv(fd, OFFER);
  assert.equal(request.rc, 0);
  assert.equal(await caller.supplSend(fd, ret, request.params), 0);
  return request;
}
