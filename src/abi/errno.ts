/**
 * Linux error numbers, with a short meaning each; system calls return them negated.
 *
 * Upstream counterparts: include/uapi/asm-generic/errno-base.h and errno.h (x86-64 and arm64 use
 * them unchanged), include/linux/errno.h for the numbers from 512, which user space should never
 * see. Left out: the numbers of other architectures.
 */
import { nameOf } from './layout.ts';

/* Source: include/uapi/asm-generic/errno-base.h and errno.h, Linux 6.1. */
export const EPERM = 1;
export const ENOENT = 2;
export const ESRCH = 3;
export const EINTR = 4;
export const EIO = 5;
export const ENXIO = 6;
export const E2BIG = 7;
export const ENOEXEC = 8;
export const EBADF = 9;
export const ECHILD = 10;
export const EAGAIN = 11;
export const EWOULDBLOCK = EAGAIN;
export const ENOMEM = 12;
export const EACCES = 13;
export const EFAULT = 14;
export const ENOTBLK = 15;
export const EBUSY = 16;
export const EEXIST = 17;
export const EXDEV = 18;
export const ENODEV = 19;
export const ENOTDIR = 20;
export const EISDIR = 21;
export const EINVAL = 22;
export const ENFILE = 23;
export const EMFILE = 24;
export const ENOTTY = 25;
export const ETXTBSY = 26;
export const EFBIG = 27;
export const ENOSPC = 28;
export const ESPIPE = 29;
export const EROFS = 30;
export const EMLINK = 31;
export const EPIPE = 32;
export const EDOM = 33;
export const ERANGE = 34;
export const EDEADLK = 35;
export const EDEADLOCK = EDEADLK;
export const ENAMETOOLONG = 36;
export const ENOLCK = 37;
export const ENOSYS = 38;
export const ENOTEMPTY = 39;
export const ELOOP = 40;
export const ENOMSG = 42;
export const EIDRM = 43;
export const ECHRNG = 44;
export const EL2NSYNC = 45;
export const EL3HLT = 46;
export const EL3RST = 47;
export const ELNRNG = 48;
export const EUNATCH = 49;
export const ENOCSI = 50;
export const EL2HLT = 51;
export const EBADE = 52;
export const EBADR = 53;
export const EXFULL = 54;
export const ENOANO = 55;
export const EBADRQC = 56;
export const EBADSLT = 57;
export const EBFONT = 59;
export const ENOSTR = 60;
export const ENODATA = 61;
export const ETIME = 62;
export const ENOSR = 63;
export const ENONET = 64;
export const ENOPKG = 65;
export const EREMOTE = 66;
export const ENOLINK = 67;
export const EADV = 68;
export const ESRMNT = 69;
export const ECOMM = 70;
export const EPROTO = 71;
export const EMULTIHOP = 72;
export const EDOTDOT = 73;
export const EBADMSG = 74;
export const EOVERFLOW = 75;
export const ENOTUNIQ = 76;
export const EBADFD = 77;
export const EREMCHG = 78;
export const ELIBACC = 79;
export const ELIBBAD = 80;
export const ELIBSCN = 81;
export const ELIBMAX = 82;
export const ELIBEXEC = 83;
export const EILSEQ = 84;
export const ERESTART = 85;
export const ESTRPIPE = 86;
export const EUSERS = 87;
export const ENOTSOCK = 88;
export const EDESTADDRREQ = 89;
export const EMSGSIZE = 90;
export const EPROTOTYPE = 91;
export const ENOPROTOOPT = 92;
export const EPROTONOSUPPORT = 93;
export const ESOCKTNOSUPPORT = 94;
export const EOPNOTSUPP = 95;
export const EPFNOSUPPORT = 96;
export const EAFNOSUPPORT = 97;
export const EADDRINUSE = 98;
export const EADDRNOTAVAIL = 99;
export const ENETDOWN = 100;
export const ENETUNREACH = 101;
export const ENETRESET = 102;
export const ECONNABORTED = 103;
export const ECONNRESET = 104;
export const ENOBUFS = 105;
export const EISCONN = 106;
export const ENOTCONN = 107;
export const ESHUTDOWN = 108;
export const ETOOMANYREFS = 109;
export const ETIMEDOUT = 110;
export const ECONNREFUSED = 111;
export const EHOSTDOWN = 112;
export const EHOSTUNREACH = 113;
export const EALREADY = 114;
export const EINPROGRESS = 115;
export const ESTALE = 116;
export const EUCLEAN = 117;
export const ENOTNAM = 118;
export const ENAVAIL = 119;
export const EISNAM = 120;
export const EREMOTEIO = 121;
export const EDQUOT = 122;
export const ENOMEDIUM = 123;
export const EMEDIUMTYPE = 124;
export const ECANCELED = 125;
export const ENOKEY = 126;
export const EKEYEXPIRED = 127;
export const EKEYREVOKED = 128;
export const EKEYREJECTED = 129;
export const EOWNERDEAD = 130;
export const ENOTRECOVERABLE = 131;
export const ERFKILL = 132;
export const EHWPOISON = 133;

