/** The epoll instance, where files close and open while their events are handled. */
import assert from 'node:assert/strict';
import { closeSync } from 'node:fs';
import { describe, it } from 'node:test';
import { HOST_ARCHS } from './arch.ts';
import { EPOLLIN, Epoll } from './epoll.ts';
import { libcIfAny } from './testing/libc-if-any.ts';

const libc = libcIfAny();

describe('epoll', { skip: libc === undefined ? 'no koffi, or no Linux' : false }, () => {
  const arch = HOST_ARCHS.get(process.arch)!;
  const eventfd = (count: number): number => libc!.syscall(arch.eventfd2, count, 0);

  it('tells of what is ready', () => {
    const epoll = new Epoll(libc!, arch);
    const told: string[] = [];
    const [ready, idle] = [eventfd(1), eventfd(0)];
    epoll.add(ready, EPOLLIN, () => told.push('ready'));
    epoll.add(idle, EPOLLIN, () => told.push('idle'));
    epoll.dispatch();
    assert.deepEqual(told, ['ready']);
    for (const fd of [ready, idle, epoll.fd]) closeSync(fd);
  });

  it('keeps an event of a file that was closed from the one that has its number', () => {
    const epoll = new Epoll(libc!, arch);
    const both = [eventfd(1), eventfd(1)] as const;
    const told: string[] = [];
    const opened: number[] = [];
    for (const [own, other] of [both, both.toReversed() as [number, number]]) {
      epoll.add(own, EPOLLIN, () => {
        told.push('one of both');
        epoll.remove(other);
        closeSync(other);
        while (opened.at(-1) !== other) opened.push(eventfd(0));
        epoll.add(other, EPOLLIN, () => told.push('the new one'));
      });
    }
    epoll.dispatch();
    assert.deepEqual(told, ['one of both']);
    for (const fd of new Set([...both, ...opened, epoll.fd])) closeSync(fd);
  });
});
