/**
 * GlobalPlatform sockets: error codes, protocol ids, ioctl functions.
 *
 * Upstream counterparts: optee_os lib/libutee/include/__tee_isocket_defines.h, __tee_ipsocket.h,
 * __tee_tcpsocket_defines.h, its extensions, and __tee_udpsocket_defines.h (GP TEE Sockets API
 * 1.0). Left out: the C interface struct with its function pointers.
 */

/* Source: __tee_isocket_defines.h, OP-TEE OS 4.10. */
export const TEE_ISOCKET_VERSION = 0x01000000;

/* Results. Source: __tee_isocket_defines.h, __tee_{tcp,udp}socket_defines.h, OP-TEE OS 4.10. */
export const TEE_ISOCKET_ERROR_PROTOCOL = 0xf1007001;
export const TEE_ISOCKET_ERROR_REMOTE_CLOSED = 0xf1007002;
export const TEE_ISOCKET_ERROR_TIMEOUT = 0xf1007003;
export const TEE_ISOCKET_ERROR_OUT_OF_RESOURCES = 0xf1007004;
export const TEE_ISOCKET_ERROR_LARGE_BUFFER = 0xf1007005;
export const TEE_ISOCKET_WARNING_PROTOCOL = 0xf1007006;
export const TEE_ISOCKET_ERROR_HOSTNAME = 0xf1007007;
export const TEE_ISOCKET_TCP_WARNING_UNKNOWN_OUT_OF_BAND = 0xf1010002;
export const TEE_ISOCKET_UDP_WARNING_UNKNOWN_OUT_OF_BAND = 0xf1020002;

/** Results of the sockets API, beside those of `TEE_ERROR`. */
export const TEE_ISOCKET_ERROR = {
  TEE_ISOCKET_ERROR_PROTOCOL,
  TEE_ISOCKET_ERROR_REMOTE_CLOSED,
  TEE_ISOCKET_ERROR_TIMEOUT,
  TEE_ISOCKET_ERROR_OUT_OF_RESOURCES,
  TEE_ISOCKET_ERROR_LARGE_BUFFER,
  TEE_ISOCKET_WARNING_PROTOCOL,
  TEE_ISOCKET_ERROR_HOSTNAME,
  TEE_ISOCKET_TCP_WARNING_UNKNOWN_OUT_OF_BAND,
  TEE_ISOCKET_UDP_WARNING_UNKNOWN_OUT_OF_BAND,
} as const;

/* Source: __tee_tcpsocket_defines.h, __tee_udpsocket_defines.h, OP-TEE OS 4.10. */
export const TEE_ISOCKET_PROTOCOLID_TCP = 0x65;
export const TEE_ISOCKET_PROTOCOLID_UDP = 0x66;

/** Protocols; also in OPTEE_RPC_SOCKET_OPEN. */
export const TEE_ISOCKET_PROTOCOLID = {
  TEE_ISOCKET_PROTOCOLID_TCP,
  TEE_ISOCKET_PROTOCOLID_UDP,
} as const;

/* Source: __tee_ipsocket.h, OP-TEE OS 4.10. */
/** Either. */
export const TEE_IP_VERSION_DC = 0;
export const TEE_IP_VERSION_4 = 1;
export const TEE_IP_VERSION_6 = 2;

/** IP versions. */
export const TEE_IP_VERSION = {
  TEE_IP_VERSION_DC,
  TEE_IP_VERSION_4,
  TEE_IP_VERSION_6,
} as const;

/* Source: __tee_udpsocket_defines.h, __tee_tcpsocket_defines_extensions.h, OP-TEE OS 4.10. */
export const TEE_UDP_CHANGEADDR = 0x66000001;
export const TEE_UDP_CHANGEPORT = 0x66000002;
export const TEE_TCP_SET_RECVBUF = 0x65f00000;
export const TEE_TCP_SET_SENDBUF = 0x65f00001;

/** ioctl functions; the protocol is in the top byte. */
export const TEE_ISOCKET_IOCTL = {
  TEE_UDP_CHANGEADDR,
  TEE_UDP_CHANGEPORT,
  TEE_TCP_SET_RECVBUF,
  TEE_TCP_SET_SENDBUF,
} as const;
