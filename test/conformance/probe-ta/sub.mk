global-incdirs-y += .
srcs-y += probe.c