/* Inside the kernel only. Source: include/linux/errno.h, Linux 6.1. */
export const ERESTARTSYS = 512;
export const ERESTARTNOINTR = 513;
export const ERESTARTNOHAND = 514;
export const ENOIOCTLCMD = 515;
export const ERESTART_RESTARTBLOCK = 516;
export const EPROBE_DEFER = 517;
export const EOPENSTALE = 518;
export const ENOPARAM = 519;
export const EBADHANDLE = 521;
export const ENOTSYNC = 522;
export const EBADCOOKIE = 523;
export const ENOTSUPP = 524;
export const ETOOSMALL = 525;
export const ESERVERFAULT = 526;
export const EBADTYPE = 527;
export const EJUKEBOX = 528;
export const EIOCBQUEUED = 529;
export const ERECALLCONFLICT = 530;
export const ENOGRACE = 531;

/** Error numbers that user space may see. EWOULDBLOCK and EDEADLOCK are aliases. */
export const ERRNO = {
  EPERM,
  ENOENT,
  ESRCH,
  EINTR,
  EIO,
  ENXIO,
  E2BIG,
  ENOEXEC,
  EBADF,
  ECHILD,
  EAGAIN,
  ENOMEM,
  EACCES,
  EFAULT,
  ENOTBLK,
  EBUSY,
  EEXIST,
  EXDEV,
  ENODEV,
  ENOTDIR,
  EISDIR,
  EINVAL,
  ENFILE,
  EMFILE,
  ENOTTY,
  ETXTBSY,
  EFBIG,
  ENOSPC,
  ESPIPE,
  EROFS,
  EMLINK,
  EPIPE,
  EDOM,
  ERANGE,
  EDEADLK,
  ENAMETOOLONG,
  ENOLCK,
  ENOSYS,
  ENOTEMPTY,
  ELOOP,
  ENOMSG,
  EIDRM,
  ECHRNG,
  EL2NSYNC,
  EL3HLT,
  EL3RST,
  ELNRNG,
  EUNATCH,
  ENOCSI,
  EL2HLT,
  EBADE,
  EBADR,
  EXFULL,
  ENOANO,
  EBADRQC,
  EBADSLT,
  EBFONT,
  ENOSTR,
  ENODATA,
  ETIME,
  ENOSR,
  ENONET,
  ENOPKG,
  EREMOTE,
  ENOLINK,
  EADV,
  ESRMNT,
  ECOMM,
  EPROTO,
  EMULTIHOP,
  EDOTDOT,
  EBADMSG,
  EOVERFLOW,
  ENOTUNIQ,
  EBADFD,
  EREMCHG,
  ELIBACC,
  ELIBBAD,
  ELIBSCN,
  ELIBMAX,
  ELIBEXEC,
  EILSEQ,
  ERESTART,
  ESTRPIPE,
  EUSERS,
  ENOTSOCK,
  EDESTADDRREQ,
  EMSGSIZE,
  EPROTOTYPE,
  ENOPROTOOPT,
  EPROTONOSUPPORT,
  ESOCKTNOSUPPORT,
  EOPNOTSUPP,
  EPFNOSUPPORT,
  EAFNOSUPPORT,
  EADDRINUSE,
  EADDRNOTAVAIL,
  ENETDOWN,
  ENETUNREACH,
  ENETRESET,
  ECONNABORTED,
  ECONNRESET,
  ENOBUFS,
  EISCONN,
  ENOTCONN,
  ESHUTDOWN,
  ETOOMANYREFS,
  ETIMEDOUT,
  ECONNREFUSED,
  EHOSTDOWN,
  EHOSTUNREACH,
  EALREADY,
  EINPROGRESS,
  ESTALE,
  EUCLEAN,
  ENOTNAM,
  ENAVAIL,
  EISNAM,
  EREMOTEIO,
  EDQUOT,
  ENOMEDIUM,
  EMEDIUMTYPE,
  ECANCELED,
  ENOKEY,
  EKEYEXPIRED,
  EKEYREVOKED,
  EKEYREJECTED,
  EOWNERDEAD,
  ENOTRECOVERABLE,
  ERFKILL,
  EHWPOISON,
  EWOULDBLOCK,
  EDEADLOCK,
} as const;

