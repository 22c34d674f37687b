/**
 * Options of prctl(2): those that programs of the box can use, and those that concern native programs.
 * Source: include/uapi/linux/prctl.h, Linux 6.1. Left out: every other, MTE's flags among them.
 */
export const PR_SET_DUMPABLE = 4;
export const PR_SET_CHILD_SUBREAPER = 36;
export const PR_SET_NO_NEW_PRIVS = 38;
export const PR_SET_TAGGED_ADDR_CTRL = 55;
export const PR_GET_TAGGED_ADDR_CTRL = 56;
export const PR_TAGGED_ADDR_ENABLE = 1 << 0;
