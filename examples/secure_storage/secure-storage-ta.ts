/**
 * What a client of the secure_storage TA needs to know of it.
 * Upstream counterpart: optee_examples secure_storage/ta/include/secure_storage_ta.h.
 */
export const TA_SECURE_STORAGE_UUID = 'f4e750bb-1437-4fbf-8785-8d3580c34994';

/** [0] memref in: the object's id; [1] memref out: its data. */
export const TA_SECURE_STORAGE_CMD_READ_RAW = 0;
/** [0] memref in: the object's id; [1] memref in: its data. */
export const TA_SECURE_STORAGE_CMD_WRITE_RAW = 1;
/** [0] memref in: the object's id. */
export const TA_SECURE_STORAGE_CMD_DELETE = 2;
