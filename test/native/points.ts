/**
 * Each point that letting native programs in depends on, and the test that breaks when it is
 * removed. The documentation prints this table.
 */
export interface Point {
  readonly point: string;
  /** The name of a test in this folder, or the file of one of a room. */
  readonly test: string;
}

export const POINTS = [
  // Finding and opening
  {
    point: '/dev/tee0 and /dev/teepriv0 are found by the scan that client libraries make',
    test: 'devices',
  },
  {
    point:
      'paths are resolved through dirfd and working directory, by every call that opens or looks at a file',
    test: 'paths',
  },
  {
    point: 'a node is opened and looked at with the flags that any device of the host is',
    test: 'flags of path calls',
  },
  {
    point: "what is not the TEE's goes on in the host's kernel untouched",
    test: 'unrelated calls',
  },
  {
    point: 'a path that was read from a caller who is gone meanwhile counts for nothing',
    test: 'src/native/native-calls.test.ts',
  },
  { point: 'attributes in /sys/class/tee are read as files', test: 'paths' },
  // Calls
  {
    point: "ioctl arguments are fetched from and stored into the caller's memory",
    test: 'session',
  },
  { point: "the driver refuses what Linux's refuses, with the same errno", test: 'refusals' },
  {
    point: 'a pointer that cannot be read or written is EFAULT, and leaves nothing behind',
    test: 'bad pointers',
  },
  { point: 'profiles differ where the kernels differ', test: 'profiles' },
  { point: 'statically linked programs need no preloaded library', test: 'static program' },
  { point: 'calls of several threads are served at once', test: 'threads' },
  {
    point: 'the other threads go on when the first one has ended, with its memory and fds',
    test: 'first thread gone',
  },
  {
    point: 'ints are the lower halves of registers, whatever a language leaves in the upper ones',
    test: 'wide arguments',
  },
  {
    point: 'calls of another architecture are not mistaken for those with the same number',
    test: 'another architecture',
  },
  { point: 'rights are those of the thread that calls', test: 'rights of threads' },
  {
    point: 'a program that makes itself undumpable keeps its TEE; one that cannot be read is named',
    test: 'programs out of reach',
  },
  { point: 'many contexts at once are kept apart', test: 'contexts' },
  // Processes
  {
    point: 'memory comes from the process that registered it, not from the one that calls',
    test: 'fork',
  },
  {
    point: "fds are inherited by exec, and the old program's memory is not the new one's",
    test: 'vfork and exec',
  },
  {
    point: 'what a vfork child registers is its parent’s memory, also once the child has executed',
    test: 'vfork child that registers',
  },
  { point: 'an fd is identified at each call by the inode behind it', test: 'descriptors' },
  { point: 'a context ends with the last of its fds, in whatever process', test: 'descriptors' },
  { point: 'an fd that was passed through a socket is the same context', test: 'SCM_RIGHTS' },
  // Memory
  { point: "SHM_ALLOC's memory is one page for client and box", test: 'allocated memory' },
  {
    point: 'it is given back after the last close and unmap, also of a process that leaked it',
    test: 'allocated memory',
  },
  {
    point: 'its file is sealed: a client cannot take pages away from the box',
    test: 'allocated memory',
  },
  {
    point: "what can be registered is decided by the process's mappings",
    test: 'registered memory',
  },
  {
    point: 'what is registered stays so when its protection changes or it is unmapped',
    test: 'changed mappings',
  },
  {
    point: "only what the TA changed goes back: a client's racing writes survive",
    test: 'racing writer',
  },
  {
    point:
      'pins are held against RLIMIT_MEMLOCK of the user where a profile says so, and come back',
    test: 'memlock',
  },
  { point: 'whoever has CAP_IPC_LOCK is not held to it', test: 'memlock, CAP_IPC_LOCK' },
  {
    point: 'capabilities in a user namespace of its own count for nothing',
    test: 'memlock, user namespace',
  },
  { point: 'a refusal says limit, use and remedy', test: 'memlock, causes' },
  {
    point: 'teebox mem shows whose pins there are, how long they last, and the limit',
    test: 'memlock, teebox mem',
  },
  { point: 'also of a program that ended with them', test: 'memlock, teebox mem of who is gone' },
  {
    point: 'mapped in place it is seen at once, and is the program’s own memory again afterwards',
    test: 'in place',
  },
  {
    point: 'while it is mapped no write of a thread is lost, and no sleep of one disturbed',
    test: 'in place',
  },
  {
    point: 'a child has copies of what its parent has mapped in place, however long a fork takes',
    test: 'in place, forks',
  },
  { point: 'static programs map in place too', test: 'in place, static program' },
  { point: 'mapping in place needs no root', test: 'in place, without root' },
  { point: 'in place or copied, a program sees the same', test: 'in place, as copied' },
  {
    point: 'what cannot be mapped in place is copied, and that is said',
    test: 'in place, what is copied',
  },
  // Sleeping and dying
  {
    point: 'a signal ends an interruptible wait: EINTR, or a restart with SA_RESTART',
    test: 'signals',
  },
  { point: 'a signal does not end an invoke', test: 'signals during an invoke' },
  {
    point: 'only death ends a killable wait, and it gives the secure thread back',
    test: 'killed clients',
  },
  { point: 'a client that dies in an invoke harms nobody', test: 'killed in an invoke' },
  {
    point: 'a wait of a TA that a signal keeps ending leaves others their turn',
    test: 'killed in a wait of the TA',
  },
  {
    point: 'the death of a supplicant fails its requests, and another can take its place',
    test: 'supplicant',
  },
  { point: 'the supplicant may be a native program', test: 'native supplicant' },
  {
    point: 'it may go into the background, and ends with the box all the same',
    test: 'native supplicant in the background',
  },
  {
    point: 'a supplicant that fails, or leaves nobody behind, is told at once',
    test: 'no supplicant',
  },
  // The command line
  { point: 'arguments, environment, directory and files pass through', test: 'program' },
  { point: 'exit codes and deaths by signal pass through', test: 'exit codes' },
  {
    point: 'what the program of `run` leaves behind, daemons too, ends with the box',
    test: 'left behind',
  },
  { point: 'a program may close its standard files', test: 'closed standard files' },
  { point: 'signals to teebox reach its programs, whenever they come', test: 'signals to teebox' },
  { point: 'a reader of stderr that goes away ends nothing', test: 'unread errors' },
  { point: 'nothing needs root', test: 'without root' },
  { point: 'several programs share one box', test: 'one box, two programs' },
  // TAs that go wrong
  { point: 'a TA that panics ends alone', test: 'TA panics' },
  { point: 'a TA that spins is reported and ends the box with 124', test: 'spinning TA' },
] as const satisfies readonly Point[];

export type NativeTestName = Exclude<(typeof POINTS)[number]['test'], `${string}.test.ts`>;
