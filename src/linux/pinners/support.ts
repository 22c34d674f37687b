/** How much there is of those who pin user memory beside the TEE subsystem. */
import type { SupportRow } from '../../abi/support.ts';

const AREA = 'Users of pinned pages';

export const PINNERS_SUPPORT: readonly SupportRow[] = [
  {
    area: AREA,
    name: 'io_uring fixed buffers',
    status: 'partial',
    note: 'registered by functions of the kernel, not by system calls; no queues',
  },
  { area: AREA, name: 'O_DIRECT', status: 'partial', note: 'synchronous, on a device of a test' },
  {
    area: AREA,
    name: 'process_vm_readv, process_vm_writev',
    status: 'partial',
    note: 'functions of the kernel, not system calls',
  },
  { area: AREA, name: 'user events', status: 'partial', note: 'the enable bit only' },
  { area: AREA, name: 'ivtv user DMA', status: 'partial', note: 'no card behind it' },
];
