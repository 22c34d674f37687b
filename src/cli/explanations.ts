/**
 * What codes mean and where they usually come from: for `teebox explain`. Meanings are the
 * specification's or the kernel's in our words; causes are what users of this stack run into.
 */

export interface Explanation {
  readonly meaning: string;
  /** Usual reasons, most frequent first. */
  readonly causes?: readonly string[];
}

/** By the codes' upstream names (TEE Internal Core API 3.3.1, TEE Client API 4.4.2). */
export const RESULT_EXPLANATIONS: Readonly<Record<string, Explanation>> = {
  TEE_SUCCESS: { meaning: 'the operation was carried out' },
  TEE_ERROR_GENERIC: {
    meaning: 'something failed that has no code of its own',
    causes: [
      'a TypeScript TA returned something that is no TEE_Result',
      'libteec met an errno other than ENOMEM and EINVAL',
    ],
  },
  TEE_ERROR_ACCESS_DENIED: {
    meaning: 'the caller has no right to it',
    causes: [
      'a pseudo TA that only TAs may open was opened by a client',
      'a TA refuses this login',
    ],
  },
  TEE_ERROR_CANCEL: {
    meaning: 'the operation was cancelled',
    causes: ['TEEC_RequestCancellation while the TA waits with cancellation unmasked'],
  },
  TEE_ERROR_ACCESS_CONFLICT: {
    meaning: 'the object is in use in a way that excludes this one, or a flag is missing',
    causes: ['an object is open without sharing', 'a lower TA version than the one seen before'],
  },
  TEE_ERROR_EXCESS_DATA: { meaning: 'more data than the operation takes' },
  TEE_ERROR_BAD_FORMAT: {
    meaning: 'data has the wrong form',
    causes: ['a damaged TA file or secure-storage file'],
  },
  TEE_ERROR_BAD_PARAMETERS: {
    meaning: 'an argument is wrong',
    causes: [
      'parameter types differ from what the TA expects: compare both TEEC_PARAM_TYPES and TEE_PARAM_TYPES',
      'a shared-memory cookie is unknown to the secure world (origin TEE)',
      'errno EINVAL in libteec (origin COMMS)',
    ],
  },
  TEE_ERROR_BAD_STATE: { meaning: 'the operation is not possible in this state' },
  TEE_ERROR_ITEM_NOT_FOUND: {
    meaning: 'there is no such thing',
    causes: [
      'no TA has this UUID: not built in (--ta), not in /lib/optee_armtz; the trace event ta.lookup lists where it was looked for',
      'no TEE device (origin COMMS): the program does not run under teebox',
      'no such object in secure storage',
    ],
  },
  TEE_ERROR_NOT_IMPLEMENTED: { meaning: 'should exist and does not' },
  TEE_ERROR_NOT_SUPPORTED: {
    meaning: 'the request is known and not served here',
    causes: [
      'a .ta file was found: this version runs TypeScript TAs',
      'the algorithm, or a supplicant request, is absent: teebox support',
    ],
  },
  TEE_ERROR_NO_DATA: { meaning: 'data was expected and is not there' },
  TEE_ERROR_OUT_OF_MEMORY: {
    meaning: 'a pool could not give what was asked for',
    causes: [
      'the TA heap: raise dataSize (TA_DATA_SIZE) of the TA',
      'secure RAM for TAs, or the core heap: -c CFG_CORE_HEAP_SIZE=…',
      'too many TAs calling each other: -c CFG_CORE_MAX_SYSCALL_RECURSION=…',
      'an RPC that failed for another reason: tee-supplicant is gone, or the client was killed',
    ],
  },
  TEE_ERROR_BUSY: {
    meaning: 'the resource is in use',
    causes: [
      'a second session of a TA with TA_FLAG_SINGLE_INSTANCE and without TA_FLAG_MULTI_SESSION',
    ],
  },
  TEE_ERROR_COMMUNICATION: {
    meaning: 'the other side could not be reached',
    causes: [
      'tee-supplicant is not running, or ended during the request',
      'the SMC itself was refused (origin COMMS)',
    ],
  },
  TEE_ERROR_SECURITY: {
    meaning: 'a security check failed',
    causes: [
      'a TA signature, hash or UUID does not match',
      'a memory reference reaches beyond its shared memory',
    ],
  },
  TEE_ERROR_SHORT_BUFFER: {
    meaning: 'the output buffer is too small; the size field tells how much is needed',
  },
  TEE_ERROR_EXTERNAL_CANCEL: { meaning: 'an external event cancelled the operation' },
  TEE_ERROR_TIMEOUT: { meaning: 'the time limit passed' },
  TEE_ERROR_OVERFLOW: { meaning: 'a value does not fit' },
  TEE_ERROR_TARGET_DEAD: {
    meaning: 'the TA has panicked',
    causes: [
      'an uncaught exception in a TypeScript TA, TEE_Panic, or a wrong use of the API: the panic report names the line',
      'the session was open when another one made the TA panic: close it',
    ],
  },
  TEE_ERROR_STORAGE_NO_SPACE: { meaning: 'secure storage is full' },
  TEE_ERROR_MAC_INVALID: { meaning: 'the authentication tag or MAC does not match' },
  TEE_ERROR_SIGNATURE_INVALID: { meaning: 'the signature does not match' },
  TEE_ERROR_TIME_NOT_SET: { meaning: 'the TA has not set its persistent time' },
  TEE_ERROR_TIME_NEEDS_RESET: { meaning: 'the persistent time can no longer be trusted' },
  TEE_ERROR_CORRUPT_OBJECT: { meaning: 'a stored object is damaged and was removed' },
  TEE_ERROR_STORAGE_NOT_AVAILABLE: { meaning: 'the storage cannot be reached now' },
  TEE_ERROR_CIPHERTEXT_INVALID: { meaning: 'the ciphertext cannot be decrypted' },
};

/** By errno names: what a TEE ioctl means by them. */
export const ERRNO_CAUSES: Readonly<Record<string, readonly string[]>> = {
  EINVAL: [
    'buf_len and num_params disagree, or are beyond TEE_MAX_ARG_SIZE (4096; 1024 on Linux 6.1)',
    'a session or shared-memory id that this context does not have',
    'flags that must be 0, an attribute that does not exist, an ioctl that does not exist',
    'the driver accepts at most 4 parameters on open and 6 on invoke',
  ],
  EFAULT: [
    'a pointer that is not mapped, or not writable where the kernel writes',
    'registering read-only memory, or a mapping of another shared-memory fd',
  ],
  ENOMEM: [
    'the shared-memory pool is exhausted',
    'registering length 0, or memory that can be pinned only in part',
  ],
  EBUSY: [
    'a second tee-supplicant: one process at a time may have /dev/teepriv0 open',
    'a supplicant that has gone while a client still holds its buffers',
  ],
  EPERM: [
    'a login that is reserved for kernel clients',
    'TEE_IOCTL_LOGIN_GROUP with a group that the caller is not in',
  ],
  EACCES: ['the node belongs to root: run as its owner or group'],
  ENOENT: ['no such device node', 'TEE_IOC_SUPPL_SEND with an id that no request has'],
  EBADF: ['TEE_IOC_SUPPL_SEND for a request whose client was killed'],
  ENOTTY: ['a TEE ioctl on something that is no TEE device'],
  ENOTSUPP: [
    'registering memory at a driver that cannot; an errno that user space should never see',
  ],
};