/** Error numbers that stay in the kernel, or should. */
export const KERNEL_ERRNO = {
  ERESTARTSYS,
  ERESTARTNOINTR,
  ERESTARTNOHAND,
  ENOIOCTLCMD,
  ERESTART_RESTARTBLOCK,
  EPROBE_DEFER,
  EOPENSTALE,
  ENOPARAM,
  EBADHANDLE,
  ENOTSYNC,
  EBADCOOKIE,
  ENOTSUPP,
  ETOOSMALL,
  ESERVERFAULT,
  EBADTYPE,
  EJUKEBOX,
  EIOCBQUEUED,
  ERECALLCONFLICT,
  ENOGRACE,
} as const;

/** An error number's name. */
export type ErrnoName = keyof typeof ERRNO | keyof typeof KERNEL_ERRNO;

/** What each error number means, in a line. */
export const ERRNO_MEANING: Readonly<Record<ErrnoName, string>> = {
  EPERM: 'the caller lacks the privilege',
  ENOENT: 'nothing of that name or id',
  ESRCH: 'no process of that id',
  EINTR: 'a signal ended the call before it was done',
  EIO: 'the device failed',
  ENXIO: 'no device behind that address or minor',
  E2BIG: 'the argument list does not fit',
  ENOEXEC: 'not a format that can be executed',
  EBADF: 'not an open descriptor, or not open that way',
  ECHILD: 'nothing to wait for',
  EAGAIN: 'not now, the call may be repeated',
  EWOULDBLOCK: 'not now, the call would have to wait',
  ENOMEM: 'no memory, or a limit on memory',
  EACCES: 'file permissions forbid it',
  EFAULT: 'a user address cannot be read or written',
  ENOTBLK: 'wants a block device',
  EBUSY: 'in use',
  EEXIST: 'already there',
  EXDEV: 'source and target are on different file systems',
  ENODEV: 'the device is gone or cannot do this',
  ENOTDIR: 'a path component is no directory',
  EISDIR: 'is a directory',
  EINVAL: 'an argument is not acceptable',
  ENFILE: 'the system has no file left',
  EMFILE: 'the process has no descriptor left',
  ENOTTY: 'the file does not know this ioctl',
  ETXTBSY: 'the program file is being executed',
  EFBIG: 'beyond the largest file',
  ENOSPC: 'no room left, on a device or in an id range',
  ESPIPE: 'the file has no position',
  EROFS: 'mounted read-only',
  EMLINK: 'no further link allowed',
  EPIPE: 'nobody reads the other end',
  EDOM: 'argument outside the domain of a function',
  ERANGE: 'result does not fit',
  EDEADLK: 'waiting would never end',
  EDEADLOCK: 'waiting would never end',
  ENAMETOOLONG: 'name longer than allowed',
  ENOLCK: 'no file lock left',
  ENOSYS: 'no such system call',
  ENOTEMPTY: 'directory has entries',
  ELOOP: 'symbolic links go in circles',
  ENOMSG: 'no message of that type',
  EIDRM: 'the IPC object was removed',
  ECHRNG: 'channel outside the range',
  EL2NSYNC: 'STREAMS: level 2 out of step',
  EL3HLT: 'STREAMS: level 3 stopped',
  EL3RST: 'STREAMS: level 3 was reset',
  ELNRNG: 'link number outside the range',
  EUNATCH: 'no protocol driver bound',
  ENOCSI: 'no CSI structure',
  EL2HLT: 'STREAMS: level 2 stopped',
  EBADE: 'exchange not valid',
  EBADR: 'request descriptor not valid',
  EXFULL: 'exchange is full',
  ENOANO: 'no anode left',
  EBADRQC: 'request code not valid',
  EBADSLT: 'slot not valid',
  EBFONT: 'font file cannot be used',
  ENOSTR: 'no STREAMS device',
  ENODATA: 'nothing to deliver',
  ETIME: 'time has run out',
  ENOSR: 'STREAMS memory exhausted',
  ENONET: 'host has no network',
  ENOPKG: 'package missing',
  EREMOTE: 'object lives on another host',
  ENOLINK: 'the link was cut',
  EADV: 'advertising failed',
  ESRMNT: 'remote mount failed',
  ECOMM: 'sending failed',
  EPROTO: 'the other side broke the protocol',
  EMULTIHOP: 'more than one hop tried',
  EDOTDOT: 'RFS failure',
  EBADMSG: 'message damaged: checksum or tag is wrong',
  EOVERFLOW: 'value does not fit its type',
  ENOTUNIQ: 'name is not unique',
  EBADFD: 'descriptor is in the wrong state',
  EREMCHG: 'remote address moved',
  ELIBACC: 'shared library unreachable',
  ELIBBAD: 'shared library damaged',
  ELIBSCN: 'library section damaged',
  ELIBMAX: 'too many libraries',
  ELIBEXEC: 'a library is no program',
  EILSEQ: 'not a valid byte sequence',
  ERESTART: 'the call is to be issued again',
  ESTRPIPE: 'stream pipe failed',
  EUSERS: 'no room for one more user',
  ENOTSOCK: 'not a socket',
  EDESTADDRREQ: 'no destination given',
  EMSGSIZE: 'message larger than allowed',
  EPROTOTYPE: 'protocol does not fit the socket',
  ENOPROTOOPT: 'no such socket option',
  EPROTONOSUPPORT: 'protocol unknown',
  ESOCKTNOSUPPORT: 'socket type unknown',
  EOPNOTSUPP: 'the object does not offer this operation',
  EPFNOSUPPORT: 'protocol family unknown',
  EAFNOSUPPORT: 'address family unknown',
  EADDRINUSE: 'address taken',
  EADDRNOTAVAIL: 'address is not ours',
  ENETDOWN: 'network is off',
  ENETUNREACH: 'no way to that network',
  ENETRESET: 'network reset cut the connection',
  ECONNABORTED: 'connection given up on this side',
  ECONNRESET: 'connection cut by the other side',
  ENOBUFS: 'no buffer left',
  EISCONN: 'connected already',
  ENOTCONN: 'not connected',
  ESHUTDOWN: 'this direction was shut',
  ETOOMANYREFS: 'too many references in flight',
  ETIMEDOUT: 'no answer in time',
  ECONNREFUSED: 'nobody listens there',
  EHOSTDOWN: 'host is off',
  EHOSTUNREACH: 'no way to that host',
  EALREADY: 'the same request is under way',
  EINPROGRESS: 'started, not finished',
  ESTALE: 'handle names something that is gone',
  EUCLEAN: 'file system needs repair',
  ENOTNAM: 'no XENIX named file',
  ENAVAIL: 'no XENIX semaphore',
  EISNAM: 'a named file',
  EREMOTEIO: 'failure on the remote side',
  EDQUOT: 'quota used up',
  ENOMEDIUM: 'drive is empty',
  EMEDIUMTYPE: 'wrong medium',
  ECANCELED: 'called off',
  ENOKEY: 'key missing',
  EKEYEXPIRED: 'key too old',
  EKEYREVOKED: 'key withdrawn',
  EKEYREJECTED: 'key not accepted',
  EOWNERDEAD: 'lock holder died',
  ENOTRECOVERABLE: 'state is lost',
  ERFKILL: 'radio is switched off',
  EHWPOISON: 'memory page is broken',
  ERESTARTSYS: 'repeat if the handler says so, else EINTR',
  ERESTARTNOINTR: 'always repeat',
  ERESTARTNOHAND: 'repeat unless there is a handler',
  ENOIOCTLCMD: 'driver does not know the command; becomes ENOTTY',
  ERESTART_RESTARTBLOCK: 'resume through restart_syscall',
  EPROBE_DEFER: 'a supplier is missing, probe again later',
  EOPENSTALE: 'directory entry was out of date',
  ENOPARAM: 'mount parameter unknown',
  EBADHANDLE: 'NFS: handle not valid',
  ENOTSYNC: 'NFS: update out of step',
  EBADCOOKIE: 'NFS: cookie out of date',
  ENOTSUPP: 'not offered; leaks to user space from TEE_IOC_SHM_REGISTER',
  ETOOSMALL: 'NFS: buffer or request too small',
  ESERVERFAULT: 'NFS: failure without a translation',
  EBADTYPE: 'NFS: type unknown to the server',
  EJUKEBOX: 'NFS: begun, done only later',
  EIOCBQUEUED: 'queued, completion follows',
  ERECALLCONFLICT: 'NFS: state is being recalled',
  ENOGRACE: 'NFS: reclaim refused',
};

/** Name of an error number of either sign; undefined when unknown. */
export function errnoName(errno: number): ErrnoName | undefined {
  const n = Math.abs(errno);
  return (nameOf(ERRNO, n) ?? nameOf(KERNEL_ERRNO, n)) as ErrnoName | undefined;
}

/** Meaning of an error number of either sign; undefined when unknown. */
export function errnoMeaning(errno: number): string | undefined {
  const name = errnoName(errno);
  return name === undefined ? undefined : ERRNO_MEANING[name];
}

/** `-EINVAL` for -22, `EINVAL` for 22; a number without a name stays a number. */
export function formatErrno(errno: number): string {
  const name = errnoName(errno);
  if (name === undefined) return String(errno);
  return errno < 0 ? `-${name}` : name;
}
