/** What kernel clients support, for the support page. */
import type { SupportRow } from '../../abi/support.ts';

const row = (name: string, status: SupportRow['status'], note?: string): SupportRow => ({
  area: 'kernel clients',
  name,
  status,
  ...(note !== undefined && { note }),
});

export const CLIENT_SUPPORT: readonly SupportRow[] = [
  row('trusted keys', 'supported', 'source `tee`; those of a TPM, CAAM, DCP and PKWM are absent'),
  row('request_key', 'absent', 'no system call'),
  row('optee-rng', 'supported'),
  row('/dev/hwrng', 'partial', 'the thread fills the pool once; no choice of a generator by sysfs'),
  row('tee_bnxt_fw', 'supported', 'load and core dump; the network driver is whoever calls them'),
  row('fTPM, rtc-optee, SCMI, StMM, qcom PAS', 'absent', 'their devices stay without a driver'),
];
