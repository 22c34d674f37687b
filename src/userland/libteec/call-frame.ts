/**
 * How libteec lays out its stack frame: the `tee_ioctl_buf_data` of a call, the argument with its
 * four parameters that it points to, and a third part for the small arguments, because memory is
 * registered while the argument of a call is being built.
 *
 * Upstream counterpart: the local variables of TEEC_OpenSession, TEEC_InvokeCommand and the others
 * in libteec/src/tee_client_api.c.
 */
import { TEEC_CONFIG_PAYLOAD_REF_COUNT } from '../../abi/gp.ts';
import {
  TeeIoctlBufData,
  TeeIoctlInvokeArg,
  TeeIoctlOpenSessionArg,
  invokeArgSize,
  openSessionArgSize,
} from '../../abi/tee.ts';

/** Where the `tee_ioctl_buf_data` is. */
export const BUF_DATA = 0;
/** Where the argument with parameters is. */
export const ARG = BUF_DATA + TeeIoctlBufData.byteLength;
/** Bytes of OPEN_SESSION's and INVOKE's arguments: always four parameters. */
export const OPEN_ARG_SIZE = openSessionArgSize(TEEC_CONFIG_PAYLOAD_REF_COUNT);
export const INVOKE_ARG_SIZE = invokeArgSize(TEEC_CONFIG_PAYLOAD_REF_COUNT);
/** Where their parameters are. */
export const OPEN_PARAMS = ARG + TeeIoctlOpenSessionArg.byteLength;
export const INVOKE_PARAMS = ARG + TeeIoctlInvokeArg.byteLength;
/** Where the arguments without parameters are. */
export const SMALL = ARG + OPEN_ARG_SIZE;
/** All of it, as a power of two. */
export const FRAME_SIZE = 256;
