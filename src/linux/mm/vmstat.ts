/** Event counters of /proc/vmstat that belong to pages (include/linux/vm_event_item.h). */
export class PageVmstat {
  nr_foll_pin_acquired = 0;
  nr_foll_pin_released = 0;
  /** Pages that were moved, and that could not be. */
  pgmigrate_success = 0;
  pgmigrate_fail = 0;
  /** Pages that reclaim looked at, and that it freed. */
  pgscan = 0;
  pgsteal = 0;
  pswpin = 0;
  pswpout = 0;
  /** Calls of cma_alloc(). */
  cma_alloc_success = 0;
  cma_alloc_fail = 0;
}
