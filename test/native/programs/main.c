/* Runs one theme: `programs NAME [ARGS...]`. */
#include "tee.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} themes[] = {
#define ENTRY(name) { #name, theme_##name }
	ENTRY(abi),
	ENTRY(answering),
	ENTRY(args),
	ENTRY(bad_pointers),
	ENTRY(blocked),
	ENTRY(command),
	ENTRY(contexts),
	ENTRY(count),
	ENTRY(descriptors),
	ENTRY(devices),
	ENTRY(executed),
	ENTRY(exec_chain),
	ENTRY(forked),
	ENTRY(identity),
	ENTRY(in_place),
	ENTRY(in_place_executed),
	ENTRY(in_place_forked),
	ENTRY(killed_in_invoke),
	ENTRY(kills),
	ENTRY(leader_gone),
	ENTRY(memlock),
	ENTRY(other_arch),
	ENTRY(panics),
	ENTRY(paths),
	ENTRY(path_flags),
	ENTRY(profile),
	ENTRY(race),
	ENTRY(rights),
	ENTRY(rights_of_threads),
	ENTRY(session),
	ENTRY(shm_alloc),
	ENTRY(shm_changed),
	ENTRY(shm_register),
	ENTRY(stdio_closed),
	ENTRY(supplicant),
	ENTRY(threads),
	ENTRY(undumpable),
	ENTRY(uninterrupted),
	ENTRY(unrelated),
	ENTRY(vfork_executed),
	ENTRY(vfork_register),
	ENTRY(wide_arguments),
#undef ENTRY
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof(themes) / sizeof(themes[0]); i++)
		if (strcmp(argv[1], themes[i].name) == 0)
			return themes[i].run(argc - 1, argv + 1);
	fprintf(stderr, "usage: %s NAME [ARGS...]\n", argv[0]);
	return 2;
}
