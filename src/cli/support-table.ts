/** The rooms' support rows in one table, as text and as the support page. */
import type { SupportRow } from '../abi/support.ts';
import { CLIENT_SUPPORT } from '../linux/clients/support.ts';
import { MM_SUPPORT } from '../linux/mm/support.ts';
import { PINNERS_SUPPORT } from '../linux/pinners/support.ts';
import { PROCESS_SUPPORT } from '../linux/process/support.ts';
import { OPTEE_SUPPORT } from '../linux/tee/optee/support.ts';
import { TEE_SUPPORT } from '../linux/tee/support.ts';
import { NATIVE_SUPPORT } from '../native/support.ts';
import { OPTEE_OS_SUPPORT } from '../optee-os/support.ts';
import { GP_SUPPORT } from '../ta/gp/support.ts';
import { SUPPORT as USERLAND_SUPPORT } from '../userland/support.ts';

export const SUPPORT: readonly SupportRow[] = [
  ...TEE_SUPPORT,
  ...OPTEE_SUPPORT,
  ...CLIENT_SUPPORT,
  ...OPTEE_OS_SUPPORT,
  ...GP_SUPPORT,
  ...USERLAND_SUPPORT,
  ...PROCESS_SUPPORT,
  ...MM_SUPPORT,
  ...PINNERS_SUPPORT,
  ...NATIVE_SUPPORT,
];

const MARK = { supported: 'yes', partial: 'partial', absent: 'no' } as const;

/** Rows grouped by area, in the order in which the areas come. */
export function formatSupport(rows: readonly SupportRow[], form: 'text' | 'markdown'): string {
  const areas = [...new Set(rows.map((row) => row.area))];
  const format = form === 'markdown' ? markdownArea : textArea;
  return areas
    .map((area) =>
      format(
        area,
        rows.filter((row) => row.area === area),
      ),
    )
    .join('\n\n');
}

function textArea(area: string, rows: readonly SupportRow[]): string {
  const width = Math.max(...rows.map((row) => row.name.length));
  const lines = rows.map(({ name, status, note }) =>
    `  ${name.padEnd(width)}  ${MARK[status].padEnd(7)}  ${note ?? ''}`.trimEnd(),
  );
  return [area, ...lines].join('\n');
}

function markdownArea(area: string, rows: readonly SupportRow[]): string {
  const lines = rows.map(
    ({ name, status, note }) =>
      `| ${name} | ${MARK[status]} | ${(note ?? '').replaceAll('|', '\\|')} |`,
  );
  return [`## ${area}`, '', '| name | supported | |', '|---|---|---|', ...lines].join('\n');
}
