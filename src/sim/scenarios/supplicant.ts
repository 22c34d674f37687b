/**
 * Two programs, code of the kernel and a supplicant that does anything a program can do to
 * /dev/teepriv0. One program asks for a TA that is there, the other for one that the supplicant would
 * have to bring; the kernel asks for either. Anybody may be killed, and a pool of the secure world may be full.
 */
import type { Scenario } from '../scenario.ts';
import { startClient, startKernelClient } from './clients.ts';
import { COUNTER_TA, TA_IMAGES, UNKNOWN_TA } from './tas.ts';
import { startHostileSupplicant } from './hostile/supplicant.ts';

export const SUPPLICANT: Scenario = {
  name: 'supplicant',
  summary: 'clients, kernel code and a supplicant that may do anything; kills; full pools',
  boot: () => ({ tas: TA_IMAGES, config: { CFG_TEE_CORE_LOG_LEVEL: 1 } }),
  start(run) {
    const supplicant = startHostileSupplicant(run);
    const clients = [
      startClient(run, 'client', COUNTER_TA),
      startClient(run, 'stranger', UNKNOWN_TA),
    ];
    startKernelClient(run, run.oneOf([COUNTER_TA, UNKNOWN_TA], 'TA of the kernel'));
    run.killSomebody([...clients, supplicant]);
    run.killSomebody([...clients, supplicant]);
    run.fillPool();
  },
};
