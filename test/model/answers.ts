/**
 * What each call can answer, as far as the model knows: a run that is long enough has been given all
 * of it, or its programs are too tame.
 */
import {
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_COMMUNICATION,
  TEE_ERROR_GENERIC,
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_ERROR_NOT_SUPPORTED,
  TEE_ERROR_SHORT_BUFFER,
  TEE_ORIGIN_TEE,
  TEE_ORIGIN_TRUSTED_APP,
  TEE_SUCCESS,
  formatResult,
} from '../../src/abi/gp.ts';

/** Calls on an fd of another kind, and on none. */
const ANY_FD = ['EBADF', 'ENOTTY'];
const ofTee = (code: number): string => formatResult(code, TEE_ORIGIN_TEE);
const ofTa = (code: number): string => formatResult(code, TEE_ORIGIN_TRUSTED_APP);

export const ANSWERS: Readonly<Record<string, readonly string[]>> = {
  open: ['done', 'EBUSY'],
  close: ['done', 'EBADF'],
  dup: ['done', 'EBADF'],
  mmap: ['done', 'EBADF', 'EINVAL', 'ENODEV'],
  TEE_IOC_VERSION: ['done', ...ANY_FD],
  TEE_IOC_SHM_REGISTER_FD: ['EINVAL', ...ANY_FD],
  TEE_IOC_OBJECT_INVOKE: ['EINVAL', ...ANY_FD],
  SHM_ALLOC: ['done', 'EINVAL', 'ENOMEM', ...ANY_FD],
  SHM_REGISTER: ['done', 'EINVAL', 'ENOMEM', 'EFAULT', ...ANY_FD],
  OPEN_SESSION: [
    ofTa(TEE_SUCCESS),
    formatResult(TEE_ERROR_BAD_PARAMETERS, 0),
    ...['EINVAL', 'EPERM', 'EFAULT', ...ANY_FD],
  ],
  'OPEN_SESSION that waits': [
    ofTee(TEE_ERROR_ITEM_NOT_FOUND),
    ofTee(TEE_ERROR_GENERIC),
    ofTee(TEE_ERROR_COMMUNICATION),
  ],
  INVOKE: [
    ofTa(TEE_SUCCESS),
    ofTa(TEE_ERROR_SHORT_BUFFER),
    ofTa(TEE_ERROR_NOT_SUPPORTED),
    ofTa(TEE_ERROR_BAD_PARAMETERS),
    ofTee(TEE_ERROR_BAD_PARAMETERS),
    ...['EINVAL', 'EFAULT', ...ANY_FD],
  ],
  CANCEL: ['done', 'EINVAL', ...ANY_FD],
  CLOSE_SESSION: ['done', 'EINVAL', ...ANY_FD],
  SUPPL_RECV: ['done', 'EINVAL', ...ANY_FD],
  SUPPL_SEND: ['done', 'EINVAL', 'ENOENT', ...ANY_FD],
};
